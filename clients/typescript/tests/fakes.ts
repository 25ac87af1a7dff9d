import { vi } from "vitest";
import { Client } from "../src/client.js";
import type { ClientOptions } from "../src/options.js";
import { json } from "../src/codec.js";
import type { Codec } from "../src/codec.js";
import type { Socket } from "../src/connection.js";
import type { Envelope } from "../src/envelope.js";

export const ROOM = "room:lobby";

/** The far end of one WebSocket: the test plays the server on it. */
export class FakeSocket implements Socket {
  readyState: Socket["readyState"] = 0;
  onopen: Socket["onopen"] = null;
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  readonly sent: Envelope[] = [];
  closedByClient = false;

  constructor(
    readonly url: string,
    readonly subprotocols: string[],
    private readonly codec: Codec = json,
  ) {}

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.sent.push(this.codec.decode(typeof data === "string" ? data : data.buffer));
  }

  close(): void {
    this.readyState = 3;
    this.closedByClient = true;
  }

  open(): void {
    this.readyState = 1;
    (this.onopen as (() => void) | null)?.();
  }

  say(envelope: Envelope): void {
    const data = this.codec.encode(envelope);
    this.sayRaw(typeof data === "string" ? data : data.buffer);
  }

  sayRaw(data: unknown): void {
    (this.onmessage as ((event: unknown) => void) | null)?.({ data });
  }

  end(code: number, reason = ""): void {
    this.readyState = 3;
    (this.onclose as ((event: unknown) => void) | null)?.({ code, reason });
  }

  /** The last message sent, which must be of this type. */
  last(type: string): Envelope {
    const found = this.sent.at(-1);
    if (found?.type !== type) throw new Error(`${type} was expected, not ${JSON.stringify(found)}`);
    return found;
  }

  /** Acknowledges what was sent last. */
  ack(answer: Partial<Envelope> = {}): void {
    this.say({ type: "ack", ...idOf(this.sent.at(-1)), ...answer });
  }

  refuse(code: string, payload: Record<string, unknown> = {}): void {
    this.say({ type: "error", code, reason: `refused: ${code}`, payload, ...idOf(this.sent.at(-1)) });
  }
}

function idOf(envelope: Envelope | undefined): Partial<Envelope> {
  return envelope?.messageId === undefined ? {} : { messageId: envelope.messageId };
}

export interface Stage {
  readonly client: Client;
  readonly sockets: FakeSocket[];
  /** The newest connection. */
  readonly socket: () => FakeSocket;
  /** Lets the client in with a new session; one that it asks for has expired. */
  readonly welcome: (payload?: Record<string, unknown>) => Promise<void>;
  /** Lets the client back into its session, which reads these logs. */
  readonly restore: (channels?: Record<string, unknown>) => Promise<void>;
  /** The connection is lost, and the next one is opened. */
  readonly reconnect: () => Promise<void>;
}

/** A client whose sockets the test holds; a reconnect waits exactly its bound (1 s, 2 s, …). */
export function stage(options: ClientOptions = {}): Stage {
  const sockets: FakeSocket[] = [];
  const client = new Client("ws://hub.test/ws", {
    user: "ada",
    backoff: { random: () => 1 },
    webSocket: (url, subprotocols) => {
      const socket = new FakeSocket(url, subprotocols);
      sockets.push(socket);
      return socket;
    },
    ...options,
  });
  const socket = (): FakeSocket => {
    const newest = sockets.at(-1);
    if (newest === undefined) throw new Error("no connection was opened");
    return newest;
  };
  const opened = async (): Promise<void> => {
    if (socket().readyState !== 0) return;
    socket().open();
    await settle();
  };
  const welcome = async (payload: Record<string, unknown> = {}): Promise<void> => {
    await opened();
    if (socket().sent.at(-1)?.type === "restore_session") {
      socket().refuse("session_expired");
      await settle();
    }
    socket().last("hello");
    socket().say({
      type: "welcome",
      version: "1.2",
      sessionId: `secret ${sockets.length}`,
      connectionId: `connection ${sockets.length}`,
      payload: { user: "ada", heartbeat_ms: 25_000, limits: {}, positions: {}, ...payload },
    });
    await settle();
  };
  const restore = async (channels: Record<string, unknown> = {}): Promise<void> => {
    await opened();
    const { sessionId = "" } = socket().last("restore_session");
    const connectionId = `connection ${sockets.length}`;
    socket().say({ type: "session_restored", version: "1.2", sessionId, connectionId, payload: { channels } });
    await settle();
  };
  const reconnect = async (): Promise<void> => {
    socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await opened();
  };
  return { client, sockets, socket, welcome, restore, reconnect };
}

/** A client after its first welcome. */
export async function connected(options: ClientOptions = {}): Promise<Stage> {
  const built = stage(options);
  void built.client.connect();
  await built.welcome();
  return built;
}

/** A text of bob's as the server delivers it. */
export function text(offset: number, content = "hi", channel = ROOM) {
  const messageId = `00000000-0000-4000-8000-${String(offset).padStart(12, "0")}`;
  return { type: "text", messageId, timestamp: 1, sender: "bob", channel, offset, payload: { content } };
}

/** Where a log goes on in the epoch e1. */
export function at(offset: number, recovered = true) {
  return { epoch: "e1", offset, recovered };
}

/** The types of what was sent over the newest connection. */
export function types({ socket }: Stage): string[] {
  return socket().sent.map(({ type }) => type);
}

/** Joins the room at this offset of the epoch e1. */
export async function joined(built: Stage, offset = 0): Promise<void> {
  const joining = built.client.join(ROOM);
  built.socket().ack({ payload: { epoch: "e1", offset, recovered: true, count: 1, members: ["ada"] } });
  await joining;
}

/** Lets promises run without moving the clock. */
export async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

/** Keeps a rejection from being reported before the test looks at it. */
export function caught(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return promise.then(
    () => {
      throw new Error("a rejection was expected");
    },
    (error: Error) => error,
  );
}
