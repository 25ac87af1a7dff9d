import type { Envelope } from "./envelope.js";
import type { Positions } from "./positions.js";

/** Progress is acknowledged after this time at the latest … */
const DELAY_MS = 100;
/** … and at once after so many messages. */
const BATCH = 64;

/** Who takes messages one by one, and has to be through with them before they are acknowledged. */
export interface Reader {
  /** The oldest that was not processed; undefined when it is through with everything. */
  readonly outstanding: { readonly era: number; readonly offset: number } | undefined;
}

interface Log {
  era: number | undefined;
  /** The last offset that came as a message. */
  delivered: number;
  acked: number;
  /** Messages since the last ack. */
  processed: number;
  readonly readers: Set<Reader>;
}

/**
 * Tells the server what was processed, of every log that asks for it. Acks are cumulative: everything up to an offset
 * is processed by all readers. What no reader takes is processed when the listeners have returned. One timer for all.
 */
export class Acknowledging {
  readonly #logs = new Map<string, Log>();
  readonly #dirty = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #open = false;

  /** `send` is called between `resumed` and `suspended` only. */
  constructor(
    private readonly positions: Positions,
    private readonly send: (ack: Envelope) => void,
  ) {}

  has(log: string): boolean {
    return this.#logs.has(log);
  }

  /** The server awaits acks of this log from now on. */
  want(log: string): void {
    if (this.#logs.has(log)) return;
    const era = this.positions.reading(log)?.era;
    this.#logs.set(log, { era, delivered: 0, acked: 0, processed: 0, readers: new Set() });
  }

  /** Nothing is acknowledged of the log any more. */
  forget(log: string): void {
    this.#logs.delete(log);
    this.#dirty.delete(log);
  }

  /** What this reader has not processed is not acknowledged. */
  add(log: string, reader: Reader): void {
    this.want(log);
    this.#logs.get(log)?.readers.add(reader);
  }

  remove(log: string, reader: Reader): void {
    if (this.#logs.get(log)?.readers.delete(reader) === true) this.processed(log);
  }

  /** A message came. `awaited`: a reader that acknowledges has it in its queue now. */
  received(name: string, offset: number, awaited: boolean): void {
    const log = this.#logs.get(name);
    const era = this.positions.reading(name)?.era;
    if (log === undefined) return;
    if (log.era !== era) {
      log.era = era;
      log.acked = 0;
    }
    log.delivered = offset;
    if (!awaited) this.processed(name);
  }

  /** Something came that was had before: the server may not know what was processed. */
  repeated(name: string, offset = 0): void {
    const log = this.#logs.get(name);
    if (log === undefined) return;
    log.acked = 0;
    log.delivered = Math.max(log.delivered, offset);
    this.#touch(name);
  }

  /** One message more was processed. */
  processed(name: string): void {
    const log = this.#logs.get(name);
    if (log === undefined) return;
    log.processed += 1;
    if (log.processed >= BATCH) {
      this.#dirty.delete(name);
      this.#acknowledge(name, log);
    } else {
      this.#touch(name);
    }
  }

  /** There is no connection, or the server does not read all logs for it yet. */
  suspended(): void {
    this.#open = false;
  }

  /** There is a new connection: what was processed is said over it, since it may not have been heard. */
  resumed(): void {
    this.#open = true;
    for (const name of this.#logs.keys()) this.repeated(name);
  }

  /** Acknowledges at once whatever was processed. */
  flush(): void {
    this.stop();
    for (const name of this.#dirty) {
      const log = this.#logs.get(name);
      if (log !== undefined) this.#acknowledge(name, log);
    }
    this.#dirty.clear();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #touch(name: string): void {
    this.#dirty.add(name);
    this.#timer ??= setTimeout(() => this.flush(), DELAY_MS);
  }

  #acknowledge(name: string, log: Log): void {
    log.processed = 0;
    const reading = this.positions.reading(name);
    if (!this.#open || reading?.epoch === undefined || log.era !== reading.era) return;
    let offset = log.delivered;
    for (const { outstanding } of log.readers) {
      if (outstanding === undefined) continue;
      if (outstanding.era !== log.era) return;
      offset = Math.min(offset, outstanding.offset - 1);
    }
    if (offset <= log.acked) return;
    log.acked = offset;
    this.send({ type: "ack", channel: name, offset, epoch: reading.epoch });
  }
}
