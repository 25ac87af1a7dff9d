import { NETWORK_LOST } from "./closing.js";
import type { Closing } from "./closing.js";
import type { Codec } from "./codec.js";
import type { Envelope } from "./envelope.js";
import { HubbubError } from "./errors.js";
import { Heartbeat } from "./heartbeat.js";
import { newMessageId } from "./identifiers.js";

const WELCOME_MS = 10_000;
const OPEN = 1;

/** What is used of a WebSocket, so that another implementation or a test's can stand in. */
export type Socket = Pick<WebSocket, "readyState" | "send" | "close" | "onopen" | "onmessage" | "onclose"> & {
  binaryType?: string;
};
export type SocketFactory = (url: string, subprotocols: string[]) => Socket;

export interface ConnectionHandlers {
  readonly opened: (connection: Connection) => void;
  readonly received: (connection: Connection, envelope: Envelope) => void;
  readonly garbled: (error: HubbubError) => void;
  readonly closed: (connection: Connection, closing: Closing) => void;
}

/** One WebSocket from opening to closing. `closed` is told exactly once, unless `close` was called. */
export class Connection {
  readonly #socket: Socket;
  readonly #heartbeat: Heartbeat;
  readonly #deadline: ReturnType<typeof setTimeout>;
  #ended = false;

  constructor(
    readonly url: string,
    open: SocketFactory,
    private readonly codec: Codec,
    private readonly handlers: ConnectionHandlers,
  ) {
    this.#heartbeat = new Heartbeat(
      () => this.send({ type: "ping", messageId: newMessageId() }),
      () => this.#end(NETWORK_LOST),
    );
    this.#deadline = setTimeout(() => this.#end(NETWORK_LOST), WELCOME_MS);
    this.#socket = open(url, [codec.subprotocol]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => handlers.opened(this);
    this.#socket.onmessage = (event: MessageEvent) => this.#receive(event.data);
    this.#socket.onclose = ({ code, reason, retryAfterMs }: CloseEvent & Closing) =>
      this.#end({ code, reason, retryAfterMs });
  }

  /** The server let this client in: from here on it is silence that is watched. */
  established(heartbeatMs: number): void {
    clearTimeout(this.#deadline);
    this.#heartbeat.start(heartbeatMs);
  }

  send(envelope: Envelope): boolean {
    if (this.#ended || this.#socket.readyState !== OPEN) return false;
    this.#socket.send(this.codec.encode(envelope));
    return true;
  }

  /** Finds out soon whether anybody is there. */
  probe(): void {
    this.#heartbeat.probe();
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
      envelope = this.codec.decode(frame);
    } catch (error) {
      this.handlers.garbled(error as HubbubError);
      return;
    }
    this.handlers.received(this, envelope);
  }

  #end(closing: Closing): void {
    if (this.#ended) return;
    this.#release();
    this.#socket.close();
    this.handlers.closed(this, closing);
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
