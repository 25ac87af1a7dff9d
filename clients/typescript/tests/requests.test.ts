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
  const failure = caught(requests().ask({ type: "text", messageId: "a" }, { publish: true }));
  await vi.advanceTimersByTimeAsync(15_000);
  expect(sent.map(({ messageId }) => messageId)).toEqual(["a", "a", "a", "a"]);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await failure).toBeInstanceOf(OutcomeUnknown);
});

it("does not repeat what the server would not know again", async () => {
  const failure = caught(requests().ask({ type: "history", messageId: "a" }, { publish: false }));
  await vi.advanceTimersByTimeAsync(20_000);
  expect(sent).toHaveLength(1);
  expect(await failure).toBeInstanceOf(OutcomeUnknown);
});

it("refuses more than it may hold, and an id that is under way", async () => {
  const built = requests({ maximumPending: 1 });
  void built.ask({ type: "text", messageId: "a" }, { publish: true });
  const repeated = caught(built.ask({ type: "text", messageId: "A" }, { publish: true }));
  const further = caught(built.ask({ type: "text", messageId: "b" }, { publish: true }));
  expect(await repeated).toMatchObject({ code: "invalid_message", field: "messageId" });
  expect(await further).toMatchObject({ code: "too_many_pending", number: 131 });
  expect(built.settle({ type: "ack", messageId: "a" })).toBe(true);
  expect(built.settle({ type: "ack", messageId: "a" })).toBe(false);
  expect(built.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
