import { covers, logOf } from "./channels.js";
import { Emitter } from "./emitter.js";
import type { Listener } from "./emitter.js";
import type { ChannelEvents } from "./events.js";

/** The events of one channel, or of a topic pattern. It only listens: `join` or `subscribe` makes them come. */
export class Subscription {
  readonly #events = new Emitter<ChannelEvents>();
  readonly #log: string;

  constructor(
    readonly channel: string,
    private readonly release: (subscription: Subscription) => void,
  ) {
    this.#log = logOf(channel);
  }

  on<Name extends keyof ChannelEvents>(name: Name, listener: Listener<ChannelEvents[Name]>): () => void {
    return this.#events.on(name, listener);
  }

  /** Hears no more. The room stays joined: `leave` leaves it. */
  close(): void {
    this.#events.clear();
    this.release(this);
  }

  offer<Name extends keyof ChannelEvents>(name: Name, event: ChannelEvents[Name], origin: string): void {
    // What concerns a whole log concerns every channel in it.
    const concerned = covers(this.channel, origin) || origin === this.#log;
    if (concerned) this.#events.emit(name, event);
  }
}
