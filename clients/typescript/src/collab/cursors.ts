import type { ChangeDesc, Text } from "@codemirror/state";
import { isRecord } from "../envelope.js";
import type { Envelope } from "../envelope.js";

/** Someone else's cursor or selection, in the text that is seen. */
export interface RemoteCursor {
  readonly clientId: string;
  readonly user: string;
  readonly name: string;
  readonly colour: string;
  readonly anchor: number;
  readonly head: number;
}

const COLOURS = ["#c2410c", "#15803d", "#1d4ed8", "#a21caf", "#0f766e", "#b91c1c", "#6d28d9", "#a16207"];

/** The colour of an author who names none: always the same one. */
export function colourOf(clientId: string): string {
  let hash = 0;
  for (const character of clientId) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return COLOURS[hash % COLOURS.length] ?? "#1d4ed8";
}

/** Where the others are. Positions follow the text, so that nobody's cursor jumps when someone types. */
export class Cursors {
  readonly #cursors = new Map<string, RemoteCursor>();

  get all(): RemoteCursor[] {
    return [...this.#cursors.values()];
  }

  clear(): void {
    this.#cursors.clear();
  }

  /** Takes what came. `pending` is what the text that is seen has beyond the server's. Returns whether it says anything. */
  take(value: unknown, clientId: string | undefined, user: string, pending: ChangeDesc | undefined, text: Text): boolean {
    if (!isRecord(value) || clientId === undefined) return false;
    const cursor = value["cursor"];
    if (cursor === null) return this.#cursors.delete(clientId);
    if (!isRecord(cursor)) return false;
    const { anchor, head } = cursor;
    if (typeof anchor !== "number" || typeof head !== "number") return false;
    const place = (at: number): number => {
      const length = pending?.length ?? text.length;
      const within = Math.min(Math.max(0, at), length);
      return pending?.mapPos(within, 1) ?? within;
    };
    const { name, colour } = value;
    this.#cursors.set(clientId, {
      clientId,
      user,
      name: typeof name === "string" && name !== "" ? name : user,
      colour: typeof colour === "string" && /^#[0-9a-f]{6}$/i.test(colour) ? colour : colourOf(clientId),
      anchor: place(anchor),
      head: place(head),
    });
    return true;
  }

  /** The text that is seen changed. `author` typed it: that cursor goes behind what was inserted at its place. */
  map(changes: ChangeDesc, author: string | undefined): void {
    for (const [id, cursor] of this.#cursors) {
      const side = id === author ? 1 : -1;
      this.#cursors.set(id, {
        ...cursor,
        anchor: changes.mapPos(cursor.anchor, side),
        head: changes.mapPos(cursor.head, side),
      });
    }
  }

  /** The cursors of an `init`. */
  replace(entries: unknown, own: string, text: Text): void {
    this.#cursors.clear();
    for (const entry of Array.isArray(entries) ? entries : []) {
      if (!isRecord(entry)) continue;
      const { clientId, user } = entry;
      if (typeof clientId !== "string" || clientId === own) continue;
      this.take(entry, clientId, typeof user === "string" ? user : "", undefined, text);
    }
  }
}

/** The message that tells the others where one is; `null` when one is nowhere. */
export function cursorMessage(
  channel: string,
  selection: { readonly anchor: number; readonly head: number } | null,
  revision: number,
  author: { readonly name?: string | undefined; readonly colour?: string | undefined },
): Envelope {
  const payload: Record<string, unknown> = { cursor: selection, revision };
  if (author.name !== undefined) payload["name"] = author.name;
  if (author.colour !== undefined) payload["colour"] = author.colour;
  return { type: "cursor", channel, payload };
}
