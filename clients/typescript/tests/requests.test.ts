import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Envelope } from "../src/envelope.js";
import { OutcomeUnknown } from "../src/errors.js";
import { Requests } from "../src/requests.js";
import type { RequestLimits } from "../src/requests.js";
import { caught } from "./fakes.js";

let sent: Envelope[];

beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
});
afterEach(() => void vi.useRealTimers());

function requests(limits: RequestLimits = {}): Requests {
  const built = new Requests((envelope) => sent.push(envelope) > 0, limits);
  built.resume();
  return built;
}

it("sends a publish again with the same id, then admits that the outcome is unknown", async () => {
  const failure = caught(requests().ask({ type: "text", messageId: "a" }, "publish"));
  await vi.advanceTimersByTimeAsync(15_000);
  expect(sent.map(({ messageId }) => messageId)).toEqual(["a", "a", "a", "a"]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await failure).toBeInstanceOf(OutcomeUnknown);
});

it("does not repeat what the server would not know again", async () => {
  const failure = caught(requests().ask({ type: "history", messageId: "a" }, "command"));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sent).toHaveLength(1);
  expect(await failure).toBeInstanceOf(OutcomeUnknown);
});

it("refuses more than it may hold, and an id that is under way", async () => {
  const built = requests({ maximumPending: 1 });
  void built.ask({ type: "text", messageId: "a" }, "publish");
  const repeated = caught(built.ask({ type: "text", messageId: "A" }, "publish"));
  const further = caught(built.ask({ type: "text", messageId: "b" }, "publish"));
  expect(await repeated).toMatchObject({ code: "invalid_message", field: "messageId" });
  expect(await further).toMatchObject({ code: "too_many_pending" });
  expect(built.settle({ type: "ack", messageId: "a" })).toBe(true);
  expect(built.settle({ type: "ack", messageId: "a" })).toBe(false);
  expect(built.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

it("lets the clock of publishes stand without a connection, and sends them again first and in order", async () => {
  const built = requests();
  const [a, b] = ["a", "b"].map((messageId) => built.ask({ type: "text", messageId }, "publish"));
  await vi.advanceTimersByTimeAsync(4_999);
  built.suspend();
  const c = built.ask({ type: "text", messageId: "c" }, "publish");
  await vi.advanceTimersByTimeAsync(3_600_000);
  expect(sent.map(({ messageId }) => messageId)).toEqual(["a", "b"]);
  built.resume();
  expect(sent.map(({ messageId }) => messageId)).toEqual(["a", "b", "a", "b", "c"]);
  await vi.advanceTimersByTimeAsync(4_999);
  expect(sent).toHaveLength(5);
  for (const messageId of ["a", "b", "c"]) built.settle({ type: "ack", messageId });
  expect((await Promise.all([a, b, c])).map((answer) => answer?.messageId)).toEqual(["a", "b", "c"]);
});

it("does not count another connection as another attempt", async () => {
  const built = requests();
  void built.ask({ type: "text", messageId: "a" }, "publish");
  for (let time = 0; time < 10; time += 1) {
    built.suspend();
    built.resume();
  }
  await vi.advanceTimersByTimeAsync(15_000);
  expect(built.size).toBe(1);
});

it("gives up what was sent in a session that is lost, and nothing else", async () => {
  const built = requests();
  const known = caught(built.ask({ type: "text", messageId: "a" }, "publish"));
  built.suspend();
  void built.ask({ type: "text", messageId: "b" }, "publish");
  built.abandon();
  expect(await known).toBeInstanceOf(OutcomeUnknown);
  built.resume();
  expect(sent.map(({ messageId }) => messageId)).toEqual(["a", "b"]);
});
