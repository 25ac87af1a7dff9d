import { ChangeSet } from "@codemirror/state";
import type { Text } from "@codemirror/state";
import { differenceOf } from "./merging.js";

/** An edit of someone, as the log has it. `operation` is ChangeSet JSON; one's own entry has none. */
export interface Entry {
  readonly revision: number;
  readonly clientId: string;
  readonly seq: number;
  readonly operation?: unknown;
}

/** The operation that was sent and is not acknowledged: what goes over the wire never changes, also when repeated. */
export interface Flight {
  readonly seq: number;
  /** The revision that `operation` is based on. */
  readonly revision: number;
  readonly operation: unknown;
  /** The same edit, mapped over what others did meanwhile: it applies to the server's text. */
  readonly changes: ChangeSet;
}

/** How far an operation may grow, in units: inserted text, and 2 for each part. */
export const LARGEST = 8_000;

/**
 * What this author did and the log does not have yet: one frozen operation in flight, one composed buffer.
 *
 * Others' entries are mapped over both one at a time, never over several at once: composed ones can diverge.
 * No I/O: it is told what is edited and what comes, and says what is to be sent and what to be shown.
 */
export class Pending {
  flight: Flight | undefined;
  buffer: ChangeSet | undefined;

  /** `base` is the server's text at `revision`, without what is pending. */
  constructor(
    readonly clientId: string,
    public base: Text,
    public revision: number,
    public seq: number,
  ) {}

  get isEmpty(): boolean {
    return this.flight === undefined && this.buffer === undefined;
  }

  /** How many edits wait: what the user may be told. */
  get count(): number {
    return (this.flight === undefined ? 0 : 1) + (this.buffer === undefined ? 0 : 1);
  }

  /** The text as its author sees it. */
  get text(): Text {
    return this.changes?.apply(this.base) ?? this.base;
  }

  /** All that is pending as one change of `base`. */
  get changes(): ChangeSet | undefined {
    if (this.flight === undefined) return this.buffer;
    return this.buffer === undefined ? this.flight.changes : this.flight.changes.compose(this.buffer);
  }

  /** The author edited the text that is seen. */
  edit(changes: ChangeSet): void {
    if (changes.empty) return;
    this.buffer = this.buffer === undefined ? changes : this.buffer.compose(changes);
    if (this.buffer.empty) this.buffer = undefined;
  }

  /** Freezes the next operation, if none is in flight. A buffer that is too large goes piece by piece. */
  take(): Flight | undefined {
    if (this.flight !== undefined || this.buffer === undefined) return undefined;
    const [changes, rest] = splitChanges(this.buffer, LARGEST);
    this.seq += 1;
    this.flight = { seq: this.seq, revision: this.revision, operation: changes.toJSON(), changes };
    this.buffer = rest;
    return this.flight;
  }

  /** Another author's entry: returns the change of the text that is seen. */
  receive(entry: Entry): ChangeSet {
    const theirs = ChangeSet.fromJSON(entry.operation);
    // Ties go to the smaller id. Both are ASCII, so that every language orders them alike.
    const first = this.clientId < entry.clientId;
    this.base = theirs.apply(this.base);
    this.revision = entry.revision;
    let shown = theirs;
    if (this.flight !== undefined) {
      const { changes } = this.flight;
      this.flight = { ...this.flight, changes: changes.map(shown, first) };
      shown = shown.map(changes, !first);
    }
    if (this.buffer !== undefined) {
      const buffer = this.buffer;
      this.buffer = buffer.map(shown, first);
      shown = shown.map(buffer, !first);
      if (this.buffer.empty) this.buffer = undefined;
    }
    return shown;
  }

  /** The log has one's own operation. One that is told again changes nothing. */
  acknowledge(entry: Entry): boolean {
    if (this.flight?.seq !== entry.seq) return false;
    this.base = this.flight.changes.apply(this.base);
    this.revision = entry.revision;
    this.flight = undefined;
    return true;
  }

  /**
   * Brings what is pending over to a new text, openly, by comparing it with the text the edits were made on. `seq` is
   * the last operation of this author that is in that text. Returns how many edits there were.
   */
  merge(text: Text, revision: number, seq: number): number {
    if (this.flight !== undefined && seq >= this.flight.seq) {
      this.base = this.flight.changes.apply(this.base);
      this.flight = undefined;
    }
    const edits = this.count;
    const changes = this.drop()?.map(differenceOf(this.base, text), true);
    this.base = text;
    this.revision = revision;
    this.seq = Math.max(this.seq, seq);
    if (changes !== undefined) this.edit(changes);
    return edits;
  }

  /** What was in flight will never be accepted: takes everything pending out, and returns it. */
  drop(): ChangeSet | undefined {
    const changes = this.changes;
    this.flight = this.buffer = undefined;
    return changes;
  }
}

type Part = number | readonly [number, ...string[]];

/** The changes as two that come one after the other, the first of at most `limit` units; the second may be missing. */
export function splitChanges(changes: ChangeSet, limit: number): [ChangeSet, ChangeSet | undefined] {
  const head: Part[] = [];
  const tail: Part[] = [];
  let room = limit;
  let isFull = false;
  for (const part of changes.toJSON() as Part[]) {
    if (typeof part === "number") {
      head.push(part);
      tail.push(part);
      continue;
    }
    const [deleted, ...lines] = part;
    const text = lines.join("\n");
    if (isFull) {
      if (deleted > 0) head.push(deleted);
      tail.push(part);
    } else if (text.length + 2 <= room) {
      room -= text.length + 2;
      head.push(part);
      if (text.length > 0) tail.push(text.length);
    } else {
      isFull = true;
      const cut = cutBefore(text, Math.max(1, room - 2));
      head.push([deleted, ...text.slice(0, cut).split("\n")]);
      tail.push(cut, [0, ...text.slice(cut).split("\n")]);
    }
  }
  if (!isFull) return [changes, undefined];
  return [ChangeSet.fromJSON(head), ChangeSet.fromJSON(tail)];
}

/** A place at or before `at`, but not at the beginning, that is not inside a surrogate pair. */
function cutBefore(text: string, at: number): number {
  const isInside = /[\uDC00-\uDFFF]/.test(text.charAt(at)) && /[\uD800-\uDBFF]/.test(text.charAt(at - 1));
  if (!isInside) return at;
  return at > 1 ? at - 1 : at + 1;
}
