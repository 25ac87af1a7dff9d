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
  /** What to say first, made anew for each connection, since a token may have to be. */
  readonly greeting: () => Promise<Envelope>;
  /** Whether the greeting can come with another token than the last one. */
  readonly renewable: boolean;
  readonly connecting: (attempt: number) => void;
  /** A new session began. */
  readonly welcomed: (welcome: Envelope) => void;
  /** The session from before goes on. What was taken from it meanwhile is `received` before that. */
  readonly restored: (answer: Envelope) => void;
  /** The server does not take the session back: a greeting without it is asked for next. */
  readonly expired: () => void;
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
  #established = false;
  #restoring = false;
  #renewing = false;
  #heartbeatMs = DEFAULT_INTERVAL_MS;

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

  /** False where nothing was sent. Before there is a session only the greeting may go out. */
  send(envelope: Envelope): boolean {
    return this.#established && (this.#connection?.send(envelope) ?? false);
  }

  stop(): void {
    this.#finish(undefined);
  }

  #connect(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#established = false;
    this.#restoring = false;
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
    let greeting: Envelope;
    try {
      greeting = await this.handlers.greeting();
    } catch (error) {
      this.handlers.failed(new HubbubError("unauthorized", `no token could be had: ${String(error)}`));
      this.#giveBack(connection);
      return;
    }
    if (connection !== this.#connection) return;
    this.#restoring = greeting.type === "restore_session";
    connection.send(greeting);
  }

  #receive(connection: Connection, envelope: Envelope): void {
    const error = envelope.type === "error" ? errorFrom(envelope) : undefined;
    if (error !== undefined) this.#lastError = error;
    if (this.#established) {
      this.handlers.received(envelope);
    } else if (envelope.type === "welcome") {
      const heartbeatMs = envelope.payload?.["heartbeat_ms"];
      if (typeof heartbeatMs === "number") this.#heartbeatMs = heartbeatMs;
      this.#establish(connection);
      this.handlers.welcomed(envelope);
    } else if (envelope.type === "session_restored") {
      this.#establish(connection);
      this.handlers.restored(envelope);
    } else if (error !== undefined) {
      this.#refused(connection, error);
    } else if (this.#restoring) {
      this.handlers.received(envelope);
    }
  }

  #establish(connection: Connection): void {
    this.#established = true;
    this.#renewing = false;
    this.#backoff.reset();
    connection.established(this.#heartbeatMs);
  }

  #refused(connection: Connection, error: HubbubError): void {
    if (error.code === "unsupported_version") {
      this.#finish(error);
    } else if (error.code === "unauthorized" || error.code === "token_expired") {
      // The server closes, and the code says what comes of it.
    } else if (this.#restoring && !error.retryable) {
      // Expired, or another user's by now: either way it is no session of this client.
      this.#restoring = false;
      this.handlers.expired();
      void this.#introduce(connection);
    } else {
      // The server would wait for another greeting; there is none better to say at once.
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
