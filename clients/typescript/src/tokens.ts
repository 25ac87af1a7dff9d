import { fromBase64 } from "./base64.js";
import { isRecord } from "./envelope.js";

/** What proves who one is. A function is asked for every connection, and again before the token expires. */
export type Token = string | (() => string | Promise<string>);

/** So long before its end a token is renewed, or a tenth of what is left of it, if that is less. */
const EARLY_MS = 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Where tokens come from. One that comes from a function is renewed over a living connection. */
export class Tokens {
  #source: Token | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #renewing = false;
  #connected = false;

  /** `send` shows a token to the server; what goes wrong with that is `failed`. */
  constructor(
    source: Token | undefined,
    private readonly send: (token: string) => Promise<unknown>,
    private readonly failed: (error: unknown) => void,
  ) {
    this.#source = source;
  }

  get renewable(): boolean {
    return typeof this.#source === "function";
  }

  /** A token for a new connection. */
  async fresh(): Promise<string | undefined> {
    if (typeof this.#source !== "function") return this.#source;
    const token = await this.#source();
    this.#watch(token);
    return token;
  }

  /** The program has a newer one, for this and later connections. */
  replace(token: string): void {
    if (!this.renewable) this.#source = token;
  }

  connected(connected: boolean): void {
    this.#connected = connected;
  }

  /** Asks for a token and shows it. A connection that is not there asks by itself when it comes. */
  async renew(): Promise<void> {
    if (!this.renewable || !this.#connected || this.#renewing) return;
    this.#renewing = true;
    try {
      const token = await this.fresh();
      if (token !== undefined) await this.send(token);
    } catch (error) {
      // The server ends the connection when its patience does, and the next one asks again.
      this.failed(error);
    }
    this.#renewing = false;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #watch(token: string): void {
    clearTimeout(this.#timer);
    const expires = expiryOf(token);
    if (expires === undefined) return;
    const left = expires - Date.now();
    const delay = Math.max(0, left - Math.min(EARLY_MS, left / 10));
    this.#timer = setTimeout(() => void this.renew(), Math.min(delay, LONGEST_TIMER_MS));
  }
}

/** When a JSON Web Token expires, in milliseconds since 1970; undefined for what is none or says nothing of it. */
export function expiryOf(token: string): number | undefined {
  const [, body, signature] = token.split(".");
  if (body === undefined || signature === undefined) return undefined;
  const bytes = fromBase64(body.replaceAll("-", "+").replaceAll("_", "/"));
  try {
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const expires = isRecord(claims) ? claims["exp"] : undefined;
    return typeof expires === "number" ? expires * 1_000 : undefined;
  } catch {
    return undefined;
  }
}
