import type { Acknowledging } from "./acknowledging.js";
import { restoredFrom } from "./answers.js";
import { positionsIn } from "./deliveries.js";
import type { Envelope } from "./envelope.js";
import { ConnectionClosed } from "./errors.js";
import type { HubbubError } from "./errors.js";
import type { Unrecovered } from "./events.js";
import type { Keeper, Kept } from "./keeper.js";
import type { Memberships } from "./memberships.js";
import type { Position, Positions } from "./positions.js";
import type { Requests } from "./requests.js";
import type { Session } from "./session.js";
import type { Tokens } from "./tokens.js";

/** The close code for a connection whose session has a newer one. */
const REPLACED = 4409;

export interface RecoveryParts {
  readonly session: Session;
  readonly keeper: Keeper;
  readonly positions: Positions;
  readonly acks: Acknowledging;
  readonly tokens: Tokens;
  readonly memberships: Memberships;
  readonly requests: Requests;
}

export interface RecoveryHandlers {
  readonly unrecovered: (unrecovered: Unrecovered) => void;
  /** The session is as it was; what waited for that is on its way. */
  readonly opened: () => void;
}

/**
 * Implements `Conduct`: what happens between a lost connection and the next: nothing is lost in silence, and nothing is told twice.
 *
 * In a session that is restored every log goes on from what was seen of it, and unacknowledged publishes go out
 * again. In a new one after it was lost rooms and topics are entered again from where they were left, and nobody
 * knows what became of publishes under way. Either way, what was published meanwhile waits until that is done.
 */
export class Recovery {
  /** Counts beginnings and ends of connections, so that work for an earlier one knows that it is in vain. */
  #turn = 0;
  #established = false;
  /** Where the logs stood when the last restoration was asked for. */
  #greeted: ReadonlyMap<string, Position> = new Map();

  constructor(
    private readonly parts: RecoveryParts,
    private readonly handlers: RecoveryHandlers,
  ) {}

  /**
   * Before the first connection: takes up the session that was kept, if there is one for this user that nobody else
   * goes on with. Undefined where there is nothing to wait for.
   */
  begin(): Promise<void> | undefined {
    const { keeper } = this.parts;
    const kept = keeper.load();
    if (kept === undefined) return undefined;
    if (keeper.asks) return keeper.isTaken(kept).then((taken) => (taken ? undefined : this.#resume(kept)));
    this.#resume(kept);
    return undefined;
  }

  /** What the application's store should have is no longer what it has. */
  keep(): void {
    const { session, keeper, memberships } = this.parts;
    const known = session.kept();
    if (known !== undefined) keeper.save({ ...known, ...memberships.kept() });
  }

  async greeting(ticket?: string): Promise<Envelope> {
    const token = await this.parts.tokens.fresh();
    this.#greeted = new Map(this.#read());
    return this.parts.session.greeting(token, this.#greeted, ticket);
  }

  expired(): void {
    const { session, keeper, memberships, requests } = this.parts;
    session.expired();
    keeper.drop();
    requests.abandon();
    if (!this.#established) memberships.disinherit(new Set());
  }

  async welcomed(welcome: Envelope): Promise<void> {
    const { session, memberships } = this.parts;
    session.welcomed(welcome);
    memberships.beginAnew();
    this.#startLogs(welcome);
    await this.#settle(new Set());
  }

  async restored(answer: Envelope): Promise<void> {
    const { session, memberships } = this.parts;
    session.restored(answer);
    const found = restoredFrom(answer);
    const logs = new Set(found.keys());
    if (!this.#established) memberships.disinherit(logs);
    for (const [log, { recovered, ...now }] of found) this.#goOn(log, now, recovered);
    memberships.adopt(logs);
    await this.#settle(logs);
  }

  /** The connection ended; there may be another one. */
  suspended(): void {
    this.#turn += 1;
    this.parts.tokens.connected(false);
    this.parts.acks.suspended();
    this.parts.requests.suspend();
  }

  /** The connection is about to be moved: publishes wait. `restored` or `stayed` follows. */
  migrating(): void {
    this.parts.requests.hold();
  }

  /** It was not moved. */
  stayed(): void {
    this.parts.requests.resume();
  }

  /** There will be no other connection. */
  ended(error: HubbubError | undefined): void {
    this.#turn += 1;
    this.parts.tokens.stop();
    this.parts.acks.stop();
    this.parts.requests.end(error?.message ?? "the client was closed");
    // The session is over for this client: its user closed it, or a newer connection has it.
    const replaced = error instanceof ConnectionClosed && error.closeCode === REPLACED;
    if (error === undefined || replaced) this.parts.keeper.drop();
  }

  #resume(kept: Kept): void {
    const { session, keeper, memberships } = this.parts;
    if (session.resume(kept)) memberships.inherit(kept);
    else keeper.drop();
  }

  async #settle(present: ReadonlySet<string>): Promise<void> {
    const turn = ++this.#turn;
    const { memberships, requests, acks, tokens } = this.parts;
    this.#established = true;
    tokens.connected(true);
    this.keep();
    await memberships.restore(present, () => turn === this.#turn);
    if (turn !== this.#turn) return;
    acks.resumed();
    requests.resume();
    memberships.leaveRest();
    this.handlers.opened();
  }

  /**
   * Everything that the session reads, as far as it was seen. Where acks are awaited the server's own positions are
   * the safe ones: those come last, since they may be left out.
   */
  *#read(): Iterable<readonly [string, Position]> {
    const { acks, memberships } = this.parts;
    const logs = [...new Set([...this.#ownLogs(), ...memberships.logs])];
    for (const log of logs.sort((one, other) => Number(acks.has(one)) - Number(acks.has(other)))) {
      const position = this.parts.positions.get(log);
      if (position !== undefined) yield [log, position];
    }
  }

  /** A new session reads its inbox and `all` from the head, whatever the last one had seen of them. */
  #startLogs(welcome: Envelope): void {
    const { positions } = this.parts;
    const given = new Map(positionsIn(welcome.payload));
    for (const log of new Set([...given.keys(), ...this.#ownLogs()])) {
      const now = given.get(log);
      if (now === undefined) positions.forget(log);
      else this.#startLog(log, now);
    }
  }

  #startLog(log: string, now: Position): void {
    const before = this.parts.positions.get(log);
    this.parts.positions.restart(log, now);
    if (before !== undefined && isPast(now, before)) {
      this.handlers.unrecovered({ channel: log, ...now, before });
    }
  }

  #goOn(log: string, now: Position, recovered: boolean): void {
    const { positions, acks } = this.parts;
    const before = positions.get(log);
    if (isBeyond(before, this.#greeted.get(log), now)) {
      // The server that was left behind does not hear of what this one has not sent yet.
      acks.received(log, now.offset, true);
      return;
    }
    // The server may go on from before what was seen here: that comes again, and is dropped.
    if (recovered) positions.learn(log, now);
    else positions.restart(log, now);
    if (!recovered || (before !== undefined && isPast(now, before))) {
      this.handlers.unrecovered({ channel: log, ...now, before });
    }
  }

  #ownLogs(): string[] {
    return ["all", `user:${this.parts.session.user ?? ""}`];
  }
}

/** Whether who goes on from `now` may have missed something after `before`. */
function isPast(now: Position, before: Position): boolean {
  return now.epoch !== before.epoch || now.offset > before.offset;
}

/**
 * Whether an old connection has brought a log further, meanwhile, than the new one begins: nothing is missing then.
 * `greeted` is where it stood when the new one was asked for.
 */
function isBeyond(here: Position | undefined, greeted: Position | undefined, now: Position): boolean {
  if (here?.epoch !== now.epoch || here.offset < now.offset) return false;
  if (greeted?.epoch !== now.epoch) return true;
  // Otherwise the end of the log was lost, and what comes has offsets that others had.
  return here.offset > greeted.offset && greeted.offset <= now.offset;
}
