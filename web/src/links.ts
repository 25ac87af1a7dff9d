/** The address when it is one that may be shown or followed, else undefined: no scripts, no local files. */
export function webUrl(text: string): string | undefined {
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : undefined;
  } catch {
    return undefined;
  }
}

/** What to call the file behind an address. */
export function fileName(url: string): string {
  const { pathname, host } = new URL(url);
  const last = pathname.split("/").filter(Boolean).at(-1);
  if (last === undefined) return host;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  csv: "text/csv",
  doc: "application/msword",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  gz: "application/gzip",
  html: "text/html",
  jpg: "image/jpeg",
  json: "application/json",
  md: "text/markdown",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  pdf: "application/pdf",
  png: "image/png",
  txt: "text/plain",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  zip: "application/zip",
};

/** A guess from the address, for the form to start with. */
export function guessedType(url: string): string {
  const extension = /\.([a-z0-9]+)$/i.exec(fileName(url))?.[1]?.toLowerCase() ?? "";
  return TYPES[extension] ?? "application/octet-stream";
}

export interface Stretch {
  readonly text: string;
  readonly url: string | undefined;
}

/** Cuts a text into plain stretches and web addresses, leaving out the punctuation that ends a sentence. */
export function stretches(text: string): Stretch[] {
  const found: Stretch[] = [];
  let end = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"]*[^\s<>".,;:!?'()[\]]/gi)) {
    const url = webUrl(match[0]);
    if (url === undefined) continue;
    if (match.index > end) found.push({ text: text.slice(end, match.index), url: undefined });
    found.push({ text: match[0], url });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ text: text.slice(end), url: undefined });
  return found;
}
