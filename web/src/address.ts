/** The hub that served this page. */
export function hubUrl(root: string): string {
  const url = new URL("ws", root);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  url.search = "";
  return url.href;
}

/** The room named in a URL's hash, if it is one that can be entered. */
export function roomInHash(hash: string): string | undefined {
  let room: string;
  try {
    room = decodeURIComponent(hash.replace(/^#/, ""));
  } catch {
    return undefined;
  }
  return roomProblem(room) === undefined ? room : undefined;
}

export function hashOfRoom(room: string): string {
  return `#${encodeURIComponent(room)}`;
}

/** What is wrong with a room's name, in words for whoever entered it. */
export function roomProblem(room: string): string | undefined {
  if (room.trim() === "") return "Please enter the name of a room.";
  if (new TextEncoder().encode(room).length > 200) return "This name is too long.";
  if (/\p{Cc}/u.test(room)) return "A room's name has only visible characters.";
  return undefined;
}
