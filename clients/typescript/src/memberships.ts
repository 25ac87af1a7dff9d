import type { Acknowledging } from "./acknowledging.js";
import { joinedFrom, membersFrom } from "./answers.js";
import type { Joined } from "./answers.js";
import { logOf } from "./channels.js";
import type { Envelope } from "./envelope.js";
import { HubbubError, OutcomeUnknown } from "./errors.js";
import type { Removal, Unrecovered } from "./events.js";
import type { Kept } from "./keeper.js";
import { isPosition } from "./positions.js";
import type { Position, Positions } from "./positions.js";
import { commandRequest, controlRequest, entryRequest, isRoom } from "./queries.js";
import type { EntryOptions } from "./queries.js";
import type { RequestKind } from "./requests.js";

const RETRIES = 3;
const RETRY_MS = 1_000;

export interface MembershipHandlers {
  readonly ask: (request: Envelope, kind: RequestKind) => Promise<Envelope>;
  readonly rejoined: (joined: Joined) => void;
  readonly added: (channel: string) => void;
  readonly removed: (removal: Removal) => void;
  readonly unrecovered: (unrecovered: Unrecovered) => void;
  /** What is to be kept of it is another than before. */
  readonly changed: () => void;
}

interface Membership {
  moderator: boolean;
  /** Whether the server awaits acks of what it delivers for it. */
  ack: boolean;
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
    private readonly acks: Acknowledging,
    private readonly handlers: MembershipHandlers,
  ) {}

  /** The logs that are read because of them. */
  get logs(): Set<string> {
    return new Set([...this.#entries.keys()].map(logOf));
  }

  async join(channel: string, options: EntryOptions = {}): Promise<Joined> {
    const entry = this.#entries.get(channel);
    if (entry?.inherited === true && (options.ack !== true || entry.ack)) return this.#claim(channel, entry);
    const answer = await this.#ask(channel, options);
    this.#enter(channel, answer, options.ack);
    return joinedFrom(channel, answer);
  }

  async subscribe(channel: string, options: EntryOptions = {}): Promise<void> {
    const entry = this.#entries.get(channel);
    if (entry?.inherited === true && (options.ack !== true || entry.ack)) entry.inherited = false;
    else this.#enter(channel, await this.#ask(channel, options), options.ack);
  }

  /** Enters unless the session is in, and with acks if that is wanted; true when it did. */
  async ensure(channel: string, options: EntryOptions): Promise<boolean> {
    const entry = this.#entries.get(channel);
    if (entry !== undefined && (entry.ack || options.ack !== true)) {
      entry.inherited = false;
      return false;
    }
    if (!isRoom(channel)) {
      await this.subscribe(channel, options);
      return true;
    }
    try {
      await this.join(channel, options);
      return true;
    } catch (error) {
      // Somebody else of this client was faster.
      const now = this.#entries.get(channel);
      const settled = now !== undefined && (now.ack || options.ack !== true);
      if (!(error instanceof HubbubError) || error.code !== "already_joined" || !settled) throw error;
      return false;
    }
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
    if (!this.#entries.has(channel)) this.#enter(channel, { type: "subscribed" });
  }

  /** The server put this session out. */
  removed(channel: string): void {
    this.#left.delete(channel);
    this.#forget(channel);
    this.handlers.changed();
  }

  // --- Coming back ------------------------------------------------------------------------------------------

  kept(): Pick<Kept, "channels" | "left"> {
    const channels = [...this.#entries].map(([channel, { moderator, ack }]) => [channel, moderator, ack] as const);
    return { channels, left: [...this.#left] };
  }

  /** Takes over what was kept. Whether the server has it too is not known yet. */
  inherit({ channels, left }: Pick<Kept, "channels" | "left">): void {
    for (const [channel, moderator, ack = false] of channels) {
      this.#entries.set(channel, { moderator, ack, inherited: true });
      if (ack) this.acks.want(logOf(channel));
    }
    for (const channel of left) this.#left.add(channel);
  }

  /** Forgets of what was kept all that is not in these logs: whoever wants it enters it like anyone. */
  disinherit(logs: ReadonlySet<string>): void {
    for (const [channel, { inherited }] of [...this.#entries]) {
      if (inherited && !logs.has(logOf(channel))) this.#forget(channel);
    }
  }

  /** The server's session reads these logs: where this client knew of no room, it is in or has still to leave. */
  adopt(logs: ReadonlySet<string>): void {
    for (const channel of this.#left) if (!logs.has(logOf(channel))) this.#left.delete(channel);
    for (const log of logs) {
      if (!isRoom(log) || this.#entries.has(log) || this.#left.has(log)) continue;
      this.#entries.set(log, { moderator: false, ack: false, inherited: true });
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

  #ask(channel: string, options: EntryOptions): Promise<Envelope> {
    return this.handlers.ask(entryRequest(channel, options), "command");
  }

  async #claim(channel: string, entry: Membership): Promise<Joined> {
    const { payload } = await this.handlers.ask(controlRequest("presence", channel), "query");
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
      await this.handlers.ask(request, "command");
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
  #enter(channel: string, answer: Envelope, ack = false): void {
    // Groups are the server's affair: nobody can ask to be in one.
    if (isRoom(channel) || channel.startsWith("topic:")) {
      this.#entries.set(channel, { moderator: answer.payload?.["moderator"] === true, ack, inherited: false });
      this.#left.delete(channel);
      this.handlers.changed();
    }
    if (isPosition(answer.payload)) this.#take(channel, answer.payload, answer.payload["recovered"], false);
    if (ack) this.acks.want(logOf(channel));
  }

  #forget(channel: string): void {
    this.#entries.delete(channel);
    const log = logOf(channel);
    const others = [...this.#entries].filter(([other]) => logOf(other) === log);
    if (others.length === 0) this.positions.forget(log);
    if (!others.some(([, { ack }]) => ack)) this.acks.forget(log);
  }

  async #restore(channel: string, isCurrent: () => boolean): Promise<void> {
    const position = this.positions.get(logOf(channel));
    for (let attempt = 1; isCurrent(); attempt += 1) {
      const entry = this.#entries.get(channel);
      if (entry === undefined) return;
      try {
        this.#returned(channel, position, await this.#ask(channel, { position, ack: entry.ack }));
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
      this.#take(channel, payload, payload["recovered"], skipped, before);
    }
    if (!isRoom(channel)) return;
    const joined = joinedFrom(channel, answer);
    entry.moderator = joined.moderator;
    this.handlers.changed();
    this.handlers.rejoined(joined);
  }

  #take(
    channel: string,
    { epoch, offset }: Position,
    recovered: unknown,
    skipped: boolean,
    before?: Position,
  ): void {
    const log = logOf(channel);
    if (recovered === false) this.positions.restart(log, { epoch, offset });
    else this.positions.learn(log, { epoch, offset });
    if (recovered === false || skipped) this.handlers.unrecovered({ channel, epoch, offset, before });
  }
}

function elapsed(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
