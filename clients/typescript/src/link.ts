import { Backoff } from "./backoff.js";
import type { BackoffOptions } from "./backoff.js";
import { comebackAfter } from "./closing.js";
import type { Closing } from "./closing.js";
import { json } from "./codec.js";
import type { Codec } from "./codec.js";
import { Connection } from "./connection.js";
import type { SocketFactory } from "./connection.js";
import type { Envelope } from "./envelope.js";
import { ConnectionClosed, HubbubError, NotConnected, errorFrom, tokenless } from "./errors.js";
import type { ConnectionState, Migrated } from "./events.js";
import { DEFAULT_INTERVAL_MS } from "./heartbeat.js";
import { Migration, migrateOrder } from "./migration.js";

export interface LinkOptions {
  readonly backoff?: BackoffOptions;
  /** Attempts in a row without a welcome, after which the link gives up. For ever unless set. */
  readonly maximumAttempts?: number;
  /** Opens a WebSocket, where the platform's own is missing (Node before 22) or not wanted. */
  readonly webSocket?: SocketFactory;
  /** JSON unless set; `protobuf` is in `hubbub/protobuf`. */
  readonly codec?: Codec;
}

/** What a client does as its connections come and go. */
export interface Conduct {
  /** What to say first, made anew for each connection, since a token may have to be. */
  greeting(ticket?: string): Promise<Envelope>;
  /** A new session began. */
  welcomed(welcome: Envelope): unknown;
  /** The session from before goes on. What was taken from it meanwhile is `received` before that. */
  restored(answer: Envelope): unknown;
  /** The server does not take the session back: a greeting without it is asked for next. */
  expired(): void;
  /** There is no connection for now. */
  suspended(): void;
  /** The server wants this client at another node: nothing is published until it is `restored` there, or `stayed`. */
  migrating(): void;
  stayed(): void;
}

export interface LinkEvents {
  entered(state: ConnectionState): void;
  received(envelope: Envelope): void;
  /** There will be no other connection. */
  ended(error: HubbubError | undefined): void;
  failed(error: HubbubError): void;
  /** It goes on at another node, or stays; `left` once nothing comes from the old node any more. */
  migrated(migrated: Migrated): void;
  left(): void;
}

/** How long the old node may take to close after the new one has the session. */
const PARTING_MS = 5_000;

/** Keeps a connection, comes back by the protocol's table when it ends, and moves it to another node when asked to. */
export class Link {
  readonly #backoff: Backoff;
  readonly #maximumAttempts: number;
  readonly #open: SocketFactory;
  readonly #codec: Codec;
  /** Where the session is: the node that it was moved to, until that cannot be had. */
  #url: string;
  #connection: Connection | undefined;
  #migration: Migration | undefined;
  /** The connection that was moved away from, until its node closes it. */
  #old: Connection | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastError: HubbubError | undefined;
  #established = false;
  #restoring = false;
  #renewing = false;
  #sleeping = false;
  #heartbeatMs = DEFAULT_INTERVAL_MS;

  constructor(
    private readonly home: string,
    private readonly conduct: Conduct,
    private readonly events: LinkEvents,
    /** Whether a greeting can come with another token than the last one. */
    private readonly renewable: boolean,
    options: LinkOptions = {},
  ) {
    this.#url = home;
    this.#backoff = new Backoff(options.backoff);
    this.#maximumAttempts = options.maximumAttempts ?? Infinity;
    this.#codec = options.codec ?? json;
    this.#open = options.webSocket ?? openWebSocket();
  }

  get url(): string {
    return this.#url;
  }

  start(): void {
    this.#connect();
  }

  /** Tries again at once where it waits; finds out whether a connection that seems open is. */
  wake(): void {
    if (this.#timer !== undefined || this.#sleeping) this.#connect();
    else this.probe();
  }

  /** Finds out soon whether anybody is at the other end. */
  probe(): void {
    this.#connection?.probe();
  }

  /** Ends the connection until `wake`: where a page is frozen nobody would answer the server. */
  sleep(): void {
    if ((this.#connection ?? this.#migration ?? this.#timer) === undefined) return;
    this.#drop();
    this.#sleeping = true;
    this.conduct.suspended();
    this.events.entered({ phase: "asleep" });
  }

  /** False where nothing was sent. Before there is a session only the greeting may go out. */
  send(envelope: Envelope): boolean {
    return this.#established && (this.#connection?.send(envelope) ?? false);
  }

  stop(): void {
    this.#finish(undefined);
  }

  // --- One connection ---------------------------------------------------------------------------------------

  #connect(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#sleeping = false;
    this.#established = false;
    this.#restoring = false;
    this.#lastError = undefined;
    this.events.entered({ phase: "connecting", attempt: this.#backoff.attempts + 1 });
    this.#connection = this.#make(this.#url);
  }

  #make(url: string): Connection {
    return new Connection(url, this.#open, this.#codec, {
      opened: (connection) => {
        if (this.#migration?.has(connection) === true) void this.#migration.opened(connection);
        else void this.#introduce(connection);
      },
      received: (connection, envelope) => {
        if (this.#migration?.has(connection) === true) this.#migration.received(connection, envelope);
        else if (connection === this.#old) this.events.received(envelope);
        else this.#receive(connection, envelope);
      },
      garbled: (error) => this.events.failed(error),
      closed: (connection, closing) => {
        if (this.#migration?.has(connection) === true) this.#migration.closed();
        else if (connection === this.#old) this.#part();
        else if (connection === this.#connection) this.#ended(closing);
      },
    });
  }

  async #introduce(connection: Connection): Promise<void> {
    let greeting: Envelope;
    try {
      greeting = await this.conduct.greeting();
    } catch (error) {
      this.events.failed(tokenless(error));
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
      if (envelope.type === "migrate") this.#migrate(envelope);
      else this.events.received(envelope);
    } else if (envelope.type === "welcome") {
      const heartbeatMs = envelope.payload?.["heartbeat_ms"];
      if (typeof heartbeatMs === "number") this.#heartbeatMs = heartbeatMs;
      this.#establish(connection);
      this.conduct.welcomed(envelope);
    } else if (envelope.type === "session_restored") {
      this.#establish(connection);
      this.conduct.restored(envelope);
    } else if (error !== undefined) {
      this.#refused(connection, error);
    } else if (this.#restoring) {
      this.events.received(envelope);
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
      this.conduct.expired();
      void this.#introduce(connection);
    } else {
      // The server would wait for another greeting; there is none better to say at once.
      this.#giveBack(connection);
    }
  }

  // --- Coming back ------------------------------------------------------------------------------------------

  #giveBack(connection: Connection): void {
    if (connection !== this.#connection) return;
    connection.close();
    this.#comeBack({ code: 1000, reason: this.#lastError?.message ?? "" }, true);
  }

  #ended(closing: Closing): void {
    if (this.#migration !== undefined) {
      // As the old node does once the new one has the session, which may be on its way here.
      this.#migration.stranded = closing;
      this.#connection = undefined;
      return;
    }
    const comeback = comebackAfter(closing.code);
    if (comeback === "no") {
      this.#finish(new ConnectionClosed(closing.code, this.#lastError?.message ?? closing.reason));
    } else if (comeback === "token" && (!this.renewable || this.#renewing)) {
      this.#finish(this.#lastError ?? new HubbubError("unauthorized", closing.reason));
    } else {
      this.#renewing = comeback === "token";
      this.#comeBack(closing, comeback === "delayed");
    }
  }

  #comeBack(closing: Closing, delayed: boolean): void {
    // A node that cannot be had may be gone: the address that this client began with knows others.
    if (!this.#established) this.#url = this.home;
    this.#drop();
    if (this.#backoff.attempts >= this.#maximumAttempts) {
      this.#finish(new NotConnected(`no connection after ${this.#maximumAttempts} attempts`));
      return;
    }
    const leastMs = closing.retryAfterMs ?? (delayed ? (this.#lastError?.retryAfterMs ?? 0) : 0);
    // Beyond what was asked for: it is asked of everybody who is refused at that moment.
    const delayMs = leastMs + this.#backoff.nextDelayMs();
    this.#timer = setTimeout(() => this.#connect(), delayMs);
    this.conduct.suspended();
    this.events.entered({ phase: "waiting", delayMs, closing });
  }

  /** Lets go of every connection and timer. */
  #drop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#migration?.stop();
    this.#migration = undefined;
    this.#part();
    this.#connection?.close();
    this.#connection = undefined;
  }

  #finish(error: HubbubError | undefined): void {
    this.#drop();
    this.#sleeping = false;
    this.events.ended(error);
  }

  // --- Moving -----------------------------------------------------------------------------------------------

  #migrate(envelope: Envelope): void {
    const order = migrateOrder(envelope, this.home);
    if (order === undefined || this.#migration !== undefined) return;
    this.conduct.migrating();
    this.#migration = new Migration(order, {
      connect: (url) => this.#make(url),
      greeting: (ticket) => this.conduct.greeting(ticket),
      arrived: (connection, answer) => this.#arrived(connection, answer),
      stayed: () => this.#stayed(order.url),
    });
  }

  #arrived(connection: Connection, answer: Envelope): void {
    this.#part();
    this.#migration = undefined;
    this.#old = this.#connection;
    this.#connection = connection;
    this.#url = connection.url;
    this.#establish(connection);
    this.events.migrated({ url: connection.url, moved: true });
    this.conduct.restored(answer);
    if (this.#old === undefined) this.events.left();
    else this.#partLater(this.#old);
  }

  #stayed(url: string): void {
    const stranded = this.#migration?.stranded;
    this.#migration = undefined;
    this.conduct.stayed();
    this.events.migrated({ url, moved: false });
    // It ended while there was hope for another: what remains is to come back.
    if (stranded !== undefined) this.#comeBack(stranded, false);
  }

  #partLater(old: Connection): void {
    setTimeout(() => {
      if (old === this.#old) this.#part();
    }, PARTING_MS);
  }

  /** Nothing more comes over the connection that was moved away from. */
  #part(): void {
    if (this.#old === undefined) return;
    this.#old.close();
    this.#old = undefined;
    this.events.left();
  }
}

function openWebSocket(): SocketFactory {
  if (typeof WebSocket !== "undefined") return (url, subprotocols) => new WebSocket(url, subprotocols);
  const fix = "webSocket: missing here; say { webSocket: webSocketOf(WebSocket) }, of hubbub/node, with that of ws";
  throw new HubbubError("configuration", fix);
}
