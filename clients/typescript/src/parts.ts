import { Acknowledging } from "./acknowledging.js";
import { logOf } from "./channels.js";
import { Deliveries } from "./deliveries.js";
import { Emitter } from "./emitter.js";
import type { Envelope } from "./envelope.js";
import { ConnectionClosed, MessagesMissed, NotConnected, errorFrom, tokenless } from "./errors.js";
import type { HubbubError } from "./errors.js";
import type { ClientEvents, ConnectionState, Migrated, Unrecovered } from "./events.js";
import { Keeper } from "./keeper.js";
import { Link } from "./link.js";
import type { LinkEvents } from "./link.js";
import { Memberships } from "./memberships.js";
import type { Message } from "./messages.js";
import type { ClientOptions } from "./options.js";
import { Outbox } from "./outgoing.js";
import { Positions } from "./positions.js";
import { controlRequest, isRoom } from "./queries.js";
import type { EntryOptions } from "./queries.js";
import { Recovery } from "./recovery.js";
import type { RecoveryParts } from "./recovery.js";
import { Requests } from "./requests.js";
import { Session } from "./session.js";
import { Streams } from "./stream.js";
import { Tokens } from "./tokens.js";

/** A client put together: makes every part once and tells each what it needs of the others. */
export class Parts implements RecoveryParts, LinkEvents {
  readonly events = new Emitter<ClientEvents>();
  readonly positions = new Positions();
  readonly acks: Acknowledging;
  readonly tokens: Tokens;
  readonly session: Session;
  readonly keeper: Keeper;
  readonly requests: Requests;
  readonly outbox: Outbox;
  readonly memberships: Memberships;
  readonly recovery: Recovery;
  readonly streams: Streams;
  readonly link: Link;
  readonly #deliveries: Deliveries;
  /** Ends following the page. */
  unfollow: (() => void) | undefined;
  state: ConnectionState = { phase: "idle" };

  constructor(url: string, options: ClientOptions) {
    this.session = new Session(options);
    this.acks = new Acknowledging(this.positions, (ack) => void this.link.send(ack));
    this.tokens = new Tokens(
      options.token,
      (token) => this.sendToken(token),
      (error) => this.failed(tokenless(error)),
    );
    this.requests = new Requests((envelope) => this.transmit(envelope), options.requests);
    this.outbox = new Outbox(this.requests, options.outbox, {
      lost: (lost) => this.events.emit("lost", lost),
      failed: (error) => this.failed(error),
    });
    this.streams = new Streams(this.positions, this.acks, {
      enter: ({ channel, position, ack }) => this.#ensure(channel, { position, ack }),
      leave: ({ channel }) => this.memberships.leave(channel),
      opened: () => this.opened(),
    });
    this.memberships = this.#makeMemberships();
    this.keeper = new Keeper(options.sessionStore);
    this.recovery = new Recovery(this, {
      unrecovered: (unrecovered) => this.#unrecovered(unrecovered),
      opened: () => this.entered({ phase: "open" }),
    });
    this.#deliveries = this.#makeDeliveries();
    this.link = new Link(url, this.recovery, this, this.tokens.renewable, options);
  }

  // --- What comes -------------------------------------------------------------------------------------------

  received(envelope: Envelope): void {
    const answers = ["ack", "error", "history", "presence", "pong"].includes(envelope.type);
    if (answers && this.requests.settle(envelope)) return;
    if (envelope.type === "error") this.#refused(errorFrom(envelope));
    else if (envelope.type === "ping") this.#pong(envelope);
    else this.#deliveries.take(envelope);
  }

  failed(error: HubbubError): void {
    this.events.emit("error", error);
  }

  migrated(migrated: Migrated): void {
    if (migrated.moved) this.requests.move();
    this.events.emit("migrated", migrated);
  }

  left(): void {
    this.requests.left();
  }

  #refused(error: HubbubError): void {
    if (error.code === "token_expired") void this.tokens.renew();
    this.failed(error);
  }

  #pong({ messageId }: Envelope): void {
    this.link.send(messageId === undefined ? { type: "pong" } : { type: "pong", messageId });
  }

  #deliver(message: Message): boolean {
    this.events.emit("message", message);
    return this.streams.offer(message);
  }

  #unrecovered(unrecovered: Unrecovered): void {
    const { channel, epoch, offset, before } = unrecovered;
    const log = logOf(channel);
    const known = before?.epoch === epoch;
    const reason = known ? "they are no longer kept" : "the log was begun anew";
    const missed = new MessagesMissed(log, known ? before.offset + 1 : 1, offset, reason);
    this.streams.miss(missed, channel === log ? undefined : channel);
    this.events.emit("unrecovered", unrecovered);
  }

  // --- What goes --------------------------------------------------------------------------------------------

  query(request: Envelope): Promise<Envelope> {
    return this.requests.ask(request, "query");
  }

  sendToken(token: string): Promise<Envelope> {
    return this.requests.ask(controlRequest("refresh", undefined, { token }), "command");
  }

  async #ensure(channel: string, options: EntryOptions): Promise<boolean> {
    if (!isRoom(channel) && !channel.startsWith("topic:")) return false;
    return this.memberships.ensure(channel, options);
  }

  transmit(envelope: Envelope): boolean {
    // Only application messages name their sender; they are the ones with a time.
    const sender = envelope.timestamp === undefined ? undefined : this.session.user;
    return this.link.send(sender === undefined ? envelope : { ...envelope, sender });
  }

  entered(state: ConnectionState): void {
    this.state = state;
    this.events.emit("state", state);
  }

  /** Resolves when the client is `open` next; rejects when it is closed. */
  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (state: ConnectionState): void => {
        if (state.phase !== "open" && state.phase !== "closed") return;
        stop();
        if (state.phase === "open") resolve();
        else reject(state.error ?? new NotConnected("the client was closed"));
      };
      const stop = this.events.on("state", look);
      if (this.state.phase === "closed") look(this.state);
    });
  }

  // --- Made once --------------------------------------------------------------------------------------------

  #makeMemberships(): Memberships {
    return new Memberships(this.positions, this.acks, {
      ask: (request, kind) => this.requests.ask(request, kind),
      rejoined: (joined) => this.events.emit("rejoined", joined),
      added: (channel) => this.events.emit("subscribed", { channel }),
      removed: (removal) => {
        if (removal.error !== undefined) this.streams.refused(removal.channel, removal.error);
        this.events.emit("removed", removal);
      },
      unrecovered: (unrecovered) => this.#unrecovered(unrecovered),
      changed: () => this.recovery.keep(),
    });
  }

  #makeDeliveries(): Deliveries {
    return new Deliveries(this.positions, this.acks, {
      message: (message) => this.#deliver(message),
      presence: (presence) => this.events.emit("presence", presence),
      system: (notice) => this.events.emit("system", notice),
      gap: (gap) => {
        this.streams.miss(new MessagesMissed(gap.log, gap.from, gap.to, gap.reason));
        this.events.emit("gap", gap);
      },
      subscribed: (channel) => {
        this.memberships.added(channel);
        this.events.emit("subscribed", { channel });
      },
      other: (envelope) => this.events.emit("other", envelope),
      unsubscribed: (channel) => {
        this.memberships.removed(channel);
        this.events.emit("removed", { channel, error: undefined });
      },
    });
  }

  ended(error: HubbubError | undefined): void {
    this.unfollow?.();
    this.recovery.ended(error);
    this.streams.finish(error ?? new ConnectionClosed(1000, "closed by this client"));
    this.entered({ phase: "closed", error });
  }
}
