import { ChangeSet, Text } from "@codemirror/state";
import { describe, expect, it } from "vitest";
import { differenceOf, textOf } from "../../src/collab/merging.js";
import { Pending, splitChanges } from "../../src/collab/pending.js";
import type { Entry, Flight } from "../../src/collab/pending.js";

/** Numbers that look random and are the same every time (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const WORDS = ["a", "bc", "\n", "d\ne", "🙂", "f"];

function randomEdit(text: Text, random: (below: number) => number): ChangeSet {
  const from = random(text.length + 1);
  const to = Math.min(text.length, from + (random(3) === 0 ? random(4) : 0));
  const insert = Text.of((WORDS[random(WORDS.length)] ?? "").split("\n"));
  return ChangeSet.of({ from, to, insert }, text.length);
}

/** The authority of the protocol in a few lines: it maps over one entry at a time, and knows what it had. */
class Authority {
  text = textOf("");
  readonly log: (Required<Entry> & { changes: ChangeSet })[] = [];

  submit(clientId: string, flight: Flight): void {
    if (this.log.some((entry) => entry.clientId === clientId && entry.seq === flight.seq)) return;
    let changes = ChangeSet.fromJSON(flight.operation);
    for (const entry of this.log.slice(flight.revision)) {
      changes = changes.map(entry.changes, clientId < entry.clientId);
    }
    this.text = changes.apply(this.text);
    const revision = this.log.length + 1;
    this.log.push({ clientId, seq: flight.seq, revision, changes, operation: changes.toJSON() });
  }
}

class Author {
  readonly pending: Pending;
  shown = textOf("");

  constructor(readonly id: string) {
    this.pending = new Pending(id, this.shown, 0, 0);
  }

  edit(changes: ChangeSet): void {
    this.shown = changes.apply(this.shown);
    this.pending.edit(changes);
  }

  hear(authority: Authority): void {
    const entry = authority.log[this.pending.revision];
    if (entry === undefined) return;
    if (entry.clientId === this.id) this.pending.acknowledge(entry);
    else this.shown = this.pending.receive(entry).apply(this.shown);
    expect(this.pending.text.eq(this.shown)).toBe(true);
  }

  send(authority: Authority, lost: boolean): void {
    const flight = this.pending.take() ?? this.pending.flight;
    if (flight !== undefined && !lost) authority.submit(this.id, flight);
  }
}

function play(seed: number): { readonly authority: Authority; readonly authors: Author[] } {
  const random = randomFrom(seed);
  const authority = new Authority();
  const authors = ["0a", "0b", "0c"].map((id) => new Author(id));
  for (let step = 0; step < 60; step += 1) {
    const author = authors[random(3)];
    if (author === undefined) continue;
    const what = random(4);
    if (what === 0) author.edit(randomEdit(author.shown, random));
    else if (what === 1) author.send(authority, random(3) === 0);
    else author.hear(authority);
  }
  const isBusy = ({ pending }: Author): boolean => !pending.isEmpty || pending.revision < authority.log.length;
  for (let round = 0; authors.some(isBusy); round += 1) {
    expect(round).toBeLessThan(500);
    for (const author of authors) {
      author.send(authority, false);
      author.hear(authority);
    }
  }
  return { authority, authors };
}

describe("pending edits", () => {
  it("come to the same text for everyone, whatever is lost, late or sent twice", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const { authority, authors } = play(seed);
      for (const { shown } of authors) expect(shown.toString(), `seed ${seed}`).toBe(authority.text.toString());
    }
  });

  it("at one place do not mix the words of two authors: the smaller id comes first", () => {
    const authority = new Authority();
    const [ann, bob] = [new Author("0b"), new Author("0a")];
    for (const letter of "hello ") ann.edit(ChangeSet.of({ from: ann.shown.length, insert: letter }, ann.shown.length));
    for (const letter of "world ") bob.edit(ChangeSet.of({ from: bob.shown.length, insert: letter }, bob.shown.length));
    ann.send(authority, false);
    bob.send(authority, false);
    for (const author of [ann, bob]) for (let entry = 0; entry < 2; entry += 1) author.hear(authority);
    expect(authority.text.toString()).toBe("world hello ");
    expect(ann.shown.eq(bob.shown)).toBe(true);
  });

  it("count an acknowledgement that comes twice once", () => {
    const authority = new Authority();
    const ann = new Author("0a");
    ann.edit(ChangeSet.of({ from: 0, insert: "x" }, 0));
    ann.send(authority, false);
    ann.send(authority, false);
    expect(authority.log).toHaveLength(1);
    const [entry] = authority.log;
    if (entry === undefined) throw new Error("nothing was logged");
    expect(ann.pending.acknowledge(entry)).toBe(true);
    expect(ann.pending.acknowledge(entry)).toBe(false);
    expect(ann.pending.isEmpty).toBe(true);
  });
});

describe("splitChanges", () => {
  it("cuts what is large into parts that come to the same", () => {
    for (let seed = 1; seed <= 200; seed += 1) {
      const random = randomFrom(seed);
      const before = textOf("one two three\nfour five");
      let text = before;
      let changes = ChangeSet.empty(text.length);
      for (let step = 0; step < 8; step += 1) {
        const edit = randomEdit(text, random);
        text = edit.apply(text);
        changes = changes.compose(edit);
      }
      let shown = before;
      let rest: ChangeSet | undefined = changes;
      for (let part = 0; rest !== undefined; part += 1) {
        expect(part).toBeLessThan(100);
        const [head, tail]: [ChangeSet, ChangeSet | undefined] = splitChanges(rest, 4);
        shown = head.apply(shown);
        rest = tail;
      }
      expect(shown.toString(), `seed ${seed}`).toBe(text.toString());
    }
  });

  it("never cuts a surrogate pair", () => {
    const [head, tail] = splitChanges(ChangeSet.of({ from: 0, insert: "🙂🙂🙂" }, 0), 5);
    const first = head.apply(textOf("")).toString();
    expect(first).toBe("🙂");
    expect(tail?.apply(textOf(first)).toString()).toBe("🙂🙂🙂");
  });
});

describe("merge", () => {
  it("brings what the new text lacks over to it, and nothing that it has", () => {
    for (const [seq, before, edits] of [
      [0, "Xone", 2],
      [1, "XoneA", 1],
    ] as const) {
      const pending = new Pending("0a", textOf("one"), 7, 0);
      pending.edit(ChangeSet.of({ from: 3, insert: "A" }, 3));
      pending.take();
      pending.edit(ChangeSet.of({ from: 4, insert: "B" }, 4));
      expect(pending.merge(textOf(before), 2, seq)).toBe(edits);
      expect(pending.text.toString()).toBe("XoneAB");
      expect([pending.revision, pending.seq, pending.flight]).toEqual([2, 1, undefined]);
    }
  });
});

describe("differenceOf", () => {
  it.each([
    ["", ""],
    ["abc", "abc"],
    ["abc", ""],
    ["", "a\nb"],
    ["one two", "one 2 two"],
    ["aaa", "aa"],
    ["🙂", "🙃"],
    ["a\nb\nc", "a\nx\nc"],
  ])("makes the second of the first: %j, %j", (before, after) => {
    const changes = differenceOf(textOf(before), textOf(after));
    expect(changes.apply(textOf(before)).toString()).toBe(after);
    expect(JSON.stringify(changes.toJSON())).not.toMatch(/\\ud[89a-f]/i);
  });
});
