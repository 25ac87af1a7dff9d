import { restoredFrom } from "./answers.js";
import { positionsIn } from "./deliveries.js";
import type { Envelope } from "./envelope.js";
import { ConnectionClosed } from "./errors.js";
import type { HubbubError } from "./errors.js";
import type { Unrecovered } from "./events.js";
import type { Keeper } from "./keeper.js";
import type { Memberships } from "./memberships.js";
import type { Position, Positions } from "./positions.js";
import type { Requests } from "./requests.js";
import type { Session } from "./session.js";

/** The close code for a connection whose session has a newer one. */
const REPLACED = 4409;

export interface RecoveryParts {
  readonly session: Session;
  readonly keeper: Keeper;
  readonly positions: Positions;
  readonly memberships: Memberships;
  readonly requests: Requests;
}

export interface RecoveryHandlers {
  readonly unrecovered: (unrecovered: Unrecovered) => void;
  /** The session is as it was; what waited for that is on its way. */
  readonly opened: () => void;
}

/**
 * What happens between a lost connection and the next: nothing is lost in silence, and nothing is told twice.
 *
 * In a session that is restored every log goes on from what was seen of it, and unacknowledged publishes go out
 * again. In a new one after it was lost rooms and topics are entered again from where they were left, and nobody
 * knows what became of publishes under way. Either way, what was published meanwhile waits until that is done.
 */
export class Recovery {
  /** Counts beginnings and ends of connections, so that work for an earlier one knows that it is in vain. */
  #turn = 0;
  #established = false;

  constructor(
    private readonly parts: RecoveryParts,
    private readonly handlers: RecoveryHandlers,
  ) {}

  /** Before the first connection: takes up the session that was kept, if there is one for this user. */
  begin(): void {
    const { session, keeper, memberships } = this.parts;
    const kept = keeper.load();
    if (kept === undefined) return;
    if (session.resume(kept)) memberships.inherit(kept);
    else keeper.drop();
  }

  /** What the application's store should have is no longer what it has. */
  keep(): void {
    const { session, keeper, memberships } = this.parts;
    const known = session.kept();
    if (known !== undefined) keeper.save({ ...known, ...memberships.kept() });
  }

  greeting(): Promise<Envelope> {
    return this.parts.session.greeting(this.#read());
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
    this.parts.requests.suspend();
  }

  /** There will be no other connection. */
  ended(error: HubbubError | undefined): void {
    this.#turn += 1;
    this.parts.requests.end(error?.message ?? "the client was closed");
    // The session is over for this client: its user closed it, or a newer connection has it.
    const replaced = error instanceof ConnectionClosed && error.closeCode === REPLACED;
    if (error === undefined || replaced) this.parts.keeper.drop();
  }

  async #settle(present: ReadonlySet<string>): Promise<void> {
    const turn = ++this.#turn;
    const { memberships, requests } = this.parts;
    this.#established = true;
    this.keep();
    await memberships.restore(present, () => turn === this.#turn);
    if (turn !== this.#turn) return;
    requests.resume();
    memberships.leaveRest();
    this.handlers.opened();
  }

  /** Everything that the session reads, as far as it was seen. */
  *#read(): Iterable<readonly [string, Position]> {
    for (const log of new Set([...this.#ownLogs(), ...this.parts.memberships.logs])) {
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
    if (before !== undefined && isPast(now, before)) this.handlers.unrecovered({ channel: log, ...now });
  }

  #goOn(log: string, now: Position, recovered: boolean): void {
    const { positions } = this.parts;
    const before = positions.get(log);
    // The server may go on from before what was seen here: that comes again, and is dropped.
    if (recovered) positions.learn(log, now);
    else positions.restart(log, now);
    if (!recovered || (before !== undefined && isPast(now, before))) {
      this.handlers.unrecovered({ channel: log, ...now });
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
