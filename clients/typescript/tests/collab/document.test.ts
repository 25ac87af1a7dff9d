import { ChangeSet } from "@codemirror/state";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SharedDocument } from "../../src/collab/document.js";
import type { DocumentOptions, DocumentState } from "../../src/collab/events.js";
import type { Envelope } from "../../src/envelope.js";
import { connected, settle } from "../fakes.js";
import type { Stage } from "../fakes.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const CHANNEL = "doc:notes";
const ME = "0a0a0a0a";
const BOB = "0b0b0b0b";

interface Desk extends Stage {
  readonly document: SharedDocument;
  readonly states: DocumentState[];
  /** Answers the newest join. */
  readonly answer: (payload: Record<string, unknown>) => Promise<void>;
  readonly init: (content: string, revision: number) => Promise<void>;
  readonly operations: (...entries: Record<string, unknown>[]) => Promise<void>;
  readonly type: (at: number, insert: string) => void;
  readonly sent: (type: string) => Envelope[];
}

async function desk(options: DocumentOptions = {}): Promise<Desk> {
  const built = await connected();
  const document = new SharedDocument(built.client, "notes", options);
  const states: DocumentState[] = [];
  document.on("state", (state) => states.push(state));
  document.open();
  const say = async (envelope: Envelope): Promise<void> => {
    built.socket().say({ channel: CHANNEL, documentId: "notes", ...envelope });
    await settle();
  };
  return {
    ...built,
    document,
    states,
    answer: (payload) => {
      const { messageId = "" } = built.socket().sent.filter(({ type }) => type === "join").at(-1) ?? {};
      return say({ type: "joined", messageId, clientId: ME, payload: { epoch: "e1", seq: 0, ...payload } });
    },
    init: (content, revision) => {
      const document = { content, revision, epoch: "e1", transform: "codemirror-changeset/1" };
      return say({ type: "init", payload: { document, cursors: [] } });
    },
    operations: (...operations) => say({ type: "operations", payload: { operations } }),
    type: (at, insert) => document.edit(ChangeSet.of({ from: at, insert }, document.text.length)),
    sent: (type) => built.socket().sent.filter((envelope) => envelope.type === type),
  };
}

async function open(content = "", revision = 0, options: DocumentOptions = {}): Promise<Desk> {
  const made = await desk(options);
  await made.answer({ recovered: false, offset: revision });
  await made.init(content, revision);
  return made;
}

describe("a shared document", () => {
  it("opens with its text", async () => {
    const { document, states } = await open("hello", 7);
    expect(document.text.toString()).toBe("hello");
    expect(document.revision).toBe(7);
    expect(states.at(-1)).toEqual({ phase: "saved" });
  });

  it("sends one operation at a time, and composes what is typed meanwhile", async () => {
    const { type, sent, operations, states } = await open("", 1);
    type(0, "a");
    type(1, "b");
    type(2, "c");
    expect(sent("operation").map(({ payload }) => payload)).toEqual([
      { operation: [[0, "a"]], revision: 1, seq: 1, epoch: "e1" },
    ]);
    expect(states.at(-1)).toEqual({ phase: "saving" });
    await operations({ revision: 2, clientId: ME, seq: 1 });
    expect(sent("operation").at(-1)?.payload).toEqual({ operation: [1, [0, "bc"]], revision: 2, seq: 2, epoch: "e1" });
    await operations({ revision: 3, clientId: ME, seq: 2 });
    expect(states.at(-1)).toEqual({ phase: "saved" });
  });

  it("shows what others do, mapped over what is pending", async () => {
    const { document, type, operations } = await open("world", 1);
    const seen: unknown[] = [];
    document.on("remote", (changes) => seen.push(changes.toJSON()));
    type(0, "my ");
    await operations({ operation: [5, [0, "!"]], revision: 2, clientId: BOB, seq: 1, user: "bob", timestamp: 1 });
    expect(seen).toEqual([[8, [0, "!"]]]);
    expect(document.text.toString()).toBe("my world!");
  });

  it("comes back with its position, and sends what is in flight again, unchanged", async () => {
    const { type, sent, socket, restore, answer, operations, document, states } = await open("", 1);
    type(0, "a");
    socket().end(1006);
    await settle();
    expect(states.at(-1)).toEqual({ phase: "offline", edits: 1 });
    type(1, "b");
    expect(states.at(-1)).toEqual({ phase: "offline", edits: 2 });
    await vi.advanceTimersByTimeAsync(1_000);
    await restore();
    const [join] = sent("join");
    expect(join).toMatchObject({ clientId: ME, documentId: "notes", payload: { position: { epoch: "e1", offset: 1 } } });
    await answer({ recovered: true, offset: 1, seq: 0 });
    expect(sent("operation")[0]?.payload).toEqual({ operation: [[0, "a"]], revision: 1, seq: 1, epoch: "e1" });
    await operations({ operation: [[0, "x"]], revision: 2, clientId: BOB, seq: 1 }, { revision: 3, clientId: ME, seq: 1 });
    expect(document.text.toString()).toBe("abx");
    expect(sent("operation").at(-1)?.payload).toMatchObject({ operation: [1, [0, "b"], 1], revision: 3, seq: 2 });
  });

  it("does not send again what the log has: its acknowledgement follows", async () => {
    const { type, sent, socket, restore, answer, operations, states } = await open("", 1);
    type(0, "a");
    socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await restore();
    await answer({ recovered: true, offset: 1, seq: 1 });
    expect(sent("operation")).toEqual([]);
    await operations({ revision: 2, clientId: ME, seq: 1 });
    expect(states.at(-1)).toEqual({ phase: "saved" });
  });

  it("merges openly where the log went on without it: nothing typed is dropped", async () => {
    const { type, sent, socket, restore, answer, init, document } = await open("one two", 1);
    const merged: unknown[] = [];
    document.on("merged", (event) => merged.push(event));
    type(7, " three");
    socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await restore();
    await answer({ recovered: false, offset: 9, epoch: "e1", seq: 0 });
    await init("ONE two", 9);
    expect(document.text.toString()).toBe("ONE two three");
    expect(merged).toEqual([{ edits: 1 }]);
    expect(sent("operation").at(-1)?.payload).toMatchObject({ operation: [7, [0, " three"]], revision: 9 });
  });

  it("gives back what the document will never take, and shows the server's text", async () => {
    const { type, socket, document, sent, answer, init } = await open("fixed", 1);
    const rejected: unknown[] = [];
    document.on("rejected", ({ text, error }) => rejected.push([text, error.code]));
    type(5, " mine");
    socket().refuse("forbidden");
    await settle();
    expect(rejected).toEqual([[" mine", "forbidden"]]);
    expect(sent("join").at(-1)?.payload).toBeUndefined();
    await answer({ recovered: false, offset: 1 });
    await init("fixed", 1);
    expect(document.text.toString()).toBe("fixed");
  });

  it("repeats what could not be had now", async () => {
    const { type, socket, sent } = await open("", 1);
    type(0, "a");
    socket().refuse("unavailable", { retry_after_ms: 300 });
    await vi.advanceTimersByTimeAsync(299);
    expect(sent("operation")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    const [first, again] = sent("operation");
    expect(again?.payload).toEqual(first?.payload);
  });

  it("keeps its author and what is unsent over a reload", async () => {
    let kept: string | null = null;
    const draft = { load: () => kept, save: (text: string) => void (kept = text), clear: () => void (kept = null) };
    const first = await open("abc", 4, { draft });
    first.socket().end(1006);
    first.type(3, "d");
    const second = await desk({ draft });
    expect(second.document.text.toString()).toBe("abcd");
    expect(second.sent("join")[0]).toMatchObject({ clientId: ME, payload: { position: { epoch: "e1", offset: 4 } } });
    await second.answer({ recovered: true, offset: 4, seq: 0 });
    expect(second.sent("operation")[0]?.payload).toMatchObject({ operation: [3, [0, "d"]], revision: 4, seq: 1 });
  });

  it("shows where the others are, and moves them with the text", async () => {
    const { document, socket, type } = await open("hello", 1);
    const payload = { cursor: { anchor: 5, head: 5 }, revision: 1, name: "Bob", colour: "#112233" };
    socket().say({ type: "cursor", channel: CHANNEL, clientId: BOB, sender: "bob", payload });
    await settle();
    type(0, ">> ");
    expect(document.cursors).toEqual([
      { clientId: BOB, user: "bob", name: "Bob", colour: "#112233", anchor: 8, head: 8 },
    ]);
    socket().say({ type: "cursor", channel: CHANNEL, clientId: BOB, sender: "bob", payload: { cursor: null, revision: 1 } });
    await settle();
    expect(document.cursors).toEqual([]);
  });

  it("tells its own cursor where the server's text has it", async () => {
    const { document, type, sent } = await open("hello", 1);
    type(0, ">> ");
    document.select({ anchor: 8, head: 3 });
    await vi.advanceTimersByTimeAsync(60);
    expect(sent("cursor").map(({ payload }) => payload)).toEqual([{ cursor: { anchor: 5, head: 0 }, revision: 1 }]);
  });
});
