import { describe, expect, it } from "vitest";
import { hashOfRoom, hubUrl, roomInHash, roomProblem } from "../src/address";
import { listText, sizeText } from "../src/format";

describe("addresses", () => {
  it("finds the hub beside the page", () => {
    expect(hubUrl("http://127.0.0.1:8000/?x#lobby")).toBe("ws://127.0.0.1:8000/ws");
    expect(hubUrl("https://example.org/chat/")).toBe("wss://example.org/chat/ws");
  });

  it("carries any room's name in the hash, and nothing that is none", () => {
    expect(roomInHash(hashOfRoom("a b/ü#%"))).toBe("a b/ü#%");
    expect(roomInHash("#")).toBeUndefined();
    expect(roomInHash("#%")).toBeUndefined();
    expect(roomProblem("x".repeat(201))).toBeDefined();
    expect(roomProblem("a\u0007")).toBeDefined();
  });
});

describe("words", () => {
  it("reads like a sentence", () => {
    expect(listText(["a", "b", "c", "d"])).toBe("a, b and 2 others");
    expect(sizeText(1)).toBe("1 byte");
    expect(sizeText(1_234_567)).toBe("1.2 MB");
  });
});
