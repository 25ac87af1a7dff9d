import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Sights } from "../src/model/sights";

let told: number[];
let sights: Sights;

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  sights = new Sights((offset) => told.push(offset));
});
afterEach(() => void vi.useRealTimers());

it("tells what was read once in a while, and only forwards", () => {
  for (const offset of [1, 2, 3, 2]) sights.read(offset);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(400);
  sights.read(3);
  vi.advanceTimersByTime(400);
  sights.read(4);
  vi.advanceTimersByTime(400);
  expect(told).toEqual([3, 4]);
});

it("tells it again to whoever is new", () => {
  sights.read(3);
  vi.advanceTimersByTime(400);
  sights.repeat();
  vi.advanceTimersByTime(400);
  expect(told).toEqual([3, 3]);
});

it("knows who has seen a message, but for its sender", () => {
  sights.heard("ann", 5);
  sights.heard("bob", 4);
  sights.heard("bob", 2);
  expect(sights.of(4, "ann")).toEqual(["bob"]);
  expect(sights.of(5, "bob")).toEqual(["ann"]);
  sights.left("ann");
  expect(sights.of(1, "eve")).toEqual(["bob"]);
});

it("forgets with its log", () => {
  sights.heard("bob", 4);
  sights.read(4);
  sights.forget();
  vi.advanceTimersByTime(1_000);
  expect([sights.of(1, "ann"), told]).toEqual([[], []]);
});
