import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../src/messages.js";
import { ROOM, connected, joined, settle, stage, text } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("deliveries", () => {
  it("drops what it has seen, by log", async () => {
    const built = await connected();
    await joined(built, 3);
    const seen: (number | undefined)[] = [];
    built.client.on("message", ({ offset }) => seen.push(offset));
    for (const offset of [3, 4, 4, 7, 5]) built.socket().say(text(offset));
    built.socket().say(text(2, "another log", "topic:news.sport"));
    expect(seen).toEqual([4, 7, 2]);
  });

  it("starts anew in a log that was lost, and says so", async () => {
    const built = await connected();
    await joined(built, 30);
    const unrecovered: unknown[] = [];
    const seen: (number | undefined)[] = [];
    built.client.on("unrecovered", (event) => unrecovered.push(event));
    built.client.on("message", ({ offset }) => seen.push(offset));
    built.socket().end(1012);
    await vi.advanceTimersByTimeAsync(1_000);
    await built.welcome();
    built.socket().ack({ payload: { epoch: "e2", offset: 0, recovered: false, count: 1, members: [] } });
    await settle();
    built.socket().say(text(1));
    expect(unrecovered).toEqual([{ channel: ROOM, epoch: "e2", offset: 0, before: { epoch: "e1", offset: 30 } }]);
    expect(seen).toEqual([1]);
  });

  it("says so when another topic of the log took the session further", async () => {
    const { client, socket, welcome } = await connected();
    const unrecovered: string[] = [];
    client.on("unrecovered", ({ channel }) => unrecovered.push(channel));
    for (const topic of ["topic:a.x", "topic:a.y"]) {
      const subscribing = client.subscribe(topic);
      socket().ack({ payload: { epoch: "e1", offset: 10, recovered: true } });
      await subscribing;
    }
    socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await welcome();
    const [, , x, y] = socket().sent;
    socket().say({ type: "ack", messageId: x?.messageId ?? "", payload: { epoch: "e1", offset: 10, recovered: true } });
    socket().say({ type: "ack", messageId: y?.messageId ?? "", payload: { epoch: "e1", offset: 20, recovered: true } });
    await settle();
    expect(unrecovered).toEqual(["topic:a.y"]);
  });

  it("tells what a new session may have missed of its inbox, and takes the log as it is now", async () => {
    const { client, socket, welcome } = stage();
    void client.connect();
    await welcome({ positions: { "user:ada": { epoch: "u1", offset: 5 } } });
    const unrecovered: unknown[] = [];
    const seen: (number | undefined)[] = [];
    client.on("unrecovered", ({ channel }) => unrecovered.push(channel));
    client.on("message", ({ offset }) => seen.push(offset));
    socket().end(1012);
    await vi.advanceTimersByTimeAsync(1_000);
    await welcome({ positions: { "user:ada": { epoch: "u2", offset: 0 } } });
    socket().say(text(1, "new", "user:ada"));
    expect(unrecovered).toEqual(["user:ada"]);
    expect(seen).toEqual([1]);
  });

  it("goes on after a gap", async () => {
    const built = await connected();
    await joined(built, 3);
    const gaps: unknown[] = [];
    const seen: (number | undefined)[] = [];
    built.client.on("gap", (gap) => gaps.push(gap));
    built.client.on("message", ({ offset }) => seen.push(offset));
    const payload = { epoch: "e1", from: 4, to: 9, reason: "retention" };
    built.socket().say({ type: "gap", channel: ROOM, payload });
    built.socket().say(text(9));
    built.socket().say(text(10));
    expect(gaps).toEqual([{ log: ROOM, ...payload }]);
    expect(seen).toEqual([10]);
  });

  it("calls back with what a channel or pattern covers", async () => {
    const { client, socket } = await connected();
    const seen: string[] = [];
    const listening = client.listen("topic:a.*", ({ channel }: Message) => seen.push(channel));
    socket().ack();
    const listener = await listening;
    socket().say(text(1, "", "topic:a.b"));
    socket().say(text(2, "", "topic:a.b.c"));
    await settle();
    const stopping = listener.stop();
    socket().say(text(3, "", "topic:a.b"));
    socket().ack();
    await stopping;
    expect(seen).toEqual(["topic:a.b"]);
  });

  it("passes on ephemeral messages, presence and notices", async () => {
    const { client, socket } = await connected();
    const events: unknown[] = [];
    client.on("message", ({ type, offset }) => events.push([type, offset]));
    client.on("presence", (presence) => events.push(presence));
    client.on("system", ({ content, level, channel }) => events.push([content, level, channel]));
    const typing = { messageId: "1", timestamp: 1, sender: "bob", channel: ROOM, payload: { typing: true } };
    socket().say({ type: "typing", ...typing });
    socket().say({ type: "typing", ...typing });
    socket().say({ type: "presence", channel: ROOM, payload: { event: "join", user: "bob", count: 2 } });
    socket().say({ type: "presence", channel: ROOM, payload: { count: 1, members: ["bob"] } });
    socket().say({ type: "system", channel: ROOM, payload: { content: "hello", level: "warning" } });
    expect(events).toEqual([
      ["typing", undefined],
      ["typing", undefined],
      { event: "join", channel: ROOM, user: "bob", count: 2 },
      { event: "members", channel: ROOM, members: ["bob"], count: 1 },
      ["hello", "warning", ROOM],
    ]);
  });

  it("passes on what it makes nothing of, and sends the like", async () => {
    const { client, socket } = await connected();
    const others: unknown[] = [];
    client.on("other", (envelope) => others.push(envelope));
    const joining = { type: "join", documentId: "notes", channel: "doc:notes" };
    expect(client.send(joining)).toBe(true);
    expect(socket().last("join")).toEqual(joining);
    const answer = { type: "joined", channel: "doc:notes", clientId: "a1", payload: {} };
    socket().say(answer);
    expect(others).toEqual([answer]);
    socket().end(1006);
    expect(client.send(joining)).toBe(false);
  });

  it("answers pings, and reports what it cannot read", async () => {
    const { client, socket } = await connected();
    const errors: string[] = [];
    client.on("error", ({ code }) => errors.push(code));
    socket().say({ type: "ping", messageId: "p" });
    expect(socket().last("pong").messageId).toBe("p");
    socket().sayRaw("{");
    socket().sayRaw(new ArrayBuffer(1));
    socket().sayRaw('{"type":"text","offset":1.5}');
    socket().say({ type: "error", code: "internal", reason: "" });
    expect(errors).toEqual(["invalid_json", "invalid_json", "invalid_message", "internal"]);
  });
});
