import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ROOM, at, caught, connected, joined, settle, text } from "./fakes.js";
import type { FakeSocket, Stage } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const OTHER = "ws://other.test/ws";

interface Moving extends Stage {
  readonly old: FakeSocket;
  readonly moves: boolean[];
}

/** A client in a room that is asked to move: after 1 s, and within 5 s more. */
async function moving(url = OTHER): Promise<Moving> {
  const built = await connected();
  await joined(built);
  const moves: boolean[] = [];
  built.client.on("migrated", ({ moved }) => moves.push(moved));
  const old = built.socket();
  old.say({ type: "migrate", payload: { url, ticket: "t1", delay_ms: 1_000, deadline_ms: 5_000 } });
  return { ...built, old, moves };
}

/** The new node takes the session. */
async function arrive({ socket }: Stage, channels: Record<string, unknown> = { [ROOM]: at(0) }): Promise<void> {
  const { sessionId = "" } = socket().last("restore_session");
  socket().say({ type: "session_restored", sessionId, connectionId: "c2", payload: { channels } });
  await settle();
}

function contents({ sent }: FakeSocket): unknown[] {
  return sent.flatMap(({ type, payload }) => (type === "text" ? [payload?.["content"]] : []));
}

function say({ client }: Stage, content: string) {
  return client.publish(ROOM, { type: "text", payload: { content } });
}

describe("a migration", () => {
  it("opens the new node after the delay, with the ticket and where it has come", async () => {
    const built = await moving();
    await vi.advanceTimersByTimeAsync(999);
    expect(built.sockets).toHaveLength(1);
    built.old.say(text(3));
    await vi.advanceTimersByTimeAsync(1);
    expect(built.socket().url).toBe(OTHER);
    built.socket().open();
    await settle();
    expect(built.socket().last("restore_session")).toMatchObject({
      sessionId: "secret 1",
      connectionId: "connection 1",
      payload: { ticket: "t1", positions: { [ROOM]: { epoch: "e1", offset: 3 } } },
    });
  });

  it("publishes nothing meanwhile, then what is unacknowledged first and in order", async () => {
    const built = await moving();
    const before = built.old.sent.length;
    const publishing = ["one", "two"].map((content) => say(built, content));
    await vi.advanceTimersByTimeAsync(1_000);
    built.socket().open();
    await settle();
    expect(built.old.sent).toHaveLength(before);
    await arrive(built);
    expect(contents(built.socket())).toEqual(["one", "two"]);
    built.old.end(1000);
    const [, ...texts] = built.socket().sent;
    texts.forEach(({ messageId = "" }, index) => built.socket().say({ type: "ack", messageId, offset: index + 1 }));
    expect((await Promise.all(publishing)).map(({ offset }) => offset)).toEqual([1, 2]);
    expect([built.moves, built.client.url, built.client.state.phase]).toEqual([[true], OTHER, "open"]);
  });

  it("sends again what the old node had not acknowledged, and takes its late ack", async () => {
    const built = await connected();
    await joined(built);
    const acked = say(built, "acked late");
    const open = say(built, "not acked");
    const old = built.socket();
    const [first = "", second = ""] = old.sent.slice(-2).map(({ messageId }) => messageId);
    old.say({ type: "migrate", payload: { url: OTHER, ticket: "t", delay_ms: 0, deadline_ms: 5_000 } });
    old.say({ type: "ack", messageId: first, offset: 1 });
    expect((await acked).offset).toBe(1);
    await vi.advanceTimersByTimeAsync(0);
    built.socket().open();
    await settle();
    await arrive(built);
    expect(built.socket().sent.slice(1).map(({ messageId }) => messageId)).toEqual([second]);
    built.socket().ack({ offset: 2 });
    expect((await open).offset).toBe(2);
  });

  it("misses nothing that the old node delivered before the new one could not any more", async () => {
    const built = await moving();
    const seen: (number | undefined)[] = [];
    const missed: unknown[] = [];
    built.client.on("message", ({ offset }) => seen.push(offset));
    built.client.on("unrecovered", (unrecovered) => missed.push(unrecovered));
    built.old.say(text(1));
    await vi.advanceTimersByTimeAsync(1_000);
    built.socket().open();
    await settle();
    for (const offset of [2, 3, 4]) built.old.say(text(offset));
    await arrive(built, { [ROOM]: { ...at(2), recovered: false } });
    for (const offset of [3, 4, 5]) built.socket().say(text(offset));
    expect([seen, missed]).toEqual([[1, 2, 3, 4, 5], []]);
  });

  it("receives from both, each message once", async () => {
    const built = await moving();
    const seen: (number | undefined)[] = [];
    built.client.on("message", ({ offset }) => seen.push(offset));
    built.old.say(text(1));
    await vi.advanceTimersByTimeAsync(1_000);
    built.socket().open();
    await settle();
    built.old.say(text(2));
    await arrive(built, { [ROOM]: at(1) });
    built.socket().say(text(2));
    built.old.say(text(3));
    built.socket().say(text(3));
    built.socket().say(text(4));
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it("tells the new node of nothing that it has not sent yet", async () => {
    const built = await connected();
    const joining = built.client.join(ROOM, { ack: true });
    built.socket().ack({ payload: { ...at(0), count: 1, members: ["ada"] } });
    await joining;
    const seen: (number | undefined)[] = [];
    built.client.on("message", ({ offset }) => seen.push(offset));
    const old = built.socket();
    old.say(text(1));
    old.say({ type: "migrate", payload: { url: OTHER, ticket: "t", delay_ms: 1_000, deadline_ms: 5_000 } });
    await vi.advanceTimersByTimeAsync(1_000);
    built.socket().open();
    await settle();
    for (const offset of [2, 3]) old.say(text(offset));
    await arrive(built, { [ROOM]: at(1) });
    const acks = () => built.socket().sent.flatMap(({ type, offset }) => (type === "ack" ? [offset] : []));
    await vi.advanceTimersByTimeAsync(200);
    expect(acks()).toEqual([1]);
    for (const offset of [2, 3, 4]) {
      built.socket().say(text(offset));
      await vi.advanceTimersByTimeAsync(200);
      expect(acks().at(-1)).toBe(offset);
    }
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it("arrives also where the old node closes before the new one answers", async () => {
    const built = await moving();
    await vi.advanceTimersByTimeAsync(1_000);
    built.socket().open();
    await settle();
    built.old.end(1000);
    await arrive(built);
    await vi.advanceTimersByTimeAsync(60_000 - 35_000);
    expect(built.client.state.phase).toBe("open");
    expect(built.moves).toEqual([true]);
    expect(built.sockets).toHaveLength(2);
  });

  it("answers queries of the old node's, and knows nothing of commands it did not answer", async () => {
    const built = await moving();
    const history = built.client.history(ROOM);
    const command = caught(built.client.mute(ROOM, "bob"));
    await vi.advanceTimersByTimeAsync(1_000);
    built.socket().open();
    await settle();
    await arrive(built);
    built.old.end(1000);
    expect(await command).toMatchObject({ code: "outcome_unknown" });
    built.socket().last("history");
    built.socket().say({ type: "history", messageId: built.socket().sent.at(-1)?.messageId ?? "", messages: [] });
    expect((await history).messages).toEqual([]);
  });

  it("stays where it is when the new node cannot be had, and publishes there", async () => {
    const built = await moving();
    const publishing = say(built, "patient");
    await vi.advanceTimersByTimeAsync(1_000);
    for (let waited = 0; waited < 5_000; waited += 500) {
      built.socket().end(1006);
      await vi.advanceTimersByTimeAsync(500);
    }
    expect(built.moves).toEqual([false]);
    expect(contents(built.old)).toEqual(["patient"]);
    const messageId = built.old.last("text").messageId ?? "";
    built.old.say({ type: "ack", messageId, offset: 1 });
    expect((await publishing).offset).toBe(1);
    const dialled = built.sockets.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(built.sockets).toHaveLength(dialled);
    expect(built.client.url).toBe("ws://hub.test/ws");
  });

  it("stays when the new node refuses the ticket", async () => {
    const built = await moving();
    await vi.advanceTimersByTimeAsync(1_000);
    built.socket().open();
    await settle();
    built.socket().refuse("session_expired");
    expect(built.moves).toEqual([false]);
    expect(built.client.state.phase).toBe("open");
    expect(built.socket().closedByClient).toBe(true);
  });

  it("comes back where both are lost, from the address that it began with", async () => {
    const built = await moving();
    await vi.advanceTimersByTimeAsync(1_000);
    built.old.end(1006);
    built.socket().end(1006);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(built.moves).toEqual([false]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(built.socket().url).toBe("ws://hub.test/ws");
    await built.restore({ [ROOM]: at(0) });
    expect(built.client.state.phase).toBe("open");
  });

  it("comes back to where it was moved, and to where it began if that is gone", async () => {
    const built = await moving();
    await vi.advanceTimersByTimeAsync(1_000);
    built.socket().open();
    await settle();
    await arrive(built);
    built.socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(built.socket().url).toBe(OTHER);
    built.socket().end(1006);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(built.socket().url).toBe("ws://hub.test/ws");
  });

  it.each(["http://other.test/ws", "javascript:alert(1)"])("is not followed to %s", async (url) => {
    const built = await moving(url);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(built.sockets).toHaveLength(1);
    void caught(say(built, "goes on"));
    expect(contents(built.old)).toEqual(["goes on"]);
  });
});
