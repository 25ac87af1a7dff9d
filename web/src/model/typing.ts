const REPEAT_MS = 3_000;
const FADE_MS = 6_000;

/** Who is typing. Whoever is not heard of again is taken to have stopped. */
export class Typists {
  readonly #fading = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(private readonly changed: () => void) {}

  get names(): string[] {
    return [...this.#fading.keys()];
  }

  heard(user: string, typing: boolean): void {
    clearTimeout(this.#fading.get(user));
    this.#fading.delete(user);
    if (typing) this.#fading.set(user, setTimeout(() => this.heard(user, false), FADE_MS));
    this.changed();
  }

  clear(): void {
    for (const timer of this.#fading.values()) clearTimeout(timer);
    this.#fading.clear();
    this.changed();
  }
}

/** Tells the others that this user types, seldom enough to cost nothing. */
export class TypingSignal {
  #toldAt: number | undefined;

  constructor(private readonly tell: (typing: boolean) => void) {}

  typed(now: number): void {
    if (this.#toldAt !== undefined && now - this.#toldAt < REPEAT_MS) return;
    this.#toldAt = now;
    this.tell(true);
  }

  stopped(): void {
    if (this.#toldAt === undefined) return;
    this.#toldAt = undefined;
    this.tell(false);
  }
}
