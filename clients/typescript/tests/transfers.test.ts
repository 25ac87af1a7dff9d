import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { toBase64 } from "../src/base64.js";
import type { Message } from "../src/messages.js";
import { Transfers } from "../src/transfers.js";
import type { Content, TransferLimits } from "../src/transfers.js";

let contents: Content[];
let failures: string[];

beforeEach(() => {
  vi.useFakeTimers();
  contents = [];
  failures = [];
});
afterEach(() => void vi.useRealTimers());

function transfers(limits: TransferLimits = {}): Transfers {
  return new Transfers(
    (content) => contents.push(content),
    (error) => failures.push(`${error.transferId}: ${error.message}`),
    limits,
  );
}

function piece(transferId: string, index: number, count: number, size = 4, more: object = {}): Message {
  const chunk = toBase64(new Uint8Array(size).fill(index));
  return {
    messageId: "",
    timestamp: 1,
    type: "data",
    sender: "bob",
    channel: "room:x",
    offset: index + 1,
    payload: { transferId, index, count, mimeType: "image/png", chunk, ...more },
    metadata: {},
  };
}

describe("transfers", () => {
  it("joins pieces in whatever order, each once", () => {
    const joiner = transfers();
    for (const index of [2, 0, 0, 1]) joiner.take(piece("t", index, 3, 2));
    expect(contents).toHaveLength(1);
    expect([...(contents[0]?.bytes ?? [])]).toEqual([0, 0, 1, 1, 2, 2]);
    expect(contents[0]).toMatchObject({ transferId: "t", mimeType: "image/png", sender: "bob" });
    expect(failures).toEqual([]);
  });

  it("takes empty content", () => {
    transfers().take(piece("t", 0, 1, 0));
    expect(contents[0]?.bytes).toHaveLength(0);
  });

  it("keeps senders apart", () => {
    const joiner = transfers();
    joiner.take(piece("t", 0, 2));
    joiner.take({ ...piece("t", 1, 2), sender: "eve" });
    expect(contents).toEqual([]);
  });

  it("bounds what is held altogether, and frees what failed", () => {
    const joiner = transfers({ maximumBytes: 10 });
    joiner.take(piece("a", 0, 3, 8));
    joiner.take(piece("b", 0, 2, 4));
    expect(failures).toEqual(["b: it is larger than what may be held"]);
    joiner.take(piece("b", 1, 2, 1));
    joiner.take(piece("a", 1, 3, 8));
    expect(failures).toHaveLength(2);
    joiner.take(piece("c", 0, 1, 10));
    expect(contents.map(({ transferId }) => transferId)).toEqual(["c"]);
  });

  it("bounds how many are open: the oldest gives way", () => {
    const joiner = transfers({ maximumOpen: 2 });
    for (const id of ["a", "b", "c"]) joiner.take(piece(id, 0, 2));
    expect(failures).toEqual(["a: too many were open at once"]);
    joiner.take(piece("b", 1, 2));
    expect(contents.map(({ transferId }) => transferId)).toEqual(["b"]);
  });

  it("does not wait for ever for a next piece", () => {
    const joiner = transfers({ patienceMs: 100 });
    joiner.take(piece("a", 0, 3));
    vi.advanceTimersByTime(99);
    joiner.take(piece("a", 1, 3));
    vi.advanceTimersByTime(99);
    expect(failures).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(failures).toEqual(["a: its next piece did not come in time"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([
    ["an index past its count", { index: 2 }],
    ["a negative index", { index: -1 }],
    ["a broken count", { count: 1.5 }],
    ["no base64", { chunk: "***" }],
    ["an empty piece of several", { chunk: "" }],
    ["a piece too large", { chunk: toBase64(new Uint8Array(32 * 1024 + 1)) }],
    ["no type", { mimeType: 1 }],
  ])("refuses %s", (_, broken) => {
    transfers().take(piece("t", 0, 2, 4, broken));
    expect(failures).toEqual(["t: a piece is not what the protocol says"]);
  });

  it("refuses pieces that contradict each other", () => {
    const joiner = transfers();
    joiner.take(piece("t", 0, 2));
    joiner.take(piece("t", 1, 3));
    expect(failures).toEqual(["t: its pieces contradict each other"]);
  });
});
