import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../src/messages.js";
import { ROOM, at, connected, settle, text } from "./fakes.js";
import type { Stage } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Joins the room with acks, at the head. */
async function joinedWithAcks(built: Stage): Promise<void> {
  const joining = built.client.join(ROOM, { ack: true });
  expect(built.socket().last("command").payload).toMatchObject({ action: "join", ack: true });
  built.socket().ack({ payload: { ...at(0), count: 1, members: ["ada"] } });
  await joining;
}

/** The offsets acknowledged over the newest connection. */
function acked(built: Stage): (number | undefined)[] {
  return built.socket().sent.flatMap(({ type, offset }) => (type === "ack" ? [offset] : []));
}

function deliver(built: Stage, from: number, to: number): void {
  for (let offset = from; offset <= to; offset += 1) built.socket().say(text(offset));
}

describe("acknowledgements", () => {
  it("come after 100 ms, once for all that was heard", async () => {
    const built = await connected();
    await joinedWithAcks(built);
    deliver(built, 1, 3);
    await vi.advanceTimersByTimeAsync(99);
    expect(acked(built)).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(built.socket().last("ack")).toEqual({ type: "ack", channel: ROOM, offset: 3, epoch: "e1" });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(acked(built)).toEqual([3]);
  });

  it("come at once after 64 messages", async () => {
    const built = await connected();
    await joinedWithAcks(built);
    deliver(built, 1, 64);
    expect(acked(built)).toEqual([64]);
  });

  it("are not said where nobody asked for them", async () => {
    const built = await connected();
    const joining = built.client.join(ROOM);
    built.socket().ack({ payload: at(0) });
    await joining;
    deliver(built, 1, 70);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(acked(built)).toEqual([]);
  });

  it("are said again where something comes again, and over a new connection", async () => {
    const built = await connected();
    await joinedWithAcks(built);
    deliver(built, 1, 2);
    await vi.advanceTimersByTimeAsync(100);
    deliver(built, 1, 2);
    await vi.advanceTimersByTimeAsync(100);
    expect(acked(built)).toEqual([2, 2]);
    await built.reconnect();
    await built.restore({ [ROOM]: at(0) });
    await vi.advanceTimersByTimeAsync(100);
    expect(acked(built)).toEqual([2]);
  });

  it("wait for who takes messages one by one", async () => {
    const built = await connected();
    const stream = built.client.messages(ROOM, { ack: true });
    const first = stream.next();
    built.socket().ack({ payload: at(0) });
    await settle();
    deliver(built, 1, 3);
    expect((await first).value?.offset).toBe(1);
    await vi.advanceTimersByTimeAsync(100);
    expect(acked(built)).toEqual([]);
    await stream.next();
    await vi.advanceTimersByTimeAsync(100);
    expect(acked(built)).toEqual([1]);
    stream.processed();
    await stream.next();
    await vi.advanceTimersByTimeAsync(100);
    expect(acked(built)).toEqual([1, 2]);
    await stream.return();
    built.client.close();
  });

  it("wait for the promise of a callback", async () => {
    const built = await connected();
    const seen: number[] = [];
    let finish: () => void = () => undefined;
    const work = (message: Message): Promise<void> => {
      seen.push(message.offset ?? 0);
      return new Promise((resolve) => (finish = resolve));
    };
    const listening = built.client.listen(ROOM, work, { ack: true });
    built.socket().ack({ payload: at(0) });
    const listener = await listening;
    deliver(built, 1, 2);
    await vi.advanceTimersByTimeAsync(100);
    expect([seen, acked(built)]).toEqual([[1], []]);
    finish();
    await vi.advanceTimersByTimeAsync(100);
    expect([seen, acked(built)]).toEqual([[1, 2], [1]]);
    await listener.stop();
  });

  it("go on after a reload, since the server still awaits them", async () => {
    let kept: string | undefined;
    const sessionStore = { load: () => kept, save: (value: string) => (kept = value), clear: () => (kept = undefined) };
    const before = await connected({ sessionStore });
    await joinedWithAcks(before);
    before.socket().end(1001);
    const { stage } = await import("./fakes.js");
    const built = stage({ sessionStore });
    void built.client.connect();
    await built.restore({ [ROOM]: at(0) });
    deliver(built, 1, 1);
    await vi.advanceTimersByTimeAsync(100);
    expect(acked(built)).toEqual([1]);
  });
});
