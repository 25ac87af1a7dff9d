import { Backoff } from "./backoff.js";
import type { BackoffOptions } from "./backoff.js";
import { comebackAfter } from "./closing.js";
import type { Closing } from "./closing.js";
import { Connection } from "./connection.js";
import type { SocketFactory } from "./connection.js";
import type { Envelope } from "./envelope.js";
import { ConnectionClosed, HubbubError, NotConnected, errorFrom } from "./errors.js";
import { DEFAULT_INTERVAL_MS } from "./heartbeat.js";

export interface LinkOptions {
  readonly backoff?: BackoffOptions;
  /** Attempts in a row without a welcome, after which the link gives up. For ever unless set. */
  readonly maximumAttempts?: number;
  readonly webSocket?: SocketFactory;
}

export interface LinkHandlers {
  /** Made anew for each connection, since a token may have to be. */
  readonly hello: () => Promise<Envelope>;
  /** Whether `hello` can come with another token than the last one. */
  readonly renewable: boolean;
  readonly connecting: (attempt: number) => void;
  readonly welcomed: (welcome: Envelope) => void;
  readonly received: (envelope: Envelope) => void;
  readonly waiting: (delayMs: number, closing: Closing) => void;
  readonly closed: (error: HubbubError | undefined) => void;
  readonly failed: (error: HubbubError) => void;
}

/** Keeps a connection, and comes back by the protocol's table when it ends. */
export class Link {
  readonly #backoff: Backoff;
  readonly #maximumAttempts: number;
  readonly #open: SocketFactory;
  #connection: Connection | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastError: HubbubError | undefined;
  #welcomed = false;
  #renewing = false;

  constructor(
    private readonly url: string,
    private readonly handlers: LinkHandlers,
    options: LinkOptions = {},
  ) {
    this.#backoff = new Backoff(options.backoff);
    this.#maximumAttempts = options.maximumAttempts ?? Infinity;
    this.#open = options.webSocket ?? ((address, subprotocols) => new WebSocket(address, subprotocols));
  }

  start(): void {
    this.#connect();
  }

  /** Cuts a wait between two attempts short; does nothing at any other time. */
  wake(): void {
    if (this.#timer !== undefined) this.#connect();
  }

  /** False where nothing was sent. Before the welcome only `hello` may go out. */
  send(envelope: Envelope): boolean {
    return this.#welcomed && (this.#connection?.send(envelope) ?? false);
  }

  stop(): void {
    this.#finish(undefined);
  }

  #connect(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#welcomed = false;
    this.#lastError = undefined;
    this.handlers.connecting(this.#backoff.attempts + 1);
    const connection: Connection = new Connection(this.url, this.#open, {
      opened: () => void this.#introduce(connection),
      received: (envelope) => this.#receive(connection, envelope),
      garbled: (error) => this.handlers.failed(error),
      closed: (closing) => this.#ended(closing),
    });
    this.#connection = connection;
  }

  async #introduce(connection: Connection): Promise<void> {
    let hello: Envelope;
    try {
      hello = await this.handlers.hello();
    } catch (error) {
      this.handlers.failed(new HubbubError("unauthorized", `no token could be had: ${String(error)}`));
      this.#giveBack(connection);
      return;
    }
    connection.send(hello);
  }

  #receive(connection: Connection, envelope: Envelope): void {
    if (envelope.type === "error") this.#lastError = errorFrom(envelope);
    if (this.#welcomed) {
      this.handlers.received(envelope);
    } else if (envelope.type === "welcome") {
      this.#welcomed = true;
      this.#renewing = false;
      this.#backoff.reset();
      const heartbeatMs = envelope.payload?.["heartbeat_ms"];
      connection.established(typeof heartbeatMs === "number" ? heartbeatMs : DEFAULT_INTERVAL_MS);
      this.handlers.welcomed(envelope);
    } else if (envelope.code === "unsupported_version") {
      this.#finish(this.#lastError);
    } else if (envelope.type === "error" && envelope.code !== "unauthorized") {
      // The server would wait for another hello; there is none better to say at once.
      this.#giveBack(connection);
    }
  }

  #giveBack(connection: Connection): void {
    if (connection !== this.#connection) return;
    connection.close();
    this.#comeBack({ code: 1000, reason: this.#lastError?.message ?? "" }, true);
  }

  #ended(closing: Closing): void {
    const comeback = comebackAfter(closing.code);
    if (comeback === "no") {
      this.#finish(new ConnectionClosed(closing.code, this.#lastError?.message ?? closing.reason));
    } else if (comeback === "token" && (!this.handlers.renewable || this.#renewing)) {
      this.#finish(this.#lastError ?? new HubbubError("unauthorized", closing.reason));
    } else {
      this.#renewing = comeback === "token";
      this.#comeBack(closing, comeback === "delayed");
    }
  }

  #comeBack(closing: Closing, delayed: boolean): void {
    this.#connection = undefined;
    if (this.#backoff.attempts >= this.#maximumAttempts) {
      this.#finish(new NotConnected(`no connection after ${this.#maximumAttempts} attempts`));
      return;
    }
    const leastMs = delayed ? (this.#lastError?.retryAfterMs ?? 0) : 0;
    const delayMs = Math.max(this.#backoff.nextDelayMs(), leastMs);
    this.#timer = setTimeout(() => this.#connect(), delayMs);
    this.handlers.waiting(delayMs, closing);
  }

  #finish(error: HubbubError | undefined): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#connection?.close();
    this.#connection = undefined;
    this.handlers.closed(error);
  }
}
