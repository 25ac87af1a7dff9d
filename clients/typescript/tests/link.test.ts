import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NotConnected } from "../src/errors.js";
import { caught, connected, settle, stage } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("connecting", () => {
  it("says hello with its version and resolves on welcome", async () => {
    const { client, socket, welcome } = stage({ profile: { colour: "red" } });
    const connecting = client.connect();
    await welcome({ user: "ada2" });
    await connecting;
    expect(socket().subprotocols).toEqual(["hubbub.json"]);
    expect(socket().last("hello")).toMatchObject({
      version: "1.2",
      payload: { user: "ada", profile: { colour: "red" } },
    });
    expect(client.user).toBe("ada2");
    expect(client.version).toBe("1.2");
  });

  it("sends a token instead of a user, and asks for it anew after 4401", async () => {
    const tokens = ["old", "new"];
    const { client, socket, sockets, welcome } = stage({ token: () => tokens.shift() ?? "" });
    void client.connect();
    await welcome();
    expect(socket().last("hello").payload).toEqual({ token: "old" });
    socket().end(4401);
    await vi.advanceTimersByTimeAsync(1_000);
    socket().open();
    await settle();
    expect(sockets).toHaveLength(2);
    expect(socket().last("restore_session").payload).toMatchObject({ token: "new" });
  });

  it("gives up on 4401 where there is no other token", async () => {
    const { client, socket, sockets } = stage({ token: "old" });
    const failure = caught(client.connect());
    socket().open();
    await settle();
    socket().refuse("unauthorized");
    socket().end(4401);
    expect(await failure).toMatchObject({ code: "unauthorized" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
  });

  it("gives up at once when the server speaks no version of its own", async () => {
    const { client, socket } = stage();
    const failure = caught(client.connect());
    socket().open();
    await settle();
    socket().refuse("unsupported_version");
    expect(await failure).toMatchObject({ code: "unsupported_version" });
    expect(socket().closedByClient).toBe(true);
  });

  it("comes back after retry_after_ms and its own delay when the hello was refused", async () => {
    const { client, socket, sockets } = stage();
    void client.connect();
    socket().open();
    await settle();
    socket().refuse("unavailable", { retry_after_ms: 7_000 });
    await vi.advanceTimersByTimeAsync(7_999);
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(sockets).toHaveLength(2);
  });

  it("tries again when no welcome comes in time", async () => {
    const { client, sockets } = stage();
    void client.connect();
    await vi.advanceTimersByTimeAsync(11_000);
    expect(sockets).toHaveLength(2);
  });

  it("stops after the attempts it was given", async () => {
    const { client, socket } = stage({ maximumAttempts: 1 });
    const failure = caught(client.connect());
    socket().end(1006);
    await vi.advanceTimersByTimeAsync(1_000);
    socket().end(1006);
    expect(await failure).toBeInstanceOf(NotConnected);
  });
});

describe("reconnecting", () => {
  it.each([1001, 1006, 1011, 1012, 1013, 4408, 4410])("comes back after %i", async (code) => {
    const { socket, sockets } = await connected();
    socket().end(code);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(sockets).toHaveLength(2);
  });

  it.each([1000, 1002, 1003, 1007, 1008, 1009, 4409])("stays away after %i", async (code) => {
    const { client, socket, sockets } = await connected();
    socket().end(code);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(client.state).toMatchObject({ phase: "closed", error: { closeCode: code } });
  });

  it("waits longer than the server said after 4429", async () => {
    const { socket, sockets } = await connected();
    socket().say({ type: "error", code: "rate_limited", reason: "", payload: { retry_after_ms: 9_000 } });
    socket().end(4429);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(sockets).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(sockets).toHaveLength(2);
  });

  it("doubles the bound while it fails, and starts anew after a welcome", async () => {
    const { client, socket, welcome } = await connected();
    const delays: number[] = [];
    client.on("state", (state) => {
      if (state.phase === "waiting") delays.push(state.delayMs);
    });
    for (const delay of [1_000, 2_000, 4_000]) {
      socket().end(1006);
      await vi.advanceTimersByTimeAsync(delay);
    }
    await welcome();
    socket().end(1006);
    expect(delays).toEqual([1_000, 2_000, 4_000, 1_000]);
  });

  it("tries at once when it is woken, but only while it waits", async () => {
    const { client, socket, sockets } = await connected();
    client.wake();
    expect(sockets).toHaveLength(1);
    socket().end(1006);
    client.wake();
    expect(sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(sockets).toHaveLength(2);
  });

  it("notices a connection that is dead without being closed", async () => {
    const { client, socket } = await connected();
    await vi.advanceTimersByTimeAsync(25_000);
    socket().last("ping");
    await vi.advanceTimersByTimeAsync(8_000);
    expect(client.state.phase).toBe("waiting");
  });

  it("is content with any sign of life", async () => {
    const { client, socket } = await connected();
    await vi.advanceTimersByTimeAsync(25_000);
    socket().say({ type: "pong" });
    await vi.advanceTimersByTimeAsync(24_000);
    expect(client.state.phase).toBe("open");
  });
});
