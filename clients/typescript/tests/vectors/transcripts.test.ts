/** The client says and tells what the golden transcripts have, in both codecs. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Client } from "../../src/client.js";
import { json } from "../../src/codec.js";
import type { Codec } from "../../src/codec.js";
import type { Envelope } from "../../src/envelope.js";
import { ConnectionClosed, HubbubError } from "../../src/errors.js";
import { protobuf } from "../../src/protobuf.js";
import { FakeSocket } from "../fakes.js";
import { Transcript, names } from "./script.js";
import type { Step } from "./script.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const PATIENCE_MS = 100_000;

interface Told {
  readonly kind: string;
  readonly value: unknown;
}

/** A client, and the transcript that it is to follow. */
class Stage {
  readonly sockets: FakeSocket[] = [];
  readonly told: Told[] = [];
  readonly #heard = new Map<FakeSocket, number>();
  readonly #calls = new Map<string, Promise<unknown>>();
  readonly #client: Client;

  constructor(
    private readonly transcript: Transcript,
    codec: Codec,
  ) {
    this.#client = new Client("ws://hub.test/ws", {
      user: "ann",
      codec,
      webSocket: (url, subprotocols) => {
        expect(subprotocols).toEqual([codec.subprotocol]);
        const socket = new FakeSocket(url, subprotocols, codec);
        this.sockets.push(socket);
        queueMicrotask(() => socket.open());
        return socket;
      },
    });
    for (const kind of ["presence", "system", "removed"] as const) {
      this.#client.on(kind, (value) => this.told.push({ kind, value }));
    }
    this.#client.on("state", (state) => {
      if (state.phase !== "closed" || !(state.error instanceof ConnectionClosed)) return;
      this.told.push({ kind: "closed", value: { code: state.error.closeCode } });
    });
  }

  async play(): Promise<void> {
    for (const step of this.transcript.steps) {
      await this.#take(step);
      await vi.advanceTimersByTimeAsync(0);
    }
    await vi.advanceTimersByTimeAsync(1_000);
    expect(this.told).toEqual([]);
    this.#client.close();
  }

  async #take(step: Step): Promise<void> {
    const { fill, match } = { fill: (value: unknown) => this.transcript.fill(value), match: this.#match };
    if ("client" in step) match(step["client"], await this.#next(step));
    else if ("server" in step) {
      for (const message of [step["server"]].flat()) this.#socket(step).say(fill(message) as Envelope);
    } else if ("lost" in step) this.#socket(step).end(Number(step["lost"]));
    else if ("connects" in step) await this.#connects(step["connects"]);
    else if ("call" in step) this.#call(fill(step) as Step);
    else if ("result" in step) match(step["value"] ?? {}, (await this.#calls.get(String(step["result"]))) ?? {});
    else if ("fails" in step) {
      const error = await this.#calls.get(String(step["fails"]));
      expect(error).toBeInstanceOf(HubbubError);
      match(step["code"], (error as HubbubError).code);
    } else if ("told" in step) await this.#hearsay(step);
  }

  readonly #match = (pattern: unknown, value: unknown): void => this.transcript.match(pattern, value);

  #socket(step: Step): FakeSocket {
    const socket = this.sockets.at(Number(step["on"] ?? -1));
    if (socket === undefined) throw new Error("there is no connection");
    return socket;
  }

  /** What the client says next, but for pings of its own. */
  async #next(step: Step): Promise<Envelope> {
    const pings = (step["client"] as Envelope).type === "ping";
    await until(() => this.sockets.length > 0);
    const socket = this.#socket(step);
    let found: Envelope | undefined;
    await until(() => {
      let at = this.#heard.get(socket) ?? 0;
      while (!pings && socket.sent[at]?.type === "ping") at += 1;
      found = socket.sent[at];
      this.#heard.set(socket, found === undefined ? at : at + 1);
      return found !== undefined;
    }, `${this.transcript.name}: never said: ${JSON.stringify(step)}`);
    return found as Envelope;
  }

  async #connects(where: unknown): Promise<void> {
    const before = this.sockets.length;
    if (this.sockets.at(-1)?.readyState === 3 || typeof where === "string") {
      await until(() => this.sockets.length > before);
    }
    if (typeof where === "string") expect(this.sockets.at(-1)?.url).toBe(where);
  }

  async #hearsay(step: Step): Promise<void> {
    await until(() => this.told.length > 0, `${this.transcript.name}: never told: ${JSON.stringify(step)}`);
    const told = this.told.shift();
    expect(told?.kind).toBe(step["told"]);
    this.#match(step["value"], told?.value);
  }

  #call(step: Step): void {
    const result = this.#work(step).catch((error: unknown) => error);
    this.#calls.set(String(step["as"]), result);
  }

  async #work(step: Step): Promise<unknown> {
    const client = this.#client;
    const channel = String(step["channel"]);
    switch (step["call"]) {
      case "connect":
        return client.connect();
      case "listen": {
        const message = (value: unknown): unknown => this.told.push({ kind: "message", value });
        const missed = (value: unknown): unknown => this.told.push({ kind: "missed", value });
        await client.listen(channel, message, { ack: step["ack"] === true, missed });
        return undefined;
      }
      case "publish": {
        const { type, payload, metadata, id } = step as { type: string; payload: object; metadata?: object; id: string };
        const more = metadata === undefined ? {} : { metadata: metadata as Record<string, unknown> };
        return client.publish(channel, { type, payload, messageId: id, ...more });
      }
      case "history": {
        const { after, before, limit } = step as Record<string, number>;
        const range = Object.entries({ after, before, limit }).filter(([, value]) => value !== undefined);
        return client.history(channel, Object.fromEntries(range));
      }
      case "members":
        return client.presence(channel);
      case "leave":
        return client.leave(channel);
      case "mute":
        return client.mute(channel, String(step["user"]));
      case "refresh":
        return client.refresh(String(step["token"]));
      case "ping":
        await client.ping();
        return undefined;
      default:
        throw new Error(`no call: ${String(step["call"])}`);
    }
  }
}

async function until(condition: () => boolean, problem = "it never came"): Promise<void> {
  for (let waited = 0; waited < PATIENCE_MS; waited += 10) {
    if (condition()) return;
    await vi.advanceTimersByTimeAsync(10);
  }
  throw new Error(problem);
}

describe.each([
  ["json", json],
  ["protobuf", protobuf],
] as const)("transcripts in %s", (_, codec) => {
  it.each(names())("%s", async (name) => {
    await new Stage(new Transcript(name), codec).play();
  });
});
