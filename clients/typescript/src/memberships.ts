import { joinedFrom } from "./answers.js";
import type { Joined } from "./answers.js";
import { logOf } from "./channels.js";
import type { Envelope } from "./envelope.js";
import { HubbubError } from "./errors.js";
import type { Removal, Unrecovered } from "./events.js";
import { isPosition } from "./positions.js";
import type { Position, Positions } from "./positions.js";
import { joinRequest, subscribeRequest } from "./queries.js";

const RETRIES = 3;
const RETRY_MS = 1_000;

export interface MembershipHandlers {
  readonly ask: (request: Envelope) => Promise<Envelope>;
  readonly rejoined: (joined: Joined) => void;
  readonly removed: (removal: Removal) => void;
  readonly unrecovered: (unrecovered: Unrecovered) => void;
}

/** The rooms and topics this session is in, and how a new session gets back into them. */
export class Memberships {
  readonly #channels = new Set<string>();

  constructor(
    private readonly positions: Positions,
    private readonly handlers: MembershipHandlers,
  ) {}

  has(channel: string): boolean {
    return this.#channels.has(channel);
  }

  /** Enters what an ack or the server's own word let this session into. */
  enter(channel: string, answer: Envelope): void {
    // Groups are the server's affair: nobody can ask to be in one.
    if (isRoom(channel) || channel.startsWith("topic:")) this.#channels.add(channel);
    if (isPosition(answer.payload)) this.#take(channel, answer.payload, answer.payload["recovered"], false);
  }

  leave(channel: string): void {
    this.#channels.delete(channel);
    const log = logOf(channel);
    if (![...this.#channels].some((other) => logOf(other) === log)) this.positions.forget(log);
  }

  /**
   * Joins all of it again from where each log was left. All requests go out at once, so that the topics of
   * one log are all there before it is read on. It gives up once `isCurrent` denies.
   */
  async restore(isCurrent: () => boolean): Promise<void> {
    await Promise.all([...this.#channels].map((channel) => this.#restore(channel, isCurrent)));
  }

  async #restore(channel: string, isCurrent: () => boolean): Promise<void> {
    const before = this.positions.get(logOf(channel));
    for (let attempt = 1; isCurrent() && this.#channels.has(channel); attempt += 1) {
      try {
        const request = isRoom(channel) ? joinRequest : subscribeRequest;
        const answer = await this.handlers.ask(request(channel, before));
        this.#resumed(channel, before, answer);
        if (isRoom(channel)) this.handlers.rejoined(joinedFrom(channel, answer));
        return;
      } catch (error) {
        if (!(error instanceof HubbubError)) throw error;
        if (!isCurrent() || error.code === "already_joined") return;
        if (!error.retryable || attempt > RETRIES) {
          this.leave(channel);
          this.handlers.removed({ channel, error });
          return;
        }
        await elapsed(error.retryAfterMs ?? RETRY_MS);
      }
    }
  }

  #resumed(channel: string, before: Position | undefined, answer: Envelope): void {
    const { payload } = answer;
    if (!isPosition(payload) || !this.#channels.has(channel)) return;
    // Another topic of this log may have taken the session past what this one has seen.
    const skipped = payload.epoch === before?.epoch && payload.offset > before.offset;
    this.#take(channel, payload, payload["recovered"], skipped);
  }

  #take(channel: string, { epoch, offset }: Position, recovered: unknown, skipped: boolean): void {
    const log = logOf(channel);
    if (recovered === false) this.positions.restart(log, { epoch, offset });
    else this.positions.learn(log, { epoch, offset });
    if (recovered === false || skipped) this.handlers.unrecovered({ channel, epoch, offset });
  }
}

function isRoom(channel: string): boolean {
  return channel.startsWith("room:");
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
