import type { Envelope } from "./envelope.js";
import { HubbubError, NotConnected, OutcomeUnknown, errorFrom } from "./errors.js";

export interface RequestLimits {
  readonly maximumPending?: number;
  /** How long to wait for an answer before a publish is sent again. */
  readonly answerMs?: number;
  readonly resends?: number;
}

export interface RequestOptions {
  /** Publishes wait for a connection and are sent again when no ack comes; the session knows a repeat by its id. */
  readonly publish: boolean;
}

interface Pending {
  readonly envelope: Envelope;
  readonly publish: boolean;
  readonly resolve: (answer: Envelope) => void;
  readonly reject: (error: HubbubError) => void;
  sent: boolean;
  /** How often it was sent again for want of an answer; another connection does not count. */
  resends: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** What was asked and not yet answered, by message id and in order. */
export class Requests {
  readonly #maximumPending: number;
  readonly #answerMs: number;
  readonly #resends: number;
  readonly #pending = new Map<string, Pending>();
  #flowing = false;
  #endedBy: string | undefined;

  /** `transmit` says whether there was a connection to send on. */
  constructor(
    private readonly transmit: (envelope: Envelope) => boolean,
    limits: RequestLimits = {},
  ) {
    this.#maximumPending = limits.maximumPending ?? 1_000;
    this.#answerMs = limits.answerMs ?? 5_000;
    this.#resends = limits.resends ?? 3;
  }

  get size(): number {
    return this.#pending.size;
  }

  ask(envelope: Envelope, { publish }: RequestOptions): Promise<Envelope> {
    return new Promise((resolve, reject) => {
      if (this.#endedBy !== undefined) {
        reject(new NotConnected(this.#endedBy, envelope.messageId));
        return;
      }
      const key = keyOf(envelope);
      if (key === undefined || this.#pending.has(key)) {
        reject(new HubbubError("invalid_message", "messageId is already under way", { field: "messageId" }));
        return;
      }
      if (this.#pending.size >= this.#maximumPending) {
        const reason = `${this.#maximumPending} requests are waiting for their answers`;
        reject(new HubbubError("too_many_pending", reason, { messageId: envelope.messageId }));
        return;
      }
      const pending: Pending = { envelope, publish, resolve, reject, sent: false, resends: 0, timer: undefined };
      this.#pending.set(key, pending);
      if (!publish || this.#flowing) this.#send(key, pending);
    });
  }

  /** Takes an answer; false when nobody asked. */
  settle(answer: Envelope): boolean {
    const pending = this.#take(keyOf(answer));
    if (pending === undefined) return false;
    if (answer.type === "error") pending.reject(errorFrom(answer));
    else pending.resolve(answer);
    return true;
  }

  /** The session is ready: publishes go out in order, those first that an earlier connection had taken already. */
  resume(): void {
    this.#flowing = true;
    for (const [key, pending] of [...this.#pending]) {
      if (pending.publish) this.#send(key, pending);
    }
  }

  /** The connection ended. Publishes wait for the next one, and their clock stands; nobody answers the others. */
  suspend(): void {
    this.#flowing = false;
    for (const [key, pending] of [...this.#pending]) {
      if (pending.publish) clearTimeout(pending.timer);
      else this.#reject(key, new OutcomeUnknown(pending.envelope.messageId));
    }
  }

  /** The session is lost, and with it who would know a repeat. What was not sent yet is for the next session. */
  abandon(): void {
    for (const [key, pending] of [...this.#pending]) {
      if (pending.publish && pending.sent) this.#reject(key, new OutcomeUnknown(pending.envelope.messageId));
    }
  }

  /** There will be no other connection. */
  end(reason: string): void {
    this.#endedBy = reason;
    this.suspend();
    this.abandon();
    for (const [key, pending] of [...this.#pending]) {
      this.#reject(key, new NotConnected(reason, pending.envelope.messageId));
    }
  }

  #send(key: string, pending: Pending): void {
    clearTimeout(pending.timer);
    if (!this.transmit(pending.envelope)) {
      if (!pending.publish) this.#reject(key, new NotConnected(undefined, pending.envelope.messageId));
      return;
    }
    pending.sent = true;
    // Only publishes are known by their id when repeated; the others get the same time in one piece.
    const patienceMs = pending.publish ? this.#answerMs : this.#answerMs * (this.#resends + 1);
    pending.timer = setTimeout(() => this.#repeat(key, pending), patienceMs);
  }

  #repeat(key: string, pending: Pending): void {
    if (pending.publish && pending.resends < this.#resends) {
      pending.resends += 1;
      this.#send(key, pending);
    } else {
      this.#reject(key, new OutcomeUnknown(pending.envelope.messageId));
    }
  }

  #reject(key: string, error: HubbubError): void {
    this.#take(key)?.reject(error);
  }

  #take(key: string | undefined): Pending | undefined {
    if (key === undefined) return undefined;
    const pending = this.#pending.get(key);
    if (pending === undefined) return undefined;
    clearTimeout(pending.timer);
    this.#pending.delete(key);
    return pending;
  }
}

/** UUIDs compare without case. */
function keyOf(envelope: Envelope): string | undefined {
  return envelope.messageId?.toLowerCase();
}
