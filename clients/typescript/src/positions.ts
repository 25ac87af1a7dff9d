import { isRecord } from "./envelope.js";

/** How far a log was read. The epoch changes when the log was lost and begun anew. */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

export function isPosition(value: unknown): value is Position {
  return isRecord(value) && typeof value["epoch"] === "string" && Number.isSafeInteger(value["offset"]);
}

interface Reading {
  epoch: string | undefined;
  offset: number;
}

/** What this client has seen of each log. */
export class Positions {
  readonly #readings = new Map<string, Reading>();

  get(log: string): Position | undefined {
    const reading = this.#readings.get(log);
    return reading?.epoch === undefined ? undefined : { epoch: reading.epoch, offset: reading.offset };
  }

  /** Notes a delivery; false when it was seen before and must be dropped. */
  advance(log: string, offset: number): boolean {
    const reading = this.#readings.get(log);
    if (reading === undefined) {
      this.#readings.set(log, { epoch: undefined, offset });
      return true;
    }
    if (offset <= reading.offset) return false;
    reading.offset = offset;
    return true;
  }

  /** Takes over what the server says of a log: forwards within an epoch, anywhere in a new one. */
  learn(log: string, position: Position): void {
    const reading = this.#readings.get(log);
    const sameEpoch = reading !== undefined && (reading.epoch ?? position.epoch) === position.epoch;
    const offset = sameEpoch ? Math.max(reading.offset, position.offset) : position.offset;
    this.#readings.set(log, { epoch: position.epoch, offset });
  }

  /** Takes over a position that may lie behind what was seen, since the log is not what it was. */
  restart(log: string, position: Position): void {
    this.#readings.set(log, { ...position });
  }

  forget(log: string): void {
    this.#readings.delete(log);
  }
}
