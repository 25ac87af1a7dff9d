export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** `token`: only with a new token. `delayed`: after the time the server named. */
export type Comeback = "yes" | "no" | "token" | "delayed";

/** Stands for every end without a closing handshake, as in RFC 6455. */
export const NETWORK_LOST: Closing = { code: 1006, reason: "the connection was lost" };

const COMEBACKS: ReadonlyMap<number, Comeback> = new Map<number, Comeback>([
  [1000, "no"],
  [1002, "no"],
  [1003, "no"],
  [1007, "no"],
  [1008, "no"],
  [1009, "no"],
  [4401, "token"],
  [4409, "no"],
  [4429, "delayed"],
]);

/** Section 6 of the protocol. A code it does not name is met with patience: the backoff bounds the cost. */
export function comebackAfter(code: number): Comeback {
  return COMEBACKS.get(code) ?? "yes";
}
