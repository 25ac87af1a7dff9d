import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ROOM, connected, joined, settle, text, types } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("memberships", () => {
  it("joins its rooms and topics again from what it saw when the session is lost", async () => {
    const built = await connected();
    const { client, socket, welcome } = built;
    await joined(built, 3);
    const subscribing = client.subscribe("topic:news.*");
    socket().ack({ payload: { subscriptionId: "s", epoch: "t1", offset: 8, recovered: true } });
    await subscribing;
    socket().say(text(4));
    socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await welcome();
    const [, , join, subscribe] = socket().sent;
    expect(join).toMatchObject({
      channel: ROOM,
      sender: "ada",
      payload: { action: "join", position: { epoch: "e1", offset: 4 } },
    });
    expect(subscribe).toMatchObject({
      type: "subscribe",
      channel: "topic:news.*",
      payload: { position: { epoch: "t1", offset: 8 } },
    });
    expect(client.state.phase).toBe("connecting");
    const rejoined: string[] = [];
    client.on("rejoined", ({ channel }) => rejoined.push(channel));
    const answers = { count: 1, members: [], recovered: true };
    socket().say({ type: "ack", messageId: join?.messageId ?? "", payload: { epoch: "e1", offset: 4, ...answers } });
    socket().say({ type: "ack", messageId: subscribe?.messageId ?? "", payload: { epoch: "t1", offset: 8 } });
    await settle();
    expect(client.state.phase).toBe("open");
    expect(rejoined).toEqual([ROOM]);
  });

  it("does not rejoin what was left or taken away", async () => {
    const built = await connected();
    await joined(built);
    const removals: string[] = [];
    built.client.on("removed", ({ channel }) => removals.push(channel));
    built.socket().say({ type: "unsubscribed", channel: ROOM });
    built.socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await built.welcome();
    expect(removals).toEqual([ROOM]);
    expect(types(built)).toEqual(["restore_session", "hello"]);
  });

  it("tells when a room does not take it back", async () => {
    const built = await connected();
    await joined(built);
    const removals: unknown[] = [];
    built.client.on("removed", (removal) => removals.push(removal.error?.code));
    built.socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await built.welcome();
    built.socket().refuse("room_full");
    await settle();
    expect(removals).toEqual(["room_full"]);
    expect(built.client.state.phase).toBe("open");
  });

  it("asks again for a room that is refused for the moment", async () => {
    const built = await connected();
    await joined(built);
    built.socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    await built.welcome();
    built.socket().refuse("rate_limited", { retry_after_ms: 400 });
    await vi.advanceTimersByTimeAsync(400);
    expect(types(built)).toEqual(["restore_session", "hello", "command", "command"]);
  });
});
