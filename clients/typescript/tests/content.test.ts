import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { toBase64 } from "../src/base64.js";
import { Contents, joined } from "../src/content.js";
import { ROOM, connected, settle, text } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function piece(offset: number, index: number, count = 2) {
  const chunk = toBase64(new Uint8Array([index]));
  const payload = { transferId: "t", index, count, mimeType: "a/b", chunk };
  return { ...text(offset, "", "all"), type: "data", payload };
}

describe("content in pieces", () => {
  it("goes out piece by piece and comes back whole", async () => {
    const { client, socket } = await connected();
    const contents = new Contents(client);
    const seen: Uint8Array[] = [];
    contents.on("content", ({ bytes }) => seen.push(bytes));
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
    const publishing = contents.publish(ROOM, bytes, { mimeType: "application/octet-stream" });
    for (let offset = 1; offset <= 3; offset += 1) {
      const sent = socket().last("data");
      socket().say({ ...sent, sender: "ada", offset });
      socket().ack({ offset });
      await settle();
    }
    expect((await publishing).offset).toBe(3);
    expect(seen).toEqual([bytes]);
  });

  it("is heard of no more once it is closed", async () => {
    const { client, socket } = await connected();
    const contents = new Contents(client);
    const seen: unknown[] = [];
    contents.on("content", (content) => seen.push(content));
    contents.on("failed", ({ message }) => seen.push(message));
    socket().say(piece(1, 0));
    contents.close();
    expect(vi.getTimerCount()).toBe(1); // the heartbeat
    socket().say(piece(2, 1));
    expect(seen).toEqual([]);
  });

  it("is joined in a loop", async () => {
    const built = await connected();
    const messages = joined(built.client.messages("all"));
    const first = messages.next();
    await settle();
    for (const message of [piece(1, 0), text(2, "between", "all"), piece(3, 1)]) built.socket().say(message);
    expect((await first).value).toMatchObject({ payload: { content: "between" } });
    expect((await messages.next()).value).toMatchObject({ offset: 3, payload: { bytes: new Uint8Array([0, 1]) } });
    await messages.return();
  });
});
