import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Envelope } from "../src/envelope.js";
import type { OutboxStore } from "../src/outgoing.js";
import { ROOM, at, caught, connected, joined, settle, stage, types } from "./fakes.js";
import type { Stage } from "./fakes.js";

let stored: Envelope[];

const store: OutboxStore = {
  load: () => Promise.resolve([...stored]),
  add: (message) => Promise.resolve(void stored.push(message)),
  remove: (id) => Promise.resolve(void (stored = stored.filter(({ messageId }) => messageId !== id))),
};

beforeEach(() => {
  vi.useFakeTimers();
  stored = [];
});
afterEach(() => void vi.useRealTimers());

const say = ({ client }: Stage, content: string) => client.publish(ROOM, { type: "text", payload: { content } });
const contents = (messages: Envelope[]) => messages.flatMap(({ payload }) => payload?.["content"] ?? []);

async function page(): Promise<Stage> {
  const built = stage({ outbox: store });
  void built.client.connect().catch(() => undefined);
  await settle();
  return built;
}

describe("an outbox", () => {
  it("keeps what waits for a connection, and nothing else", async () => {
    const built = await page();
    await built.welcome();
    await joined(built);
    const direct = say(built, "direct");
    await settle();
    expect(stored).toEqual([]);
    built.socket().end(1006);
    const waiting = ["one", "two"].map((content) => say(built, content));
    await settle();
    expect(contents(stored)).toEqual(["one", "two"]);
    await vi.advanceTimersByTimeAsync(1_000);
    await built.restore({ [ROOM]: at(0) });
    for (const { type, messageId = "" } of built.socket().sent) {
      if (type === "text") built.socket().say({ type: "ack", messageId, offset: 1 });
    }
    await Promise.all([direct, ...waiting]);
    await settle();
    expect(stored).toEqual([]);
  });

  it("is published by the next page, in order and before anything newer", async () => {
    const before = await page();
    await before.welcome();
    await joined(before);
    before.socket().end(1006);
    for (const content of ["one", "two"]) void caught(say(before, content));
    await settle();
    const ids = stored.map(({ messageId }) => messageId);
    const built = stage({ outbox: store });
    void caught(say(built, "newer"));
    void built.client.connect();
    await settle();
    await built.welcome();
    expect(contents(built.socket().sent)).toEqual(["one", "two", "newer"]);
    expect(built.socket().sent.slice(1, 3).map(({ messageId }) => messageId)).toEqual(ids);
  });

  it("tells what nobody else can be told", async () => {
    stored = [{ type: "text", messageId: "a", timestamp: 1, channel: ROOM, payload: {} }];
    const built = stage({ outbox: store });
    const lost: string[] = [];
    built.client.on("lost", ({ message, error }) => lost.push(`${message.messageId ?? ""} ${error.code}`));
    void built.client.connect();
    await settle();
    await built.welcome();
    built.socket().refuse("not_joined");
    await settle();
    expect(lost).toEqual(["a not_joined"]);
    expect(stored).toEqual([]);
  });

  it("stays for the next client where it was never sent", async () => {
    const built = await page();
    const unsent = caught(say(built, "unsent"));
    await settle();
    built.client.close();
    expect(await unsent).toMatchObject({ code: "not_connected" });
    await settle();
    expect(contents(stored)).toEqual(["unsent"]);
  });

  it("is done without where it fails", async () => {
    const broken = { ...store, load: () => Promise.reject(new Error("another tab has it")) };
    const built = stage({ outbox: broken });
    const errors: string[] = [];
    built.client.on("error", ({ message }) => errors.push(message));
    void built.client.connect();
    await settle();
    await built.welcome();
    expect(errors).toEqual(["the outbox failed: Error: another tab has it"]);
    void caught(say(built, "goes on"));
    await settle();
    expect(types(built)).toEqual(["hello", "text"]);
  });

  it("has a bound", async () => {
    const built = await connected({ requests: { maximumWaiting: 2 } });
    built.socket().end(1006);
    for (const content of ["one", "two"]) void caught(say(built, content));
    expect(await caught(say(built, "three"))).toMatchObject({ code: "too_many_pending" });
  });
});
