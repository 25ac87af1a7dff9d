import { isRecord } from "./envelope.js";
import type { Position } from "./protocol.js";

export type { Position } from "./protocol.js";

export function isPosition(value: unknown): value is Position {
  return isRecord(value) && typeof value["epoch"] === "string" && Number.isSafeInteger(value["offset"]);
}

/** One log. Offsets of another `era` do not compare with its own. */
export interface Reading {
  readonly epoch: string | undefined;
  readonly offset: number;
  readonly era: number;
}

/** What this client has seen of each log. */
export class Positions {
  readonly #readings = new Map<string, Reading>();
  #eras = 0;

  reading(log: string): Reading | undefined {
    return this.#readings.get(log);
  }

  get(log: string): Position | undefined {
    const reading = this.#readings.get(log);
    return reading?.epoch === undefined ? undefined : { epoch: reading.epoch, offset: reading.offset };
  }

  /** Notes a delivery; false when it was seen before and must be dropped. */
  advance(log: string, offset: number): boolean {
    const reading = this.#readings.get(log);
    if (reading !== undefined && offset <= reading.offset) return false;
    this.#readings.set(log, { epoch: reading?.epoch, offset, era: reading?.era ?? ++this.#eras });
    return true;
  }

  /** Takes over what the server says of a log: forwards within an epoch, anywhere in a new one. */
  learn(log: string, { epoch, offset }: Position): void {
    const reading = this.#readings.get(log);
    if (reading === undefined || (reading.epoch ?? epoch) !== epoch) this.restart(log, { epoch, offset });
    else this.#readings.set(log, { epoch, offset: Math.max(reading.offset, offset), era: reading.era });
  }

  /** Takes over a position that may lie behind what was seen, since the log is not what it was. */
  restart(log: string, { epoch, offset }: Position): void {
    this.#readings.set(log, { epoch, offset, era: ++this.#eras });
  }

  forget(log: string): void {
    this.#readings.delete(log);
  }
}
