import { roomProblem } from "./address";

const NAME = "hubbub.name";
const ROOMS = "hubbub.rooms";

const MANNERS = ["quiet", "bright", "gentle", "swift", "merry", "calm", "keen", "mild"];
const ANIMALS = ["otter", "heron", "fox", "lark", "hare", "wren", "seal", "finch"];

/** Who this tab is. It lives as long as the tab, so that two tabs are two people and a reload is the same one. */
export const identity = {
  get name(): string | undefined {
    return sessionStorage.getItem(NAME) ?? undefined;
  },

  get rooms(): string[] {
    try {
      const rooms: unknown = JSON.parse(sessionStorage.getItem(ROOMS) ?? "[]");
      return Array.isArray(rooms) ? rooms.filter((room) => typeof room === "string" && !roomProblem(room)) : [];
    } catch {
      return [];
    }
  },

  remember(name: string): void {
    sessionStorage.setItem(NAME, name);
  },

  rememberRooms(rooms: readonly string[]): void {
    sessionStorage.setItem(ROOMS, JSON.stringify(rooms));
  },

  forget(): void {
    sessionStorage.removeItem(NAME);
    sessionStorage.removeItem(ROOMS);
  },
};

export function suggestedName(): string {
  const number = Math.floor(Math.random() * 90) + 10;
  return `${pick(MANNERS)}-${pick(ANIMALS)}-${number}`;
}

function pick(words: readonly string[]): string {
  return words[Math.floor(Math.random() * words.length)] ?? "";
}

/** What is wrong with a name, in words for its owner. */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "Please enter a name.";
  if ([...name].length > 40) return "A name has at most 40 characters.";
  if (/\p{Cc}/u.test(name)) return "A name has only visible characters.";
  return undefined;
}
