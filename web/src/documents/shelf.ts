/** A document that was opened in this browser. There is no list of all: whoever has the link can open one. */
export interface Shelved {
  readonly id: string;
  readonly title: string;
  /** When it was opened last, in milliseconds since 1970. */
  readonly opened: number;
}

const KEY = "hubbub.documents";
const MOST = 50;

/** The documents of this browser, the last one first. */
export function shelf(): Shelved[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(value) ? value.filter(isShelved) : [];
  } catch {
    return [];
  }
}

export function shelve(id: string, title: string): void {
  const others = shelf().filter((one) => one.id !== id);
  const kept = [{ id, title, opened: Date.now() }, ...others].slice(0, MOST);
  localStorage.setItem(KEY, JSON.stringify(kept));
}

export function unshelve(id: string): void {
  localStorage.setItem(KEY, JSON.stringify(shelf().filter((one) => one.id !== id)));
}

/** The first line that says something, without the marks of a heading. */
export function titleOf(text: string): string {
  const line = text.split("\n", 40).find((one) => /[\p{L}\p{N}]/u.test(one)) ?? "";
  return line.replace(/^[#>*\-\s]+/, "").slice(0, 80).trim() || "Untitled";
}

/** A name that nobody guesses: who has the link has the document. */
export function newDocumentId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

function isShelved(value: unknown): value is Shelved {
  if (typeof value !== "object" || value === null) return false;
  const { id, title, opened } = value as Record<string, unknown>;
  return typeof id === "string" && typeof title === "string" && typeof opened === "number";
}
