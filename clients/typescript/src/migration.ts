import type { Closing } from "./closing.js";
import type { Connection } from "./connection.js";
import type { Envelope } from "./envelope.js";
import { isRecord } from "./envelope.js";

/** What the server asks for with `migrate`. */
export interface MigrateOrder {
  readonly url: string;
  readonly ticket: string;
  readonly delayMs: number;
  /** For having the new node, after the delay. */
  readonly deadlineMs: number;
}

const RETRY_MS = 500;

export interface MigrationHandlers {
  readonly connect: (url: string) => Connection;
  readonly greeting: (ticket: string) => Promise<Envelope>;
  /** The new node has the session: what is sent from here on goes there. */
  readonly arrived: (connection: Connection, answer: Envelope) => void;
  /** The new node can't be had. */
  readonly stayed: () => void;
}

/** Make before break: the new connection is opened and restored while the old one still delivers. */
export class Migration {
  #connection: Connection | undefined;
  #timer: ReturnType<typeof setTimeout>;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #over = false;
  /** How the old connection ended meanwhile, if it did. */
  stranded: Closing | undefined;

  constructor(
    readonly order: MigrateOrder,
    private readonly handlers: MigrationHandlers,
  ) {
    this.#timer = setTimeout(() => {
      this.#deadline = setTimeout(() => this.#stay(), order.deadlineMs);
      this.#attempt();
    }, order.delayMs);
  }

  has(connection: Connection): boolean {
    return connection === this.#connection;
  }

  async opened(connection: Connection): Promise<void> {
    try {
      const greeting = await this.handlers.greeting(this.order.ticket);
      if (!this.#over) connection.send(greeting);
    } catch {
      this.#stay();
    }
  }

  received(connection: Connection, envelope: Envelope): void {
    if (envelope.type === "session_restored") {
      this.#over = true;
      this.#clear();
      this.handlers.arrived(connection, envelope);
    } else if (envelope.type === "error") {
      // The ticket is good once: there is nothing to try again with.
      this.#stay();
    }
  }

  closed(): void {
    this.#connection = undefined;
    this.#timer = setTimeout(() => this.#attempt(), RETRY_MS);
  }

  /** Gives it up, without telling anybody. */
  stop(): void {
    this.#over = true;
    this.#clear();
    this.#connection?.close();
  }

  #attempt(): void {
    this.#connection = this.handlers.connect(this.order.url);
  }

  #stay(): void {
    if (this.#over) return;
    this.stop();
    this.handlers.stayed();
  }

  #clear(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#deadline);
  }
}

/** The order in a `migrate`; undefined for one that this client does not follow, as from `wss` to `ws`. */
export function migrateOrder({ payload }: Envelope, from: string): MigrateOrder | undefined {
  if (!isRecord(payload)) return undefined;
  const { url, ticket, delay_ms: delayMs, deadline_ms: deadlineMs } = payload;
  if (typeof url !== "string" || typeof ticket !== "string") return undefined;
  if (typeof delayMs !== "number" || typeof deadlineMs !== "number") return undefined;
  if (!/^wss?:/.test(url) || (from.startsWith("wss:") && !url.startsWith("wss:"))) return undefined;
  return { url, ticket, delayMs, deadlineMs };
}
