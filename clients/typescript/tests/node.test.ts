import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { Client } from "../src/index.js";
import type { ConnectionState } from "../src/index.js";
import { webSocketOf } from "../src/node.js";

let server: Server | undefined;
afterEach(() => void server?.close());

/** What a client of Node says of a server that answers every upgrade so, before it tries again. */
async function refusedWith(status: number, headers: Record<string, string>): Promise<ConnectionState> {
  server = createServer();
  server.on("upgrade", (_request, socket) => {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.end(`HTTP/1.1 ${status} No\r\n${lines.join("")}Content-Length: 0\r\n\r\n`);
  });
  await new Promise<void>((listening) => server?.listen(0, "127.0.0.1", listening));
  return waiting((server.address() as AddressInfo).port);
}

async function waiting(port: number): Promise<ConnectionState> {
  const client = new Client(`ws://127.0.0.1:${port}/ws`, {
    user: "ada",
    webSocket: webSocketOf(WebSocket),
  });
  const state = await new Promise<ConnectionState>((heard) => {
    client.on("state", (entered) => {
      if (entered.phase === "waiting") heard(entered);
    });
    client.connect().catch(() => undefined);
  });
  client.close();
  return state;
}

function delayOf(state: ConnectionState): number {
  return state.phase === "waiting" ? state.delayMs : NaN;
}

describe("an upgrade that is refused, in Node", () => {
  it.each([503, 429])("with %i keeps the client away as long as it says", async (status) => {
    const state = await refusedWith(status, { "Retry-After": "7" });
    expect(state).toMatchObject({ closing: { code: 1013, retryAfterMs: 7_000 } });
    expect(delayOf(state)).toBeGreaterThanOrEqual(7_000);
    expect(delayOf(state)).toBeLessThanOrEqual(8_000);
  });

  it("may name a date", async () => {
    const state = await refusedWith(503, { "Retry-After": new Date(Date.now() + 60_000).toUTCString() });
    expect(delayOf(state)).toBeGreaterThan(50_000);
    expect(delayOf(state)).toBeLessThanOrEqual(61_000);
  });

  it("is not believed beyond five minutes", async () => {
    expect(delayOf(await refusedWith(503, { "Retry-After": "86400" }))).toBeLessThanOrEqual(301_000);
  });

  it.each(["soon", "-7", ""])("and says %j is met as ever", async (text) => {
    const state = await refusedWith(503, { "Retry-After": text });
    expect(state).toMatchObject({ closing: { code: 1006 } });
    expect(delayOf(state)).toBeLessThanOrEqual(1_000);
  });

  it("does not end the process, and neither does a server that is not there", async () => {
    await refusedWith(403, {});
    const { port } = server?.address() as AddressInfo;
    await new Promise<void>((closed) => server?.close(() => closed()));
    expect(delayOf(await waiting(port))).toBeLessThanOrEqual(1_000);
  });
});
