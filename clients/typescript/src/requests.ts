import type { Envelope } from "./envelope.js";
import { HubbubError, NotConnected, OutcomeUnknown, errorFrom } from "./errors.js";

export interface RequestLimits {
  /** Publishes that were sent and are not acknowledged. */
  readonly maximumPending?: number;
  /** What may wait for a connection. */
  readonly maximumWaiting?: number;
  /** How long to wait for an answer before a publish is sent again. */
  readonly answerMs?: number;
  readonly resends?: number;
}

/**
 * - `publish`: waits for a connection, in order, and is sent again when no ack comes; the session knows a repeat by its id
 * - `query`: waits for a connection, and goes out again over the next one: asking twice changes nothing
 * - `command`: goes out at once or fails, and is not repeated
 */
export type RequestKind = "publish" | "query" | "command";

interface Request {
  readonly envelope: Envelope;
  readonly kind: RequestKind;
  readonly resolve: (answer: Envelope) => void;
  readonly reject: (error: HubbubError) => void;
  /** The connection that it was sent over last; 0 before the first. */
  via: number;
  /** How often it was sent again for want of an answer; another connection does not count. */
  resends: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** What was asked and not yet answered, by message id and in order. */
export class Requests {
  readonly #maximumPending: number;
  readonly #maximumWaiting: number;
  readonly #answerMs: number;
  readonly #resends: number;
  /** What was sent, in that order. */
  readonly #pending = new Map<string, Request>();
  /** What was not: it stands behind everything that was. */
  readonly #waiting = new Map<string, Request>();
  #publishes = 0;
  #connection = 1;
  #flowing = false;
  #endedBy: string | undefined;

  /** `transmit` says whether there was a connection to send on. */
  constructor(
    private readonly transmit: (envelope: Envelope) => boolean,
    limits: RequestLimits = {},
  ) {
    this.#maximumPending = limits.maximumPending ?? 1_000;
    this.#maximumWaiting = limits.maximumWaiting ?? 1_000;
    this.#answerMs = limits.answerMs ?? 5_000;
    this.#resends = limits.resends ?? 3;
  }

  get size(): number {
    return this.#pending.size + this.#waiting.size;
  }

  /** Whether publishes go out at once. */
  get flowing(): boolean {
    return this.#flowing && this.#waiting.size === 0;
  }

  ask(envelope: Envelope, kind: RequestKind): Promise<Envelope> {
    return new Promise((resolve, reject) => {
      const problem = this.#problem(envelope, kind);
      if (problem !== undefined) {
        reject(problem);
        return;
      }
      const request: Request = { envelope, kind, resolve, reject, via: 0, resends: 0, timer: undefined };
      const key = keyOf(envelope) ?? "";
      if (kind === "command" || this.flowing) this.#send(key, request);
      else this.#waiting.set(key, request);
    });
  }

  /** Takes an answer; false when nobody asked. */
  settle(answer: Envelope): boolean {
    const request = this.#take(keyOf(answer));
    if (request === undefined) return false;
    if (answer.type === "error") request.reject(errorFrom(answer));
    else request.resolve(answer);
    this.#drain();
    return true;
  }

  /** The session is ready: what an earlier connection had taken goes out again, in order, then what waited. */
  resume(): void {
    this.#flowing = true;
    for (const [key, request] of [...this.#pending]) {
      if (request.kind === "command") continue;
      if (request.via !== this.#connection) this.#send(key, request);
      else this.#await(key, request);
    }
    this.#drain();
  }

  /** Publishes wait from now on; those under way may still be answered. `resume` or `suspend` follows. */
  hold(): void {
    this.#flowing = false;
    for (const { kind, timer } of this.#pending.values()) if (kind === "publish") clearTimeout(timer);
  }

  /** What is sent from here on goes over another connection. `resume` follows, and `left` when the old one is over. */
  move(): void {
    this.#connection += 1;
  }

  /** Nobody answers any more what is not repeated over the newest connection. */
  left(): void {
    for (const [key, { kind, via, envelope }] of [...this.#pending]) {
      if (kind === "command" && via !== this.#connection) this.#reject(key, new OutcomeUnknown(envelope.messageId));
    }
  }

  /** The connection ended. Publishes and queries wait for the next one, and their clock stands. */
  suspend(): void {
    this.#flowing = false;
    this.move();
    for (const { timer } of this.#pending.values()) clearTimeout(timer);
    this.left();
  }

  /** The session is lost, and with it who would know a repeat. What was not sent yet is for the next session. */
  abandon(): void {
    for (const [key, { kind, via, envelope }] of [...this.#pending]) {
      if (kind === "publish" && via > 0) this.#reject(key, new OutcomeUnknown(envelope.messageId));
    }
  }

  /** There will be no other connection. */
  end(reason: string): void {
    this.#endedBy = reason;
    this.suspend();
    this.abandon();
    for (const [key, { envelope }] of [...this.#pending, ...this.#waiting]) {
      this.#reject(key, new NotConnected(reason, envelope.messageId));
    }
  }

  // --- Inside -----------------------------------------------------------------------------------------------

  #problem(envelope: Envelope, kind: RequestKind): HubbubError | undefined {
    const { messageId } = envelope;
    if (this.#endedBy !== undefined) return new NotConnected(this.#endedBy, messageId);
    const key = keyOf(envelope);
    if (key === undefined || this.#pending.has(key) || this.#waiting.has(key)) {
      return new HubbubError("invalid_message", "messageId is already under way", { field: "messageId" });
    }
    const waits = kind !== "command" && !this.flowing;
    const limit = waits ? this.#maximumWaiting : this.#maximumPending;
    const held = waits ? this.#waiting.size : this.#pending.size;
    if (held < limit) return undefined;
    return new HubbubError("too_many_pending", `${limit} messages wait for their acknowledgements`, { messageId });
  }

  #drain(): void {
    for (const [key, request] of this.#waiting) {
      if (!this.#flowing || this.#publishes >= this.#maximumPending) return;
      this.#waiting.delete(key);
      this.#send(key, request);
    }
  }

  #send(key: string, request: Request): void {
    clearTimeout(request.timer);
    if (!this.#pending.has(key)) {
      this.#pending.set(key, request);
      if (request.kind === "publish") this.#publishes += 1;
    }
    if (!this.transmit(request.envelope)) {
      if (request.kind === "command") this.#reject(key, new NotConnected(undefined, request.envelope.messageId));
      return;
    }
    request.via = this.#connection;
    this.#await(key, request);
  }

  #await(key: string, request: Request): void {
    clearTimeout(request.timer);
    // Only publishes are known by their id when repeated; the others get the same time in one piece.
    const patienceMs = this.#answerMs * (request.kind === "publish" ? 1 : this.#resends + 1);
    request.timer = setTimeout(() => this.#repeat(key, request), patienceMs);
  }

  #repeat(key: string, request: Request): void {
    if (request.kind === "publish" && request.resends < this.#resends) {
      request.resends += 1;
      this.#send(key, request);
    } else {
      this.#reject(key, new OutcomeUnknown(request.envelope.messageId));
      this.#drain();
    }
  }

  #reject(key: string, error: HubbubError): void {
    this.#take(key)?.reject(error);
  }

  #take(key: string | undefined): Request | undefined {
    if (key === undefined) return undefined;
    const request = this.#pending.get(key) ?? this.#waiting.get(key);
    if (request === undefined) return undefined;
    clearTimeout(request.timer);
    if (this.#pending.delete(key) && request.kind === "publish") this.#publishes -= 1;
    this.#waiting.delete(key);
    return request;
  }
}

/** UUIDs compare without case. */
function keyOf(envelope: Envelope): string | undefined {
  return envelope.messageId?.toLowerCase();
}
