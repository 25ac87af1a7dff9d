import { isFile, isImage, isText } from "hubbub";
import type { FilePayload, ImagePayload, Message } from "hubbub";

export type Body =
  | { readonly kind: "text"; readonly content: string; readonly mentions: readonly string[] }
  | ({ readonly kind: "image" } & ImagePayload)
  | ({ readonly kind: "file" } & FilePayload)
  | { readonly kind: "other"; readonly type: string };

/** `unsure`: sent, but the connection ended before the answer. It may show up in the log yet. */
export type PostState = "sending" | "sent" | "failed" | "unsure";

export interface Post {
  readonly kind: "post";
  readonly key: string;
  readonly messageId: string;
  readonly sender: string;
  readonly own: boolean;
  readonly body: Body;
  at: number;
  state: PostState;
  problem: string | undefined;
  /** Where it stands in the log; undefined until the log has it. */
  place: Place | undefined;
}

export interface Notice {
  readonly kind: "notice";
  readonly key: string;
  readonly at: number;
  readonly text: string;
  readonly tone: "info" | "warning";
}

export type Entry = Post | Notice;

/** Offsets begin anew with every life of a log, so they are counted within one. */
interface Place {
  readonly life: number;
  readonly offset: number;
}

/** Beyond this the oldest are let go, and no earlier ones are read. */
export const MOST_ENTRIES = 2_000;

/** What a room shows, in the log's order: each message once, own ones from the moment they are written. */
export class Timeline {
  readonly entries: Entry[] = [];
  readonly #posts = new Map<string, Post>();
  #life = 0;
  #notices = 0;

  constructor(readonly me: string) {}

  /** The log was begun anew: what comes now stands after all that was. */
  beginLife(): void {
    this.#life += 1;
  }

  /** The first offset known of the log as it is now. */
  get firstOffset(): number | undefined {
    for (const entry of this.entries) {
      if (entry.kind === "post" && entry.place !== undefined) {
        return entry.place.life === this.#life ? entry.place.offset : undefined;
      }
    }
    return undefined;
  }

  /** The last offset known of the log as it is now. */
  get lastOffset(): number | undefined {
    for (let at = this.entries.length - 1; at >= 0; at -= 1) {
      const entry = this.entries[at];
      if (entry?.kind === "post" && entry.place !== undefined) {
        return entry.place.life === this.#life ? entry.place.offset : undefined;
      }
    }
    return undefined;
  }

  /** Where a post stands in the log as it is now. */
  offsetOf({ place }: Post): number | undefined {
    return place?.life === this.#life ? place.offset : undefined;
  }

  /** How many own messages are not in the log yet. */
  get waiting(): number {
    return this.entries.filter((entry) => entry.kind === "post" && entry.state === "sending").length;
  }

  /** Takes a message from the log; false when it was shown already and nobody needs to be told. */
  deliver(message: Message): boolean {
    const place = { life: this.#life, offset: message.offset ?? 0 };
    const key = keyOf(message.sender, message.messageId);
    const known = this.#posts.get(key);
    if (known !== undefined) {
      this.#settle(known, place, message.timestamp);
      return false;
    }
    const own = message.sender === this.me;
    const post: Post = {
      kind: "post",
      key,
      messageId: message.messageId,
      sender: message.sender,
      own,
      body: bodyOf(message),
      at: message.timestamp,
      state: "sent",
      problem: undefined,
      place,
    };
    this.#posts.set(key, post);
    this.#insert(post);
    return true;
  }

  /** Shows an own message that is on its way. */
  write(messageId: string, body: Body, at: number): Post {
    const key = keyOf(this.me, messageId);
    const post: Post = {
      kind: "post",
      key,
      messageId,
      sender: this.me,
      own: true,
      body,
      at,
      state: "sending",
      problem: undefined,
      place: undefined,
    };
    this.#posts.set(key, post);
    this.#insert(post);
    return post;
  }

  acknowledge(post: Post, offset: number): void {
    this.#settle(post, { life: this.#life, offset }, post.at);
  }

  /** A message that is in the log after all is not reported as failed. */
  fail(post: Post, state: "failed" | "unsure", problem: string): void {
    if (post.place !== undefined) return;
    post.state = state;
    post.problem = problem;
  }

  resend(post: Post, at: number): void {
    post.state = "sending";
    post.problem = undefined;
    post.at = at;
    this.#insert(post);
  }

  note(text: string, tone: Notice["tone"], at: number): void {
    this.#notices += 1;
    this.entries.push({ kind: "notice", key: `notice ${this.#notices}`, at, text, tone });
    this.#trim();
  }

  #settle(post: Post, place: Place, at: number): void {
    post.state = "sent";
    post.problem = undefined;
    if (post.place?.life === place.life && post.place.offset === place.offset) return;
    post.place = place;
    post.at = at;
    this.#insert(post);
  }

  #insert(post: Post): void {
    const present = this.entries.indexOf(post);
    if (present >= 0) this.entries.splice(present, 1);
    this.entries.splice(this.#indexFor(post), 0, post);
    this.#trim();
  }

  #indexFor(post: Post): number {
    let index = this.entries.length;
    if (post.place === undefined) return index;
    for (let at = this.entries.length - 1; at >= 0; at -= 1) {
      const entry = this.entries[at];
      if (entry === undefined) break;
      if (entry.kind === "notice") {
        if (entry.at > post.at) index = at;
      } else if (entry.place === undefined || isBefore(post.place, entry.place)) {
        index = at;
      } else {
        break;
      }
    }
    return index;
  }

  #trim(): void {
    while (this.entries.length > MOST_ENTRIES) {
      const [oldest] = this.entries.splice(0, 1);
      if (oldest?.kind === "post") this.#posts.delete(oldest.key);
    }
  }
}

/** An id says nothing without its sender: anyone can repeat another one's. */
function keyOf(sender: string, messageId: string): string {
  return JSON.stringify([sender, messageId.toLowerCase()]);
}

function isBefore(one: Place, other: Place): boolean {
  return one.life === other.life ? one.offset < other.offset : one.life < other.life;
}

export function bodyOf(message: Message): Body {
  if (isText(message)) {
    const { content, mentions } = message.payload;
    const users = Array.isArray(mentions) ? mentions.filter((user) => typeof user === "string") : [];
    return { kind: "text", content, mentions: users };
  }
  if (isImage(message)) {
    const { url, width, height } = message.payload;
    return { kind: "image", url, width, height };
  }
  if (isFile(message)) {
    const { url, size, mimeType } = message.payload;
    return { kind: "file", url, size, mimeType };
  }
  return { kind: "other", type: message.type };
}
