import type { Acknowledging } from "./acknowledging.js";
import { covers, logOf } from "./channels.js";
import { report } from "./emitter.js";
import { HubbubError, MessagesMissed, NotConnected, OutcomeUnknown } from "./errors.js";
import type { Message } from "./messages.js";
import type { Position, Positions } from "./positions.js";

/** A page cannot stop reading its socket: what is beyond this in one queue is dropped, and told. */
const MOST_QUEUED = 4_096;

export interface StreamOptions {
  /** The server awaits what was processed, delivers the rest again after a loss, and sends at most 256 ahead. */
  readonly ack?: boolean;
  /** Where to begin, if the channel is not read yet. Otherwise at its head. */
  readonly position?: Position;
}

interface Queued {
  readonly item: Message | MessagesMissed;
  readonly era: number;
  readonly offset: number;
}

/** What a stream needs of its client. */
export interface StreamOwner {
  /** Enters its channel, unless the session is in there; true when it did. */
  readonly enter: (stream: MessageStream) => Promise<boolean>;
  readonly leave: (stream: MessageStream) => Promise<void>;
  /** Resolves at the next `open` of the client; rejects where there will be none. */
  readonly opened: () => Promise<void>;
}

/**
 * The messages of one channel, one by one: `for await (const message of client.messages("room:lobby"))`.
 *
 * It listens from the first `next` on, and lives on while connections come and go. With `ack` a message counts as
 * processed when the loop comes back for the next one; one that is left in the middle is delivered again. Throws
 * `MessagesMissed` where messages are gone for good: iterating again goes on after them. Whatever else is thrown is
 * its end.
 */
export class MessageStream implements AsyncIterableIterator<Message> {
  readonly log: string;
  readonly ack: boolean;
  readonly position: Position | undefined;
  readonly #queue: Queued[] = [];
  #hand: Queued | undefined;
  #begun: Promise<void> | undefined;
  #entered = false;
  #ended = false;
  #error: HubbubError | undefined;
  #wake: (() => void) | undefined;

  constructor(
    readonly channel: string,
    options: StreamOptions,
    private readonly streams: Streams,
  ) {
    this.log = logOf(channel);
    this.ack = options.ack === true;
    this.position = options.position;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Message, undefined>> {
    this.processed();
    await this.begin();
    while (this.#queue.length === 0) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.#hand = this.#queue.shift();
    const item = this.#hand?.item;
    if (item === undefined || item instanceof MessagesMissed) throw item;
    return { done: false, value: item };
  }

  /** Ends it. A topic that was subscribed to for it is unsubscribed from; a room stays joined. */
  async return(): Promise<IteratorResult<Message, undefined>> {
    if (!this.#ended) {
      this.#ended = true;
      this.#wake?.();
      await this.streams.end(this, this.#entered);
    }
    return { done: true, value: undefined };
  }

  /** Joins the room or subscribes to the topic, which `next` does otherwise. Without a connection it waits for one. */
  begin(): Promise<void> {
    this.#begun ??= this.streams.begin(this).then(
      (entered) => {
        this.#entered = entered;
      },
      (error: unknown) => {
        this.#begun = undefined;
        throw error;
      },
    );
    return this.#begun;
  }

  /** The message that was taken last is processed, as when the next one is taken: for whoever stops after it. */
  processed(): void {
    if (this.#hand === undefined) return;
    this.#hand = undefined;
    this.streams.processed(this);
  }

  // --- Made by the client -----------------------------------------------------------------------------------

  get outstanding(): Queued | undefined {
    return this.#hand ?? this.#queue[0];
  }

  put(item: Message | MessagesMissed, era: number, offset: number): void {
    if (this.#queue.length >= MOST_QUEUED) {
      const last = this.#queue.at(-1)?.item;
      const first = last instanceof MessagesMissed ? last.first : offset;
      if (last instanceof MessagesMissed) this.#queue.pop();
      item = new MessagesMissed(this.log, first, offset, "they came faster than they were taken");
    }
    this.#queue.push({ item, era, offset });
    this.#wake?.();
  }

  /** Nothing more will come: what came is taken first, then this is thrown. */
  finish(error: HubbubError): void {
    this.#error ??= error;
    this.#wake?.();
  }
}

/** All streams of a client. */
export class Streams {
  readonly #streams = new Set<MessageStream>();
  #error: HubbubError | undefined;

  constructor(
    private readonly positions: Positions,
    private readonly acks: Acknowledging,
    private readonly owner: StreamOwner,
  ) {}

  /** Puts a message into the queues that want it; whether one that acknowledges is among them. */
  offer(message: Message): boolean {
    if (this.#streams.size === 0) return false;
    const log = logOf(message.channel);
    const { era = 0, offset: read = 0 } = this.positions.reading(log) ?? {};
    let awaited = false;
    for (const stream of this.#streams) {
      if (stream.log !== log || !wants(stream.channel, message.channel)) continue;
      // What is not stored stands between what was received and what comes next.
      stream.put(message, era, message.offset ?? read + 1);
      awaited ||= stream.ack;
    }
    return awaited;
  }

  /** Tells the streams of a log, or of one channel in it, what will not come. */
  miss(missed: MessagesMissed, only?: string): void {
    const { era = 0, offset = 0 } = this.positions.reading(missed.log) ?? {};
    for (const stream of this.#streams) {
      if (stream.log === missed.log && (only ?? stream.channel) === stream.channel) stream.put(missed, era, offset);
    }
  }

  /** The server does not let the session into this channel any more. */
  refused(channel: string, error: HubbubError): void {
    for (const stream of this.#streams) if (stream.channel === channel) stream.finish(error);
  }

  /** There will be no other connection. */
  finish(error: HubbubError): void {
    this.#error = error;
    for (const stream of this.#streams) stream.finish(error);
  }

  /** Messages go to it from now on. Returns whether its channel was entered for it. */
  async begin(stream: MessageStream): Promise<boolean> {
    if (this.#error !== undefined) throw this.#error;
    this.#streams.add(stream);
    if (stream.ack) this.acks.add(stream.log, stream);
    try {
      return await this.#enter(stream);
    } catch (error) {
      this.#remove(stream);
      throw error;
    }
  }

  async end(stream: MessageStream, entered: boolean): Promise<void> {
    this.#remove(stream);
    const last = ![...this.#streams].some(({ channel }) => channel === stream.channel);
    if (!entered || !last || !stream.channel.startsWith("topic:")) return;
    // After that the server does not read the log for this client any more, and would not know what it is told.
    this.acks.flush();
    await this.owner.leave(stream).catch(() => undefined);
  }

  processed({ log, ack }: MessageStream): void {
    if (ack) this.acks.processed(log);
  }

  async #enter(stream: MessageStream): Promise<boolean> {
    for (;;) {
      try {
        return await this.owner.enter(stream);
      } catch (error) {
        if (!(error instanceof NotConnected || error instanceof OutcomeUnknown)) throw error;
        await this.owner.opened();
      }
    }
  }

  #remove(stream: MessageStream): void {
    this.#streams.delete(stream);
    this.acks.remove(stream.log, stream);
  }
}

/** `all` hears of its groups, too. */
function wants(wanted: string, channel: string): boolean {
  return covers(wanted, channel) || (wanted === "all" && channel.startsWith("group:"));
}

export type MessageCallback = (message: Message) => unknown;

/** A stream that calls back, one message at a time: the next one comes when the promise of the last is settled. */
export class CallbackListener {
  constructor(
    private readonly stream: MessageStream,
    private readonly callback: MessageCallback,
    private readonly missed: ((missed: MessagesMissed) => void) | undefined,
  ) {
    void this.#run();
  }

  /** Calls back no more. */
  async stop(): Promise<void> {
    this.stream.processed();
    await this.stream.return();
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        const { done, value } = await this.stream.next();
        if (done === true) return;
        await guarded(() => this.callback(value));
      } catch (error) {
        if (!(error instanceof MessagesMissed)) return;
        const missed = error;
        await guarded(() => this.missed?.(missed));
      }
    }
  }
}

/** One bad message must not stop the rest. */
async function guarded(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    report(error);
  }
}
