import type { Envelope } from "./envelope.js";
import type { ServerErrorCode } from "./protocol.js";

/** Raised by the client itself; these have no number on the wire. */
export type LocalErrorCode =
  | "outcome_unknown"
  | "not_connected"
  | "closed"
  | "transfer_failed"
  | "messages_missed"
  | "configuration";
/** A newer server may send a code this client does not know, so any string is possible. */
export type ErrorCode = ServerErrorCode | LocalErrorCode | (string & {});

const RETRYABLE: ReadonlySet<string> = new Set([
  "rate_limited",
  "too_many_pending",
  "unavailable",
  "internal",
  "not_connected",
]);

export interface ErrorDetails {
  readonly number?: number | undefined;
  readonly field?: string | undefined;
  readonly retryAfterMs?: number | undefined;
  readonly messageId?: string | undefined;
}

/**
 * Every error of this package.
 *
 * - `HubbubError`: the server refused; `code` says why, `field` where, `retryAfterMs` when to come back
 *   - `OutcomeUnknown`: it was sent, and the answer is lost with its connection or, for a publish, with the session:
 *     it may or may not have happened
 *   - `NotConnected`: it was not sent, so repeating it is safe
 *   - `ConnectionClosed`: the server ended the connection for good
 *   - `MessagesMissed`: a stream comes to a place where messages are gone for good; it goes on after them
 *   - `TransferFailed` (of `hubbub/content`): pieces of a larger content did not come together
 */
export class HubbubError extends Error {
  override readonly name: string = "HubbubError";
  readonly code: ErrorCode;
  /** The code's number in the protocol, as the server said it. */
  readonly number: number | undefined;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly messageId: string | undefined;

  constructor(code: ErrorCode, reason: string, details: ErrorDetails = {}) {
    super(reason);
    this.code = code;
    this.number = details.number;
    this.field = details.field;
    this.retryAfterMs = details.retryAfterMs;
    this.messageId = details.messageId;
  }

  /** True where the same request may succeed later, after `retryAfterMs` if that is set. */
  get retryable(): boolean {
    return RETRYABLE.has(this.code);
  }
}

export class OutcomeUnknown extends HubbubError {
  override readonly name = "OutcomeUnknown";

  constructor(messageId?: string) {
    super("outcome_unknown", "the connection ended before the server answered", { messageId });
  }
}

export class NotConnected extends HubbubError {
  override readonly name = "NotConnected";

  constructor(reason = "there is no connection to the server", messageId?: string) {
    super("not_connected", reason, { messageId });
  }
}

export class ConnectionClosed extends HubbubError {
  override readonly name = "ConnectionClosed";

  constructor(
    readonly closeCode: number,
    reason: string,
  ) {
    super("closed", reason === "" ? `the server closed the connection with ${closeCode}` : reason);
  }
}

/** The offsets `first` to `last` of a log, both included, will not come. Without `first` nobody knows since when. */
export class MessagesMissed extends HubbubError {
  override readonly name = "MessagesMissed";

  constructor(
    readonly log: string,
    readonly first: number | undefined,
    readonly last: number,
    reason: string,
  ) {
    super("messages_missed", `messages up to ${last} of ${log} will not come: ${reason}`);
  }
}

export function errorFrom(envelope: Envelope): HubbubError {
  const { number, field, retry_after_ms: retryAfterMs } = envelope.payload ?? {};
  return new HubbubError(envelope.code ?? "internal", envelope.reason ?? "the server gave no reason", {
    number: typeof number === "number" ? number : undefined,
    field: typeof field === "string" ? field : undefined,
    retryAfterMs: typeof retryAfterMs === "number" ? retryAfterMs : undefined,
    messageId: envelope.messageId,
  });
}

/** What the application's function for tokens has thrown. */
export function tokenless(error: unknown): HubbubError {
  if (error instanceof HubbubError) return error;
  return new HubbubError("unauthorized", `no token could be had: ${String(error)}`);
}
