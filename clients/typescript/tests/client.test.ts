import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HubbubError, NotConnected, OutcomeUnknown } from "../src/errors.js";
import { ROOM, caught, connected, joined, settle, stage, text, types } from "./fakes.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("requests", () => {
  it("publishes as its user and resolves with the ack's offset", async () => {
    const { client, socket } = await connected();
    const publishing = client.publish(ROOM, { type: "text", payload: { content: "hi" }, metadata: { a: "b" } });
    const sent = socket().last("text");
    expect(sent).toMatchObject({ sender: "ada", channel: ROOM, metadata: { a: "b" } });
    socket().say({ ...text(7), sender: "ada", messageId: sent.messageId ?? "" });
    socket().ack({ channel: ROOM, offset: 7, epoch: "e1" });
    expect(await publishing).toEqual({ messageId: sent.messageId, channel: ROOM, offset: 7, epoch: "e1" });
  });

  it("rejects with what the server refused", async () => {
    const { client, socket } = await connected();
    const failure = caught(client.publish(ROOM, { type: "text", payload: {} }));
    socket().refuse("rate_limited", { number: 130, field: "payload.content", retry_after_ms: 250 });
    const error = await failure;
    expect(error).toBeInstanceOf(HubbubError);
    expect(error).toMatchObject({ code: "rate_limited", number: 130, field: "payload.content" });
    expect(error).toMatchObject({ retryAfterMs: 250, retryable: true });
  });

  it("tells what a join found", async () => {
    const { client, socket } = await connected();
    const joining = client.join(ROOM);
    const found = { epoch: "e1", offset: 3, recovered: true, count: 101, members: ["ada", "bob"] };
    socket().ack({ payload: { ...found, moderator: true } });
    expect(await joining).toEqual({
      channel: ROOM,
      count: 101,
      members: ["ada", "bob"],
      position: { epoch: "e1", offset: 3 },
      recovered: true,
      moderator: true,
    });
  });

  it("reads history and presence, and moderates", async () => {
    const { client, socket } = await connected();
    const reading = client.history(ROOM, { before: 9, limit: 2 });
    const query = socket().last("history");
    expect(query.payload).toEqual({ before: 9, limit: 2 });
    const answered = { messageId: query.messageId ?? "", payload: { epoch: "e1", complete: false } };
    socket().say({ type: "history", messages: [text(7), text(8)], ...answered });
    const history = await reading;
    expect(history.messages.map(({ offset }) => offset)).toEqual([7, 8]);
    expect(history.complete).toBe(false);

    const asking = client.presence(ROOM);
    const { messageId = "" } = socket().last("presence");
    socket().say({ type: "presence", messageId, payload: { count: 1, members: ["ada"] } });
    expect(await asking).toEqual({ count: 1, members: ["ada"] });

    for (const action of ["mute", "unmute", "kick"] as const) {
      const moderating = client[action](ROOM, "bob");
      expect(socket().last("command").payload).toEqual({ action, target: "bob" });
      socket().ack();
      await moderating;
    }
  });

  it("knows its answers without regard to case", async () => {
    const { client, socket } = await connected();
    const joining = client.join(ROOM);
    socket().ack({ messageId: socket().last("command").messageId?.toUpperCase() ?? "", payload: {} });
    expect((await joining).position).toBeUndefined();
  });

  it("says that the outcome is unknown of what was asked before the connection ended", async () => {
    const { client, socket } = await connected();
    const failure = caught(client.mute(ROOM, "bob"));
    socket().end(1006);
    expect(await failure).toBeInstanceOf(OutcomeUnknown);
    expect(await caught(client.mute(ROOM, "bob"))).toBeInstanceOf(NotConnected);
  });

  it("asks again over the next connection where asking twice changes nothing", async () => {
    const built = await connected();
    const asked = [built.client.history(ROOM), built.client.presence(ROOM), built.client.ping()];
    await built.reconnect();
    await built.restore();
    expect(types(built)).toEqual(["restore_session", "history", "presence", "ping"]);
    for (const { type, messageId = "" } of built.socket().sent.slice(1)) {
      built.socket().say({ type: type === "ping" ? "pong" : type, messageId, payload: {} });
    }
    await Promise.all(asked);
  });

  it("keeps what was published without a connection until the rooms are joined again", async () => {
    const built = await connected();
    await joined(built);
    built.socket().end(1006);
    const publishing = built.client.publish(ROOM, { type: "text", payload: { content: "later" } });
    await vi.advanceTimersByTimeAsync(1_000);
    await built.welcome();
    expect(types(built)).toEqual(["restore_session", "hello", "command"]);
    built.socket().ack({ payload: { epoch: "e1", offset: 0, recovered: true } });
    await settle();
    built.socket().last("text");
    built.socket().ack({ offset: 1, epoch: "e1" });
    expect((await publishing).offset).toBe(1);
  });

  it("says nothing but its greeting before the welcome", async () => {
    const { client, socket } = stage();
    void client.connect();
    socket().open();
    await settle();
    expect(await caught(client.join(ROOM))).toBeInstanceOf(NotConnected);
    expect(socket().sent.map(({ type }) => type)).toEqual(["hello"]);
  });

  it("ends calmly: nothing waits for ever once it is closed", async () => {
    const { client, socket, sockets } = await connected();
    const sent = caught(client.publish(ROOM, { type: "text", payload: {} }));
    client.close();
    expect(await sent).toBeInstanceOf(OutcomeUnknown);
    expect(await caught(client.publish(ROOM, { type: "text", payload: {} }))).toBeInstanceOf(NotConnected);
    expect(socket().closedByClient).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
  });
});
