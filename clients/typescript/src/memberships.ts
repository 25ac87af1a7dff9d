import { joinedFrom, membersFrom } from "./answers.js";
import type { Joined } from "./answers.js";
import { logOf } from "./channels.js";
import type { Envelope } from "./envelope.js";
import { HubbubError, OutcomeUnknown } from "./errors.js";
import type { Removal, Unrecovered } from "./events.js";
import type { Kept } from "./keeper.js";
import { isPosition } from "./positions.js";
import type { Position, Positions } from "./positions.js";
import { commandRequest, controlRequest, joinRequest, subscribeRequest } from "./queries.js";

const RETRIES = 3;
const RETRY_MS = 1_000;

export interface MembershipHandlers {
  readonly ask: (request: Envelope) => Promise<Envelope>;
  readonly rejoined: (joined: Joined) => void;
  readonly added: (channel: string) => void;
  readonly removed: (removal: Removal) => void;
  readonly unrecovered: (unrecovered: Unrecovered) => void;
  /** What is to be kept of it is another than before. */
  readonly changed: () => void;
}

interface Membership {
  moderator: boolean;
  /** The session is in, but no answer told this client so: whoever enters it next is in already. */
  inherited: boolean;
}

/** The rooms and topics this session is in, how it gets in and out, and back into what the server has lost. */
export class Memberships {
  readonly #entries = new Map<string, Membership>();
  /** Left, but the server may not have heard of it. */
  readonly #left = new Set<string>();

  constructor(
    private readonly positions: Positions,
    private readonly handlers: MembershipHandlers,
  ) {}

  /** The logs that are read because of them. */
  get logs(): Set<string> {
    return new Set([...this.#entries.keys()].map(logOf));
  }

  async join(channel: string, position?: Position): Promise<Joined> {
    const entry = this.#entries.get(channel);
    if (entry?.inherited === true) return this.#claim(channel, entry);
    const answer = await this.handlers.ask(joinRequest(channel, position));
    this.#enter(channel, answer);
    return joinedFrom(channel, answer);
  }

  async subscribe(channel: string, position?: Position): Promise<void> {
    const entry = this.#entries.get(channel);
    if (entry?.inherited === true) entry.inherited = false;
    else this.#enter(channel, await this.handlers.ask(subscribeRequest(channel, position)));
  }

  /** Leaves the room or topic. Without an answer it is left as soon as the session is back. */
  async leave(channel: string): Promise<void> {
    this.#forget(channel);
    this.#left.add(channel);
    this.handlers.changed();
    await this.#depart(channel);
  }

  /** The server let this session in by itself. */
  added(channel: string): void {
    this.#enter(channel, { type: "subscribed" });
  }

  /** The server put this session out. */
  removed(channel: string): void {
    this.#left.delete(channel);
    this.#forget(channel);
    this.handlers.changed();
  }

  // --- Coming back ------------------------------------------------------------------------------------------

  kept(): Pick<Kept, "channels" | "left"> {
    const channels = [...this.#entries].map(([channel, { moderator }]) => [channel, moderator] as const);
    return { channels, left: [...this.#left] };
  }

  /** Takes over what was kept. Whether the server has it too is not known yet. */
  inherit({ channels, left }: Pick<Kept, "channels" | "left">): void {
    for (const [channel, moderator] of channels) this.#entries.set(channel, { moderator, inherited: true });
    for (const channel of left) this.#left.add(channel);
  }

  /** Forgets of what was kept all that is not in these logs: whoever wants it enters it like anyone. */
  disinherit(logs: ReadonlySet<string>): void {
    for (const [channel, { inherited }] of [...this.#entries]) {
      if (inherited && !logs.has(logOf(channel))) this.#entries.delete(channel);
    }
  }

  /** The server's session reads these logs: where this client knew of no room, it is in or has still to leave. */
  adopt(logs: ReadonlySet<string>): void {
    for (const channel of this.#left) if (!logs.has(logOf(channel))) this.#left.delete(channel);
    for (const log of logs) {
      if (!isRoom(log) || this.#entries.has(log) || this.#left.has(log)) continue;
      this.#entries.set(log, { moderator: false, inherited: true });
      this.handlers.added(log);
    }
  }

  /** A new session is nowhere, so that there is nothing to leave. */
  beginAnew(): void {
    this.#left.clear();
  }

  /**
   * Enters again, from where each log was left, what is in none of these logs. All requests go out at once, so
   * that the topics of one log are all there before it is read on. It gives up once `isCurrent` denies.
   */
  async restore(present: ReadonlySet<string>, isCurrent: () => boolean): Promise<void> {
    const missing = [...this.#entries.keys()].filter((channel) => !present.has(logOf(channel)));
    await Promise.all(missing.map((channel) => this.#restore(channel, isCurrent)));
  }

  /** Leaves what the server had not heard of. */
  leaveRest(): void {
    for (const channel of this.#left) this.#depart(channel).catch(() => undefined);
  }

  // --- Inside -----------------------------------------------------------------------------------------------

  async #claim(channel: string, entry: Membership): Promise<Joined> {
    const { payload } = await this.handlers.ask(controlRequest("presence", channel));
    entry.inherited = false;
    return {
      channel,
      ...membersFrom(payload),
      position: this.positions.get(logOf(channel)),
      recovered: true,
      moderator: entry.moderator,
    };
  }

  async #depart(channel: string): Promise<void> {
    const request = isRoom(channel) ? commandRequest(channel, "leave") : controlRequest("unsubscribe", channel);
    try {
      await this.handlers.ask(request);
    } catch (error) {
      // A refusal says that it was not in there; what was not heard is said again when the session is back.
      const refused = error instanceof HubbubError && !error.retryable && !(error instanceof OutcomeUnknown);
      if (refused) this.#departed(channel);
      throw error;
    }
    this.#departed(channel);
  }

  #departed(channel: string): void {
    this.#left.delete(channel);
    // A join that was under way may have been answered since.
    this.#forget(channel);
    this.handlers.changed();
  }

  /** Enters what an ack or the server's own word let this session into. */
  #enter(channel: string, answer: Envelope): void {
    // Groups are the server's affair: nobody can ask to be in one.
    if (isRoom(channel) || channel.startsWith("topic:")) {
      this.#entries.set(channel, { moderator: answer.payload?.["moderator"] === true, inherited: false });
      this.#left.delete(channel);
      this.handlers.changed();
    }
    if (isPosition(answer.payload)) this.#take(channel, answer.payload, answer.payload["recovered"], false);
  }

  #forget(channel: string): void {
    this.#entries.delete(channel);
    const log = logOf(channel);
    if (!this.logs.has(log)) this.positions.forget(log);
  }

  async #restore(channel: string, isCurrent: () => boolean): Promise<void> {
    const before = this.positions.get(logOf(channel));
    for (let attempt = 1; isCurrent() && this.#entries.has(channel); attempt += 1) {
      try {
        const request = isRoom(channel) ? joinRequest : subscribeRequest;
        this.#returned(channel, before, await this.handlers.ask(request(channel, before)));
        return;
      } catch (error) {
        if (!(error instanceof HubbubError)) throw error;
        if (!isCurrent() || error.code === "already_joined") return;
        if (!error.retryable || attempt > RETRIES) {
          this.removed(channel);
          this.handlers.removed({ channel, error });
          return;
        }
        await elapsed(error.retryAfterMs ?? RETRY_MS);
      }
    }
  }

  #returned(channel: string, before: Position | undefined, answer: Envelope): void {
    const entry = this.#entries.get(channel);
    if (entry === undefined) return;
    const { payload } = answer;
    if (isPosition(payload)) {
      // Another topic of this log may have taken the session past what this one has seen.
      const skipped = payload.epoch === before?.epoch && payload.offset > before.offset;
      this.#take(channel, payload, payload["recovered"], skipped);
    }
    if (!isRoom(channel)) return;
    const joined = joinedFrom(channel, answer);
    entry.moderator = joined.moderator;
    this.handlers.changed();
    this.handlers.rejoined(joined);
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
