import { describe, expect, it } from "vitest";
import { Backoff } from "../src/backoff.js";
import { fromBase64, toBase64 } from "../src/base64.js";
import { covers, logOf } from "../src/channels.js";
import { newMessageId } from "../src/identifiers.js";
import { isFile, isImage, isText } from "../src/messages.js";
import type { Message } from "../src/messages.js";
import { Positions } from "../src/positions.js";

describe("backoff", () => {
  it("doubles its bound up to the maximum, with full jitter", () => {
    const backoff = new Backoff({ random: () => 0.5 });
    const delays = Array.from({ length: 7 }, () => backoff.nextDelayMs());
    expect(delays).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    backoff.reset();
    expect(backoff.nextDelayMs()).toBe(500);
  });

  it("stays within its bound however long it fails", () => {
    const backoff = new Backoff();
    for (let attempt = 0; attempt < 2_000; attempt += 1) {
      const delay = backoff.nextDelayMs();
      expect(delay).toBeGreaterThanOrEqual(0);
      expect(delay).toBeLessThanOrEqual(30_000);
    }
  });
});

describe("channels", () => {
  it.each([
    ["room:a.b", "room:a.b"],
    ["topic:a.b.c", "topic:a"],
    ["topic:a", "topic:a"],
    ["user:ada", "user:ada"],
    ["group:staff", "all"],
    ["all", "all"],
  ])("%s is in the log %s", (channel, log) => {
    expect(logOf(channel)).toBe(log);
  });

  it.each([
    ["topic:a.*", "topic:a.b", true],
    ["topic:a.*", "topic:a.b.c", false],
    ["topic:a.*", "topic:a", false],
    ["topic:a.**", "topic:a.b.c", true],
    ["topic:a.**", "topic:a", false],
    ["topic:a.*.c", "topic:a.b.c", true],
    ["topic:a.b", "topic:a.b", true],
    ["room:a.*", "room:a.b", false],
  ])("%s covers %s: %s", (pattern, channel, covered) => {
    expect(covers(pattern, channel)).toBe(covered);
  });
});

describe("positions", () => {
  it("moves forwards within an epoch and anywhere in a new one", () => {
    const positions = new Positions();
    positions.advance("room:a", 3);
    expect(positions.get("room:a")).toBeUndefined();
    positions.learn("room:a", { epoch: "e1", offset: 2 });
    expect(positions.get("room:a")).toEqual({ epoch: "e1", offset: 3 });
    positions.learn("room:a", { epoch: "e2", offset: 1 });
    expect(positions.get("room:a")).toEqual({ epoch: "e2", offset: 1 });
    expect(positions.advance("room:a", 1)).toBe(false);
    expect(positions.advance("room:a", 2)).toBe(true);
    positions.restart("room:a", { epoch: "e2", offset: 0 });
    expect(positions.advance("room:a", 1)).toBe(true);
    positions.forget("room:a");
    expect(positions.get("room:a")).toBeUndefined();
  });
});

describe("messages", () => {
  const message = (type: string, payload: Record<string, unknown>): Message => ({
    messageId: "",
    timestamp: 0,
    type,
    sender: "bob",
    channel: "room:x",
    offset: 1,
    payload,
    metadata: {},
  });

  it("are told apart by type and payload both", () => {
    expect(isText(message("text", { content: "hi" }))).toBe(true);
    expect(isText(message("text", {}))).toBe(false);
    expect(isImage(message("image", { url: "http://a/b", width: 1, height: 2 }))).toBe(true);
    expect(isImage(message("image", { url: "http://a/b", width: 0, height: 2 }))).toBe(false);
    expect(isFile(message("file", { url: "http://a/b", size: 1, mimeType: "a/b" }))).toBe(true);
    expect(isFile(message("file", { url: "http://a/b", size: "1", mimeType: "a/b" }))).toBe(false);
  });
});

describe("identifiers and base64", () => {
  it("makes version 4 UUIDs", () => {
    expect(newMessageId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(newMessageId()).not.toBe(newMessageId());
  });

  it("carries any bytes", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256);
    expect(fromBase64(toBase64(bytes))).toEqual(bytes);
    expect(fromBase64("*")).toBeUndefined();
  });
});
