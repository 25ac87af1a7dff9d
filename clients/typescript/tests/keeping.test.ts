import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SessionStore } from "../src/store.js";
import { sessionInTab } from "../src/tab.js";
import { ROOM, at, caught, joined, settle, stage, types } from "./fakes.js";
import type { Stage } from "./fakes.js";

let kept: string | undefined;

const store: SessionStore = {
  load: () => kept,
  save: (value) => (kept = value),
  clear: () => (kept = undefined),
};

beforeEach(() => {
  vi.useFakeTimers();
  kept = undefined;
});
afterEach(() => void vi.useRealTimers());

/** A page that begins, with what an earlier one has kept. */
async function page(user = "ada"): Promise<Stage> {
  const built = stage({ user, sessionStore: store });
  void built.client.connect().catch(() => undefined);
  built.socket().open();
  await settle();
  return built;
}

/** A page that was in a room as its moderator, and was reloaded. */
async function reloaded(): Promise<Stage> {
  const before = await page();
  await before.welcome({ user: "ada" });
  const joining = before.client.join(ROOM);
  before.socket().ack({ payload: { ...at(3), members: ["ada"], moderator: true } });
  await joining;
  before.socket().end(1001);
  return page();
}

describe("a page that reloads", () => {
  it("is the same session, and leaves it to the server where its logs go on", async () => {
    const built = await reloaded();
    expect(built.socket().last("restore_session")).toMatchObject({
      sessionId: "secret 1",
      connectionId: "connection 1",
      payload: { positions: {} },
    });
    const unrecovered: string[] = [];
    built.client.on("unrecovered", ({ channel }) => unrecovered.push(channel));
    await built.restore({ all: at(1), [ROOM]: at(7) });
    expect(built.client).toMatchObject({ user: "ada", version: "1.2", state: { phase: "open" } });
    expect(unrecovered).toEqual([]);
    await built.reconnect();
    expect(built.socket().last("restore_session")).toMatchObject({
      connectionId: "connection 1",
      payload: { positions: { all: { offset: 1 }, [ROOM]: { offset: 7 } } },
    });
  });

  it("joins a room that its session is in, as what it was there", async () => {
    const built = await reloaded();
    await built.restore({ [ROOM]: at(7) });
    const joining = built.client.join(ROOM);
    const { messageId = "" } = built.socket().last("presence");
    built.socket().say({ type: "presence", messageId, payload: { count: 2, members: ["ada", "bob"] } });
    expect(await joining).toEqual({
      channel: ROOM,
      members: ["ada", "bob"],
      count: 2,
      position: { epoch: "e1", offset: 7 },
      recovered: true,
      moderator: true,
    });
    expect(types(built)).toEqual(["restore_session", "presence"]);
    // Only the first time: whoever joins twice is told so.
    const again = caught(built.client.join(ROOM));
    built.socket().last("command");
    built.socket().refuse("already_joined");
    expect(await again).toMatchObject({ code: "already_joined" });
  });

  it("subscribes to a topic that its session reads without a second subscription", async () => {
    const before = await page();
    await before.welcome();
    const subscribing = before.client.subscribe("topic:news.*");
    before.socket().ack({ payload: at(3) });
    await subscribing;
    before.socket().end(1001);
    const built = await page();
    await built.restore({ "topic:news": at(3) });
    await built.client.subscribe("topic:news.*");
    expect(types(built)).toEqual(["restore_session"]);
  });

  it("joins anew what its session has lost", async () => {
    const built = await reloaded();
    await built.restore({ all: at(1) });
    expect(types(built)).toEqual(["restore_session"]);
    void built.client.join(ROOM);
    built.socket().last("command");
  });

  it("begins anew when its session has expired, and joins what it wants by itself", async () => {
    const built = await reloaded();
    await built.welcome();
    expect(types(built)).toEqual(["restore_session", "hello"]);
    void built.client.join(ROOM);
    built.socket().last("command");
    const next = await page();
    expect(next.socket().last("restore_session").connectionId).toBe("connection 1");
  });

  it("still leaves what it had left without an answer", async () => {
    const before = await page();
    await before.welcome();
    await joined(before);
    before.socket().end(1001);
    await caught(before.client.leave(ROOM));
    const built = await page();
    await built.restore({ [ROOM]: at(0) });
    expect(built.socket().last("command")).toMatchObject({ channel: ROOM, payload: { action: "leave" } });
  });

  it("hears what it was removed from meanwhile", async () => {
    const built = await reloaded();
    const removals: string[] = [];
    built.client.on("removed", ({ channel }) => removals.push(channel));
    built.socket().say({ type: "unsubscribed", channel: ROOM });
    await built.restore();
    expect(removals).toEqual([ROOM]);
  });
});

describe("a kept session", () => {
  it("is nobody else's", async () => {
    await reloaded();
    const built = await page("eve");
    expect(built.socket().last("hello").payload).toEqual({ user: "eve" });
    expect(kept).toBeUndefined();
  });

  it("is over when the client is closed", async () => {
    const built = await reloaded();
    await built.restore();
    built.client.close();
    expect(kept).toBeUndefined();
  });

  it("goes to a duplicate of the tab, which replaces the older connection", async () => {
    const built = await reloaded();
    await built.restore();
    built.socket().end(4409, "a newer connection has the session");
    expect(built.client.state).toMatchObject({ phase: "closed", error: { closeCode: 4409 } });
    expect(kept).toBeUndefined();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(built.sockets).toHaveLength(1);
    expect((await page()).socket().last("hello").payload).toEqual({ user: "ada" });
  });

  it("stays where it is replaced in a store that both share", async () => {
    const older = await reloaded();
    await older.restore();
    const newer = await page();
    newer.socket().say({
      type: "session_restored",
      sessionId: "secret 1",
      connectionId: "connection 9",
      payload: { channels: {} },
    });
    older.socket().end(4409);
    expect(kept).toContain("connection 9");
  });

  it("survives what ends the client for other reasons", async () => {
    const built = await reloaded();
    built.socket().refuse("unauthorized");
    built.socket().end(4401);
    expect(built.client.state.phase).toBe("closed");
    expect(kept).toContain("secret 1");
  });

  it.each(["", "{", "null", "[]", '{"sessionId":""}', '{"sessionId":7}'])("is no %j", async (stored) => {
    kept = stored;
    (await page()).socket().last("hello");
  });

  it("takes of a store only what it can be", async () => {
    const channels = [[ROOM], ["room:a", true], 3];
    kept = JSON.stringify({ sessionId: "s", wanted: "ada", user: 7, channels, left: [1] });
    const built = await page();
    expect(built.socket().last("restore_session").sessionId).toBe("s");
    expect(built.client.user).toBe("ada");
  });

  it("is not missed where the store fails", async () => {
    const fail = (): never => {
      throw new Error("no storage");
    };
    const built = stage({ sessionStore: { load: fail, save: fail, clear: fail } });
    void built.client.connect();
    await built.welcome();
    await joined(built);
    built.client.close();
    expect(built.client.state.phase).toBe("closed");
  });

  it("stays with the browser's tab", () => {
    const items = new Map<string, string>();
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => items.set(key, value),
      removeItem: (key: string) => items.delete(key),
    });
    const tab = sessionInTab();
    expect(tab.load()).toBeUndefined();
    tab.save("secret", "id");
    expect(items.get("hubbub.session")).toBe("secret");
    expect(tab.load()).toBe("secret");
    tab.clear();
    expect(items.size).toBe(0);
    vi.unstubAllGlobals();
  });
});
