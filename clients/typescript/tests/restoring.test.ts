import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { OutcomeUnknown } from "../src/errors.js";
import { ROOM, at, caught, connected, joined, settle, stage, text, types } from "./fakes.js";
import type { Stage } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function say(built: Stage, content: string) {
  return built.client.publish(ROOM, { type: "text", payload: { content } });
}

function contents({ socket }: Stage): unknown[] {
  return socket()
    .sent.filter(({ type }) => type === "text")
    .map(({ payload }) => payload?.["content"]);
}

async function subscribed({ client, socket }: Stage, topic: string): Promise<void> {
  const subscribing = client.subscribe(topic);
  socket().ack({ payload: { epoch: "t1", offset: 8, recovered: true } });
  await subscribing;
}

describe("a lost connection", () => {
  it("comes back to its session with what it has seen of every log", async () => {
    const built = stage();
    void built.client.connect();
    await built.welcome({ positions: { all: at(1), "user:ada": at(2) } });
    await joined(built, 3);
    await subscribed(built, "topic:news.*");
    built.socket().say(text(5));
    await built.reconnect();
    expect(built.socket().last("restore_session")).toMatchObject({
      version: "1.2",
      sessionId: "secret 1",
      connectionId: "connection 1",
      payload: {
        positions: {
          all: { epoch: "e1", offset: 1 },
          "user:ada": { epoch: "e1", offset: 2 },
          [ROOM]: { epoch: "e1", offset: 5 },
          "topic:news": { epoch: "t1", offset: 8 },
        },
      },
    });
    const events: string[] = [];
    built.client.on("rejoined", () => events.push("rejoined"));
    built.client.on("unrecovered", () => events.push("unrecovered"));
    const news = { epoch: "t1", offset: 8, recovered: true };
    await built.restore({ all: at(1), "user:ada": at(2), [ROOM]: at(5), "topic:news": news });
    expect(built.client.state.phase).toBe("open");
    expect(types(built)).toEqual(["restore_session"]);
    expect(events).toEqual([]);
    await built.reconnect();
    expect(built.socket().last("restore_session").connectionId).toBe("connection 2");
  });

  it("numbers its attempts, so that a late one is known", async () => {
    const built = await connected();
    const attempts: unknown[] = [];
    for (let count = 0; count < 3; count += 1) {
      await built.reconnect();
      attempts.push(built.socket().last("restore_session").payload?.["attempt"]);
      await built.restore({});
    }
    const numbers = attempts.map(Number);
    expect(numbers.every(Number.isSafeInteger)).toBe(true);
    expect(new Set(numbers).size).toBe(3);
    expect([...numbers].sort((a, b) => a - b)).toEqual(numbers);
  });

  it("leaves out the logs of what it has left", async () => {
    const built = await connected();
    await joined(built, 3);
    const leaving = built.client.leave(ROOM);
    built.socket().ack();
    await leaving;
    built.socket().say(text(4));
    await built.reconnect();
    expect(built.socket().last("restore_session").payload?.["positions"]).toEqual({});
  });

  it("gets everything it missed, once", async () => {
    const built = await connected();
    await joined(built, 3);
    const seen: (number | undefined)[] = [];
    built.client.on("message", ({ offset }) => seen.push(offset));
    built.socket().say(text(4));
    await built.reconnect();
    await built.restore({ [ROOM]: at(3) });
    for (const offset of [4, 5, 6]) built.socket().say(text(offset));
    expect(seen).toEqual([4, 5, 6]);
  });

  it("says so where a log is not what it was, and starts anew there", async () => {
    const built = await connected();
    await joined(built, 30);
    const unrecovered: unknown[] = [];
    const seen: (number | undefined)[] = [];
    built.client.on("unrecovered", (event) => unrecovered.push(event));
    built.client.on("message", ({ offset }) => seen.push(offset));
    await built.reconnect();
    await built.restore({ [ROOM]: { epoch: "e2", offset: 0, recovered: false } });
    built.socket().say(text(1));
    expect(unrecovered).toEqual([{ channel: ROOM, epoch: "e2", offset: 0, before: { epoch: "e1", offset: 30 } }]);
    expect(seen).toEqual([1]);
    await built.reconnect();
    const given = built.socket().last("restore_session").payload?.["positions"];
    expect(given).toEqual({ [ROOM]: { epoch: "e2", offset: 1 } });
  });

  it("says so where the server went on past what was seen", async () => {
    const built = await connected();
    await joined(built, 3);
    const unrecovered: unknown[] = [];
    built.client.on("unrecovered", ({ offset }) => unrecovered.push(offset));
    await built.reconnect();
    await built.restore({ [ROOM]: at(9) });
    expect(unrecovered).toEqual([9]);
  });

  it("names no more positions than a message holds", async () => {
    const built = stage();
    void built.client.connect();
    await built.welcome({ limits: { message_bytes: 8_192 } });
    for (let room = 0; room < 40; room += 1) {
      const joining = built.client.join(`room:${room} ${"ü".repeat(120)}`);
      built.socket().ack({ payload: at(1) });
      await joining;
    }
    await built.reconnect();
    const restore = built.socket().last("restore_session");
    expect(new TextEncoder().encode(JSON.stringify(restore)).length).toBeLessThan(8_192);
    expect(Object.keys(restore.payload?.["positions"] as object).length).toBeGreaterThan(10);
  });

  it("knows before it is back what was taken from it meanwhile", async () => {
    const built = await connected();
    await joined(built);
    const removals: string[] = [];
    built.client.on("removed", ({ channel }) => removals.push(channel));
    await built.reconnect();
    built.socket().say({ type: "unsubscribed", channel: ROOM });
    await built.restore();
    expect(removals).toEqual([ROOM]);
    expect(types(built)).toEqual(["restore_session"]);
  });

  it("enters again what the server's session is not in any more", async () => {
    const built = await connected();
    await joined(built, 3);
    await subscribed(built, "topic:news.*");
    const publishing = say(built, "under way");
    await built.reconnect();
    await built.restore({ "topic:news": { epoch: "t1", offset: 8, recovered: true } });
    expect(built.socket().last("command")).toMatchObject({
      channel: ROOM,
      payload: { action: "join", position: { epoch: "e1", offset: 3 } },
    });
    expect(types(built)).toEqual(["restore_session", "command"]);
    built.socket().ack({ payload: at(3) });
    await settle();
    built.socket().last("text");
    built.socket().ack({ channel: ROOM, offset: 4, epoch: "e1" });
    expect((await publishing).offset).toBe(4);
  });

  it("knows of the rooms that it was put into meanwhile", async () => {
    const built = await connected();
    const channels: string[] = [];
    built.client.on("subscribed", ({ channel }) => channels.push(channel));
    await built.reconnect();
    await built.restore({ all: at(0), [ROOM]: at(3) });
    expect(channels).toEqual([ROOM]);
    await built.reconnect();
    expect(built.socket().last("restore_session").payload).toMatchObject({ positions: { [ROOM]: { offset: 3 } } });
  });

  it("is in a room whose join was answered to nobody", async () => {
    const built = await connected();
    const failure = caught(built.client.join(ROOM));
    await built.reconnect();
    expect(await failure).toBeInstanceOf(OutcomeUnknown);
    await built.restore({ [ROOM]: at(3) });
    const joining = built.client.join(ROOM);
    const { messageId = "" } = built.socket().last("presence");
    built.socket().say({ type: "presence", messageId, payload: { count: 1, members: ["ada"] } });
    expect(await joining).toMatchObject({ members: ["ada"], position: { epoch: "e1", offset: 3 } });
  });

  it("leaves what it left without the server hearing of it", async () => {
    const built = await connected();
    await joined(built);
    await subscribed(built, "topic:news.*");
    const unanswered = caught(built.client.unsubscribe("topic:news.*"));
    built.socket().end(1006);
    expect(await unanswered).toBeInstanceOf(OutcomeUnknown);
    await caught(built.client.leave(ROOM));
    await vi.advanceTimersByTimeAsync(1_000);
    await built.restore({ [ROOM]: at(0), "topic:news": { epoch: "t1", offset: 8, recovered: true } });
    const [, unsubscribe, leave] = built.socket().sent;
    expect(unsubscribe).toMatchObject({ type: "unsubscribe", channel: "topic:news.*" });
    expect(leave).toMatchObject({ channel: ROOM, payload: { action: "leave" } });
    built.socket().refuse("not_joined");
    built.socket().say({ type: "ack", messageId: unsubscribe?.messageId ?? "" });
    await settle();
    await built.reconnect();
    await built.restore({ [ROOM]: at(0) });
    expect(types(built)).toEqual(["restore_session"]);
  });
});

describe("publishes under way", () => {
  it("go out again first and in order, under the same ids", async () => {
    const built = await connected();
    await joined(built);
    const first = [say(built, "one"), say(built, "two")];
    const ids = built.socket().sent.slice(-2).map(({ messageId }) => messageId);
    built.socket().end(1006);
    const later = say(built, "three");
    await vi.advanceTimersByTimeAsync(1_000);
    await built.restore({ [ROOM]: at(0) });
    expect(contents(built)).toEqual(["one", "two", "three"]);
    expect(built.socket().sent.slice(1, 3).map(({ messageId }) => messageId)).toEqual(ids);
    const [, ...texts] = built.socket().sent;
    texts.forEach(({ messageId = "" }, index) =>
      built.socket().say({ type: "ack", messageId, channel: ROOM, offset: index + 1, epoch: "e1" }),
    );
    expect((await Promise.all([...first, later])).map(({ offset }) => offset)).toEqual([1, 2, 3]);
  });

  it("have an unknown outcome when the session is lost; those never sent go out", async () => {
    const built = await connected();
    await joined(built);
    const sent = caught(say(built, "sent"));
    built.socket().end(1006);
    const waiting = say(built, "waiting");
    await vi.advanceTimersByTimeAsync(1_000);
    await built.welcome();
    expect(await sent).toBeInstanceOf(OutcomeUnknown);
    built.socket().ack({ payload: at(0) });
    await settle();
    expect(contents(built)).toEqual(["waiting"]);
    built.socket().ack({ channel: ROOM, offset: 1, epoch: "e1" });
    expect((await waiting).offset).toBe(1);
  });

  it("wait while attempts fail", async () => {
    const built = await connected();
    await joined(built);
    const publishing = say(built, "patient");
    for (const delay of [1_000, 2_000, 4_000]) {
      built.socket().end(1006);
      await vi.advanceTimersByTimeAsync(delay);
    }
    await built.restore({ [ROOM]: at(0) });
    built.socket().ack({ channel: ROOM, offset: 1, epoch: "e1" });
    expect((await publishing).offset).toBe(1);
  });
});

describe("a session that is refused", () => {
  it("begins anew on the same connection, and comes back to the new session from then on", async () => {
    const built = await connected();
    await built.reconnect();
    await built.welcome();
    expect(built.sockets).toHaveLength(2);
    expect(types(built)).toEqual(["restore_session", "hello"]);
    expect(built.client.state.phase).toBe("open");
    await built.reconnect();
    expect(built.socket().last("restore_session")).toMatchObject({
      sessionId: "secret 2",
      connectionId: "connection 2",
    });
  });

  it("begins anew, too, where it is another user's by now", async () => {
    const built = await connected();
    await built.reconnect();
    built.socket().refuse("forbidden", { field: "payload.token" });
    await settle();
    built.socket().last("hello");
  });

  it("comes back after retry_after_ms and its own delay, to the same session", async () => {
    const built = await connected();
    await built.reconnect();
    built.socket().refuse("rate_limited", { retry_after_ms: 7_000 });
    await vi.advanceTimersByTimeAsync(8_999);
    expect(built.sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1);
    expect(built.sockets).toHaveLength(3);
    await built.restore();
    expect(built.client.state.phase).toBe("open");
  });

  it("shows its token, and gets another one where that has expired", async () => {
    const tokens = ["one", "two", "three"];
    const built = await connected({ token: () => tokens.shift() ?? "" });
    await built.reconnect();
    expect(built.socket().last("restore_session").payload).toMatchObject({ token: "two" });
    built.socket().refuse("token_expired");
    built.socket().end(4401);
    await vi.advanceTimersByTimeAsync(2_000);
    await built.restore();
    expect(built.socket().last("restore_session").payload).toMatchObject({ token: "three" });
    expect(built.client.state.phase).toBe("open");
  });
});
