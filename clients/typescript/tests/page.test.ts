import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sessionInTab } from "../src/tab.js";
import { ROOM, at, connected, joined, settle, stage } from "./fakes.js";

let page: EventTarget;
let shown: EventTarget & { visibilityState: string };

beforeEach(() => {
  vi.useFakeTimers();
  page = new EventTarget();
  shown = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("document", shown);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const tell = (target: EventTarget, name: string, more: object = {}) =>
  target.dispatchEvent(Object.assign(new Event(name), more));

describe("the life of a page", () => {
  it("cuts a wait short when the machine is online again, or somebody looks", async () => {
    const built = await connected();
    built.socket().end(1006);
    tell(shown, "visibilitychange");
    expect(built.sockets).toHaveLength(1);
    tell(page, "online");
    expect(built.sockets).toHaveLength(2);
    built.socket().end(1006);
    shown.visibilityState = "visible";
    tell(shown, "visibilitychange");
    expect(built.sockets).toHaveLength(3);
  });

  it("finds out soon that a connection did not survive a sleep", async () => {
    const built = await connected();
    tell(page, "online");
    built.socket().last("ping");
    await vi.advanceTimersByTimeAsync(3_000);
    expect(built.client.state.phase).toBe("waiting");
  });

  it("believes only silence that it is offline", async () => {
    const built = await connected();
    tell(page, "offline");
    const { messageId = "" } = built.socket().last("ping");
    built.socket().say({ type: "pong", messageId });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(built.client.state.phase).toBe("open");
  });

  it("ends its connection when it is put away, and restores the session when it is back", async () => {
    const built = await connected();
    await joined(built);
    tell(page, "pagehide", { persisted: true });
    expect(built.client.state.phase).toBe("asleep");
    expect(built.socket().closedByClient).toBe(true);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(built.sockets).toHaveLength(1);
    const publishing = built.client.publish(ROOM, { type: "text", payload: {} });
    tell(page, "pageshow", { persisted: true });
    await built.restore({ [ROOM]: at(0) });
    built.socket().ack({ offset: 1 });
    expect((await publishing).offset).toBe(1);
  });

  it("sleeps where it is frozen, and takes no notice of a page that only begins or ends", async () => {
    const built = await connected();
    tell(page, "pagehide", { persisted: false });
    tell(page, "pageshow", { persisted: false });
    expect(built.client.state.phase).toBe("open");
    tell(shown, "freeze");
    expect(built.client.state.phase).toBe("asleep");
    tell(shown, "resume");
    expect(built.client.state.phase).toBe("connecting");
    built.client.close();
    tell(shown, "freeze");
    expect(built.client.state.phase).toBe("closed");
  });
});

describe("a duplicated tab", () => {
  /** What two tabs have in common, and what each has for itself. */
  function tab(items: Map<string, string>): void {
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => items.set(key, value),
      removeItem: (key: string) => items.delete(key),
    });
  }

  it("leaves the session to the tab that lives, and begins its own", async () => {
    vi.useRealTimers();
    const key = "hubbub.duplicate";
    const first = new Map<string, string>();
    tab(first);
    const store = sessionInTab(key);
    store.save("kept", "secret");
    const second = new Map(first);
    tab(second);
    const copy = sessionInTab(key);
    expect(await copy.isTaken?.("secret")).toBe(true);
    expect(await copy.isTaken?.("another")).toBe(false);
    tab(first);
    store.clear();
    tab(second);
    expect(await copy.isTaken?.("secret")).toBe(false);
    copy.clear();
  });

  it("says hello where its session is taken, and restores it where it is not", async () => {
    for (const taken of [true, false]) {
      const kept = JSON.stringify({ sessionId: "s", wanted: "ada", channels: [], left: [] });
      const built = stage({
        sessionStore: {
          load: () => kept,
          save: () => undefined,
          clear: () => undefined,
          isTaken: () => Promise.resolve(taken),
        },
      });
      void built.client.connect();
      await settle();
      built.socket().open();
      await settle();
      built.socket().last(taken ? "hello" : "restore_session");
    }
  });
});

describe("a platform without WebSocket", () => {
  it("is told what to pass", async () => {
    vi.stubGlobal("WebSocket", undefined);
    const { Client } = await import("../src/client.js");
    expect(() => new Client("ws://hub.test/ws")).toThrow(/webSocket: .* ws/);
  });
});
