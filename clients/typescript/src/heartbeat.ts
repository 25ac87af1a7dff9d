/** Silence after which the server is asked for a sign of life. Its own pings are invisible to a page. */
export const DEFAULT_INTERVAL_MS = 25_000;
const ANSWER_MS = 8_000;

/** Finds the connection that is dead without having been closed. */
export class Heartbeat {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #intervalMs = DEFAULT_INTERVAL_MS;

  constructor(
    private readonly ping: () => void,
    private readonly dead: () => void,
  ) {}

  start(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.heard();
  }

  /** Something came from the server. */
  heard(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.ping();
      this.#timer = setTimeout(this.dead, ANSWER_MS);
    }, this.#intervalMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
