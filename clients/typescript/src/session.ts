import type { Envelope, Payload } from "./envelope.js";
import { newMessageId } from "./identifiers.js";
import type { Kept } from "./keeper.js";
import type { Position } from "./positions.js";
import { MAX_MESSAGE, VERSION } from "./protocol.js";
import type { Token } from "./tokens.js";

/** What of the largest message is for no positions. */
const RESERVED_BYTES = 4 * 1024;

export interface SessionOptions {
  /** For hubs with anonymous users; others take the user from the token. */
  readonly user?: string;
  /** A function is asked for every connection, and again before the token expires. */
  readonly token?: Token;
  readonly profile?: Payload;
}

/** Who this client is to the server, and how it introduces itself over a new connection. */
export class Session {
  readonly #options: SessionOptions;
  /** A secret. Undefined before the first welcome, and once the server does not know it any more. */
  #id: string | undefined;
  #connectionId: string | undefined;
  #user: string | undefined;
  #version: string | undefined;
  #node: string | undefined;
  #messageBytes: number = MAX_MESSAGE;
  #attempt = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#user = options.user;
  }

  /** The name the server knows it by; before the first welcome, the one that was asked for. */
  get user(): string | undefined {
    return this.#user;
  }

  get version(): string | undefined {
    return this.#version;
  }

  /** The node that the session began at. */
  get node(): string | undefined {
    return this.#node;
  }

  /** What to say first: the session from before if there is one, else hello. */
  greeting(
    token: string | undefined,
    positions: Iterable<readonly [log: string, position: Position]>,
    ticket?: string,
  ): Envelope {
    return this.#id === undefined ? this.#hello(token) : this.#restore(this.#id, token, positions, ticket);
  }

  /** The server began a new session. */
  welcomed({ sessionId, connectionId, version, payload }: Envelope): void {
    this.#id = sessionId;
    this.#connectionId = connectionId;
    this.#version = version;
    const { user, limits, node } = payload ?? {};
    if (typeof user === "string") this.#user = user;
    if (typeof node === "string") this.#node = node;
    const bytes = (limits as Payload | undefined)?.["message_bytes"];
    if (typeof bytes === "number" && bytes > 0) this.#messageBytes = bytes;
  }

  /** The session goes on over a new connection. */
  restored({ sessionId, connectionId, version }: Envelope): void {
    this.#id = sessionId ?? this.#id;
    this.#connectionId = connectionId;
    this.#version = version ?? this.#version;
  }

  /** The server does not take it back. */
  expired(): void {
    this.#id = undefined;
    this.#connectionId = undefined;
  }

  /** Takes over a session that was kept; false for one that was somebody else's. */
  resume({ sessionId, connectionId, wanted, user }: Kept): boolean {
    if (wanted !== this.#options.user) return false;
    this.#id = sessionId;
    this.#connectionId = connectionId;
    this.#user = user ?? this.#user;
    return true;
  }

  /** What to keep of it, if there is a session to keep. */
  kept(): Pick<Kept, "sessionId" | "connectionId" | "wanted" | "user"> | undefined {
    if (this.#id === undefined) return undefined;
    return { sessionId: this.#id, connectionId: this.#connectionId, wanted: this.#options.user, user: this.#user };
  }

  #hello(token: string | undefined): Envelope {
    const payload: Payload = {};
    if (token !== undefined) payload["token"] = token;
    else if (this.#user !== undefined) payload["user"] = this.#user;
    if (this.#options.profile !== undefined) payload["profile"] = this.#options.profile;
    return { type: "hello", version: VERSION, messageId: newMessageId(), payload };
  }

  #restore(
    sessionId: string,
    token: string | undefined,
    positions: Iterable<readonly [string, Position]>,
    ticket: string | undefined,
  ): Envelope {
    const room = this.#messageBytes - RESERVED_BYTES - (token?.length ?? 0);
    const payload: Payload = { positions: Object.fromEntries(fitting(positions, room)) };
    if (token !== undefined) payload["token"] = token;
    if (ticket !== undefined) payload["ticket"] = ticket;
    // It grows, over a reload too: an attempt that was given up and arrives late must not take the session away.
    payload["attempt"] = this.#attempt = Math.max(this.#attempt + 1, Date.now());
    const messageId = newMessageId();
    const restore: Envelope = { type: "restore_session", version: VERSION, messageId, sessionId, payload };
    if (this.#connectionId !== undefined) restore.connectionId = this.#connectionId;
    return restore;
  }
}

/** As many as fit. From a log that is left out the server goes on where it stopped, and says where that was. */
function fitting<T>(entries: Iterable<T>, bytes: number): T[] {
  const encoder = new TextEncoder();
  const taken: T[] = [];
  let left = bytes;
  for (const entry of entries) {
    left -= encoder.encode(JSON.stringify(entry)).length;
    if (left < 0) break;
    taken.push(entry);
  }
  return taken;
}
