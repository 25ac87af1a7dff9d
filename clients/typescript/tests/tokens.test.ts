import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { expiryOf } from "../src/tokens.js";
import { connected, settle, types } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A JSON Web Token that ends in so many seconds. */
function token(seconds: number): string {
  const body = btoa(JSON.stringify({ exp: Date.now() / 1_000 + seconds, name: "ñ" }));
  return `e30.${body.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}.signature`;
}

describe("tokens", () => {
  it("are renewed over the connection before they expire", async () => {
    const asked = vi.fn(() => token(20));
    const built = await connected({ token: asked });
    await vi.advanceTimersByTimeAsync(17_500);
    expect(asked).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toHaveBeenCalledTimes(2);
    expect(built.socket().sent.filter(({ type }) => type === "refresh")).toHaveLength(1);
  });

  it("are renewed when the server says so", async () => {
    const built = await connected({ token: () => "opaque" });
    built.socket().say({ type: "error", code: "token_expired", reason: "" });
    await settle();
    expect(built.socket().last("refresh").payload).toEqual({ token: "opaque" });
  });

  it("that are given once are not renewed, but replaced", async () => {
    const built = await connected({ token: token(10) });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(types(built)).toEqual(["hello"]);
    const refreshing = built.client.refresh("newer");
    built.socket().ack();
    await refreshing;
    await built.reconnect();
    expect(built.socket().last("restore_session").payload?.["token"]).toBe("newer");
  });

  it("that cannot be had are an error, no end", async () => {
    let answers = 1;
    const built = await connected({
      token: () => {
        if (answers-- > 0) return "opaque";
        throw new Error("no way");
      },
    });
    const errors: string[] = [];
    built.client.on("error", ({ message }) => errors.push(message));
    built.socket().say({ type: "error", code: "token_expired", reason: "late" });
    await settle();
    expect(errors).toEqual(["late", "no token could be had: Error: no way"]);
    expect(built.client.state.phase).toBe("open");
  });

  it.each(["", "a.b", "a.b.c", `a.${btoa("[]")}.c`, `a.${btoa("{}")}.c`])("that are %j do not expire", (text) => {
    expect(expiryOf(text)).toBeUndefined();
  });
});
