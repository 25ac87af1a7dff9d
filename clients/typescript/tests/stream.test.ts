import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MessagesMissed } from "../src/errors.js";
import { ROOM, at, caught, connected, settle, stage, text, types } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a loop over messages", () => {
  it("joins its room, and gets what comes in order", async () => {
    const built = await connected();
    const seen: unknown[] = [];
    const loop = (async () => {
      for await (const message of built.client.messages(ROOM)) {
        seen.push(message.payload["content"]);
        if (seen.length === 3) break;
      }
    })();
    built.socket().ack({ payload: at(0) });
    await settle();
    for (const [offset, content] of ["a", "b", "c", "d"].entries()) built.socket().say(text(offset + 1, content));
    await loop;
    expect(seen).toEqual(["a", "b", "c"]);
    expect(types(built)).toEqual(["hello", "command"]);
  });

  it("begins before there is a connection, and lives on over the next one", async () => {
    const built = stage();
    const stream = built.client.messages("topic:news.*");
    const first = stream.next();
    void built.client.connect();
    await built.welcome();
    expect(built.socket().last("subscribe").channel).toBe("topic:news.*");
    built.socket().ack({ payload: at(4) });
    await settle();
    await built.reconnect();
    await built.restore({ "topic:news": at(4) });
    built.socket().say(text(5, "five", "topic:news.uk"));
    built.socket().say(text(6, "six", "topic:other.uk"));
    expect((await first).value?.payload["content"]).toBe("five");
    const ending = stream.return();
    built.socket().last("unsubscribe");
    built.socket().ack();
    await ending;
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it("throws where messages are gone, and goes on after them", async () => {
    const built = await connected();
    const stream = built.client.messages(ROOM);
    const first = caught(stream.next());
    built.socket().ack({ payload: at(2) });
    await settle();
    built.socket().say({ type: "gap", channel: ROOM, payload: { epoch: "e1", from: 3, to: 9, reason: "retention" } });
    built.socket().say(text(10));
    const missed = await first;
    expect(missed).toBeInstanceOf(MessagesMissed);
    expect(missed).toMatchObject({ log: ROOM, first: 3, last: 9 });
    expect((await stream.next()).value?.offset).toBe(10);
    await built.reconnect();
    await built.restore({ [ROOM]: at(15, false) });
    expect(await caught(stream.next())).toMatchObject({ first: 11, last: 15 });
  });

  it("is told of a gap once, where two connections deliver", async () => {
    const built = await connected();
    const gaps: number[] = [];
    built.client.on("gap", ({ to }) => gaps.push(to));
    const gap = { type: "gap", channel: "all", payload: { epoch: "e1", from: 3, to: 9, reason: "" } };
    built.socket().say(gap);
    built.socket().say(gap);
    expect(gaps).toEqual([9]);
  });

  it("ends with what the server refuses, or with the client", async () => {
    const built = await connected();
    const refused = caught(built.client.messages(ROOM).next());
    built.socket().refuse("room_full");
    expect(await refused).toMatchObject({ code: "room_full" });
    const inbox = caught(built.client.messages("user:ada").next());
    await settle();
    built.client.close();
    expect(await inbox).toMatchObject({ code: "closed" });
    expect(await caught(built.client.messages("all").next())).toMatchObject({ code: "closed" });
  });

  it("bounds its queue, and tells what did not fit", async () => {
    const built = await connected();
    const stream = built.client.messages("all");
    const first = stream.next();
    await settle();
    for (let offset = 1; offset <= 4_100; offset += 1) built.socket().say(text(offset, "x", "group:staff"));
    expect((await first).value?.offset).toBe(1);
    for (let offset = 2; offset <= 4_096; offset += 1) await stream.next();
    expect(await caught(stream.next())).toMatchObject({ first: 4_097, last: 4_100 });
  });
});

describe("callbacks", () => {
  it("are told what is missing, and survive what they throw", async () => {
    const built = await connected();
    const uncaught: unknown[] = [];
    vi.stubGlobal("queueMicrotask", (act: () => void) => {
      try {
        act();
      } catch (error) {
        uncaught.push(error);
      }
    });
    const seen: unknown[] = [];
    const listening = built.client.listen(
      ROOM,
      ({ offset }) => {
        seen.push(offset);
        if (offset === 1) throw new Error("broken");
      },
      { missed: ({ last }) => seen.push(`missed ${last}`) },
    );
    built.socket().ack({ payload: at(0) });
    await listening;
    built.socket().say(text(1));
    built.socket().say({ type: "gap", channel: ROOM, payload: { epoch: "e1", from: 2, to: 4, reason: "" } });
    built.socket().say(text(5));
    await settle();
    expect(seen).toEqual([1, "missed 4", 5]);
    expect(uncaught).toHaveLength(1);
    vi.unstubAllGlobals();
  });
});
