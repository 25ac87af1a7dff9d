/** Silence after which the server is asked for a sign of life. Its own pings are invisible to a page. */
export const DEFAULT_INTERVAL_MS = 25_000;
const ANSWER_MS = 8_000;
/** After a sleep, or where the machine says that it is offline, there is reason to be impatient. */
const PROBE_MS = 3_000;

/** Finds the connection that is dead without having been closed. */
export class Heartbeat {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #intervalMs = DEFAULT_INTERVAL_MS;
  #started = false;

  constructor(
    private readonly ping: () => void,
    private readonly dead: () => void,
  ) {}

  start(intervalMs: number): void {
    this.#intervalMs = intervalMs;
    this.#started = true;
    this.heard();
  }

  /** Something came from the server. */
  heard(): void {
    if (!this.#started) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(ANSWER_MS), this.#intervalMs);
  }

  /** Asks at once. */
  probe(): void {
    if (!this.#started) return;
    clearTimeout(this.#timer);
    this.#ask(PROBE_MS);
  }

  stop(): void {
    this.#started = false;
    clearTimeout(this.#timer);
  }

  #ask(answerMs: number): void {
    this.ping();
    this.#timer = setTimeout(this.dead, answerMs);
  }
}
