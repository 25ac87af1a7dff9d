import { NETWORK_LOST } from "./closing.js";
import type { Closing } from "./closing.js";
import { parseEnvelope } from "./envelope.js";
import type { Envelope } from "./envelope.js";
import { HubbubError } from "./errors.js";
import { Heartbeat } from "./heartbeat.js";
import { newMessageId } from "./identifiers.js";

export const SUBPROTOCOL = "hubbub.json";
const WELCOME_MS = 10_000;
const OPEN = 1;

/** What is used of a WebSocket, so that another implementation or a test's can stand in. */
export type Socket = Pick<WebSocket, "readyState" | "send" | "close" | "onopen" | "onmessage" | "onclose">;
export type SocketFactory = (url: string, subprotocols: string[]) => Socket;

export interface ConnectionHandlers {
  readonly opened: () => void;
  readonly received: (envelope: Envelope) => void;
  readonly garbled: (error: HubbubError) => void;
  readonly closed: (closing: Closing) => void;
}

/** One WebSocket from opening to closing. `closed` is told exactly once, unless `close` was called. */
export class Connection {
  readonly #socket: Socket;
  readonly #handlers: ConnectionHandlers;
  readonly #heartbeat: Heartbeat;
  readonly #deadline: ReturnType<typeof setTimeout>;
  #ended = false;

  constructor(url: string, open: SocketFactory, handlers: ConnectionHandlers) {
    this.#handlers = handlers;
    this.#heartbeat = new Heartbeat(
      () => this.send({ type: "ping", messageId: newMessageId() }),
      () => this.#end(NETWORK_LOST),
    );
    this.#deadline = setTimeout(() => this.#end(NETWORK_LOST), WELCOME_MS);
    this.#socket = open(url, [SUBPROTOCOL]);
    this.#socket.onopen = () => handlers.opened();
    this.#socket.onmessage = (event: MessageEvent) => this.#receive(event.data);
    this.#socket.onclose = (event: CloseEvent) => this.#end({ code: event.code, reason: event.reason });
  }

  /** The server said welcome: from here on it is silence that is watched. */
  established(heartbeatMs: number): void {
    clearTimeout(this.#deadline);
    this.#heartbeat.start(heartbeatMs);
  }

  send(envelope: Envelope): boolean {
    if (this.#ended || this.#socket.readyState !== OPEN) return false;
    this.#socket.send(JSON.stringify(envelope));
    return true;
  }

  /** Ends it from this side, without telling `closed`. */
  close(): void {
    this.#release();
    this.#socket.close(1000);
  }

  #receive(frame: unknown): void {
    this.#heartbeat.heard();
    let envelope: Envelope;
    try {
      envelope = parseEnvelope(frame);
    } catch (error) {
      this.#handlers.garbled(error as HubbubError);
      return;
    }
    this.#handlers.received(envelope);
  }

  #end(closing: Closing): void {
    if (this.#ended) return;
    this.#release();
    this.#socket.close();
    this.#handlers.closed(closing);
  }

  #release(): void {
    this.#ended = true;
    clearTimeout(this.#deadline);
    this.#heartbeat.stop();
    this.#socket.onopen = null;
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
  }
}
