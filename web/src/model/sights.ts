const THROTTLE_MS = 400;

/** Who has seen how much of a room, and what this user tells the others of it. */
export class Sights {
  readonly #seen = new Map<string, number>();
  #told = 0;
  #wanted = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `tell` says to the others how far this user has read. */
  constructor(private readonly tell: (offset: number) => void) {}

  /** Who has seen the message at this offset, but for its sender. */
  of(offset: number, sender: string): string[] {
    return [...this.#seen].filter(([user, seen]) => user !== sender && seen >= offset).map(([user]) => user);
  }

  heard(user: string, offset: number): void {
    this.#seen.set(user, Math.max(offset, this.#seen.get(user) ?? 0));
  }

  left(user: string): void {
    this.#seen.delete(user);
  }

  /** This user has everything up to here before the eyes. */
  read(offset: number): void {
    this.#wanted = Math.max(this.#wanted, offset);
    if (this.#wanted > this.#told) this.#timer ??= setTimeout(() => this.#say(), THROTTLE_MS);
  }

  /** Somebody is new and knows nothing yet, or nobody was there to hear. */
  repeat(): void {
    this.#told = 0;
    this.read(0);
  }

  /** The log was begun anew: offsets of before say nothing. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#seen.clear();
    this.#told = 0;
    this.#wanted = 0;
  }

  #say(): void {
    this.#timer = undefined;
    this.#told = this.#wanted;
    this.tell(this.#wanted);
  }
}
