import type { Envelope } from "./envelope.js";

/** The server's codes and their numbers, as section 6 of the protocol lists them. */
export const ERROR_NUMBERS = {
  invalid_json: 100,
  invalid_message: 101,
  invalid_channel: 102,
  unknown_type: 103,
  unsupported_version: 104,
  too_large: 105,
  unauthorized: 110,
  token_expired: 111,
  forbidden: 112,
  muted: 113,
  session_expired: 114,
  not_found: 120,
  already_joined: 121,
  not_joined: 122,
  room_full: 123,
  already_exists: 124,
  already_migrating: 125,
  rate_limited: 130,
  too_many_pending: 131,
  unavailable: 132,
  internal: 199,
} as const;

export type ServerErrorCode = keyof typeof ERROR_NUMBERS;
/** Raised by the client itself; these have no number on the wire. */
export type LocalErrorCode = "outcome_unknown" | "not_connected" | "closed" | "transfer_failed";
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
 *   - `TransferFailed`: pieces of a larger content did not come together
 */
export class HubbubError extends Error {
  override readonly name: string = "HubbubError";
  readonly code: ErrorCode;
  readonly number: number | undefined;
  readonly field: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly messageId: string | undefined;

  constructor(code: ErrorCode, reason: string, details: ErrorDetails = {}) {
    super(reason);
    this.code = code;
    this.number = details.number ?? (ERROR_NUMBERS as Record<string, number>)[code];
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

export class TransferFailed extends HubbubError {
  override readonly name = "TransferFailed";

  constructor(
    reason: string,
    readonly transferId: string,
  ) {
    super("transfer_failed", reason);
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
