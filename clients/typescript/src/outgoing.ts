import type { Envelope } from "./envelope.js";
import { HubbubError, NotConnected } from "./errors.js";
import type { Lost } from "./events.js";
import type { Requests } from "./requests.js";

/** Where messages that wait for a connection outlive the page, as `outboxInBrowser()`. */
export interface OutboxStore {
  /** What is there, in the order in which it was added. Called once, before anything else. */
  load(): Promise<Envelope[]>;
  add(message: Envelope): Promise<void>;
  remove(messageId: string): Promise<void>;
}

export interface OutboxHandlers {
  /** A message of an earlier page, for which nobody waits, was not published. */
  readonly lost: (lost: Lost) => void;
  /** The store failed. The client goes on, and keeps in memory what waits. */
  readonly failed: (error: HubbubError) => void;
}

/**
 * Publishes that wait for a connection: in memory, and in a store if there is one. Those of an earlier page go first.
 *
 * What is on its way when the page ends stays in the store, and the next page publishes it again under its id, which
 * the same session knows as a repeat; in another session it may be a duplicate, rather than a loss.
 */
export class Outbox {
  #loading: Promise<void> | undefined;

  constructor(
    private readonly requests: Requests,
    private store: OutboxStore | undefined,
    private readonly handlers: OutboxHandlers,
  ) {}

  /** Takes up what an earlier page has left. Undefined where there is nothing to wait for. */
  begin(): Promise<void> | undefined {
    if (this.store !== undefined) this.#loading ??= this.#load(this.store);
    return this.#loading;
  }

  /** The answer to a publish. */
  async publish(request: Envelope): Promise<Envelope> {
    const loading = this.begin();
    if (loading !== undefined) await loading;
    const waits = !this.requests.flowing;
    const answer = this.requests.ask(request, "publish");
    if (!waits || this.store === undefined) return answer;
    this.#guard(this.store.add(request));
    return this.#settled(request, answer);
  }

  async #load(store: OutboxStore): Promise<void> {
    try {
      for (const message of await store.load()) {
        this.#settled(message, this.requests.ask(message, "publish")).catch((error: HubbubError) => {
          if (!(error instanceof NotConnected)) this.handlers.lost({ message, error });
        });
      }
    } catch (error) {
      this.store = undefined;
      this.#fail(error);
    }
  }

  async #settled(request: Envelope, answer: Promise<Envelope>): Promise<Envelope> {
    try {
      const settled = await answer;
      this.#remove(request);
      return settled;
    } catch (error) {
      // What was never sent stays for the next page.
      if (!(error instanceof NotConnected)) this.#remove(request);
      throw error;
    }
  }

  #remove({ messageId = "" }: Envelope): void {
    if (this.store !== undefined) this.#guard(this.store.remove(messageId));
  }

  #guard(work: Promise<void>): void {
    work.catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.handlers.failed(new HubbubError("unavailable", `the outbox failed: ${String(error)}`));
  }
}
