export interface Closing {
  readonly code: number;
  readonly reason: string;
  /** When the server wants this client back, where it said so with the end itself. */
  readonly retryAfterMs?: number | undefined;
}

/** `token`: only with a new token. `delayed`: after the time the server named. */
export type Comeback = "yes" | "no" | "token" | "delayed";

/** Stands for every end without a closing handshake, as in RFC 6455. */
export const NETWORK_LOST: Closing = { code: 1006, reason: "the connection was lost" };

const FINAL = [1000, 1002, 1003, 1007, 1008, 1009, 4409];
const UNAUTHORIZED = 4401;
const DELAYED = [1013, 4429];

/** Section 6 of the protocol. A code it does not name is met with patience: the backoff bounds the cost. */
export function comebackAfter(code: number): Comeback {
  if (FINAL.includes(code)) return "no";
  if (code === UNAUTHORIZED) return "token";
  return DELAYED.includes(code) ? "delayed" : "yes";
}
