export interface BackoffOptions {
  readonly initialMs?: number;
  readonly maximumMs?: number;
  readonly random?: () => number;
}

/** Full jitter: a random part of a bound that doubles, so that a crowd does not come back at one moment. */
export class Backoff {
  readonly #initialMs: number;
  readonly #maximumMs: number;
  readonly #random: () => number;
  #attempts = 0;

  constructor(options: BackoffOptions = {}) {
    this.#initialMs = options.initialMs ?? 1_000;
    this.#maximumMs = options.maximumMs ?? 30_000;
    this.#random = options.random ?? Math.random;
  }

  get attempts(): number {
    return this.#attempts;
  }

  nextDelayMs(): number {
    const bound = Math.min(this.#maximumMs, this.#initialMs * 2 ** this.#attempts);
    this.#attempts += 1;
    return Math.round(this.#random() * bound);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
