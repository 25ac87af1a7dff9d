import { Acknowledging } from "./acknowledging.js";
import { historyFrom, membersFrom, publishAckFrom } from "./answers.js";
import type { History, Joined, Members, PublishAck } from "./answers.js";
import { logOf } from "./channels.js";
import { Deliveries } from "./deliveries.js";
import { Emitter } from "./emitter.js";
import type { Listener } from "./emitter.js";
import type { Envelope } from "./envelope.js";
import { ConnectionClosed, HubbubError, MessagesMissed, NotConnected, errorFrom, tokenless } from "./errors.js";
import type { ClientEvents, ConnectionState, Unrecovered } from "./events.js";
import { Keeper } from "./keeper.js";
import { Link } from "./link.js";
import type { LinkEvents, LinkOptions } from "./link.js";
import { Memberships } from "./memberships.js";
import type { Message, Outgoing } from "./messages.js";
import { Outbox } from "./outgoing.js";
import type { OutboxStore } from "./outgoing.js";
import { followPage } from "./page.js";
import { Positions } from "./positions.js";
import { commandRequest, controlRequest, isRoom, publishRequest } from "./queries.js";
import type { EntryOptions, HistoryRange } from "./queries.js";
import { Recovery } from "./recovery.js";
import { Requests } from "./requests.js";
import type { RequestKind, RequestLimits } from "./requests.js";
import { Session } from "./session.js";
import type { SessionOptions } from "./session.js";
import type { SessionStore } from "./store.js";
import { CallbackListener, MessageStream, Streams } from "./stream.js";
import type { MessageCallback, StreamOptions } from "./stream.js";
import { Tokens } from "./tokens.js";

export interface ClientOptions extends LinkOptions, SessionOptions {
  /** Where the session outlives the page, as `sessionInTab()`. Without one a reload is a new session. */
  readonly sessionStore?: SessionStore;
  /** Where messages that wait for a connection outlive the page, as `outboxInBrowser()`. Otherwise in memory. */
  readonly outbox?: OutboxStore;
  readonly requests?: RequestLimits;
  /** Whether it follows the life of the page it runs in: online, shown, frozen, in the back/forward cache. */
  readonly followPage?: boolean;
}

/**
 * One session with a hub. Attach listeners and begin loops, then `connect`; it comes back by itself until `close`.
 *
 * Every method rejects with a `HubbubError`: what the server refused, `OutcomeUnknown` where something was sent and
 * nobody can say what became of it, `NotConnected` where it was not sent. Publishes and queries wait for a connection;
 * what joins, leaves and moderates needs one.
 */
export class Client {
  readonly #events = new Emitter<ClientEvents>();
  readonly #positions = new Positions();
  readonly #acks: Acknowledging;
  readonly #tokens: Tokens;
  readonly #session: Session;
  readonly #requests: Requests;
  readonly #outbox: Outbox;
  readonly #memberships: Memberships;
  readonly #recovery: Recovery;
  readonly #deliveries: Deliveries;
  readonly #streams: Streams;
  readonly #link: Link;
  #unfollow: (() => void) | undefined;
  #state: ConnectionState = { phase: "idle" };

  /** `url` is `ws://host:port/ws`. Throws `HubbubError` (`configuration`) where the platform has no WebSocket. */
  constructor(
    url: string,
    private readonly options: ClientOptions = {},
  ) {
    this.#session = new Session(options);
    this.#acks = new Acknowledging(this.#positions, (ack) => void this.#link.send(ack));
    this.#tokens = new Tokens(
      options.token,
      (token) => this.#sendToken(token),
      (error) => this.#events.emit("error", tokenless(error)),
    );
    this.#requests = new Requests((envelope) => this.#transmit(envelope), options.requests);
    this.#outbox = new Outbox(this.#requests, options.outbox, {
      lost: (lost) => this.#events.emit("lost", lost),
      failed: (error) => this.#events.emit("error", error),
    });
    this.#streams = new Streams(this.#positions, this.#acks, {
      enter: ({ channel, position, ack }) => this.#ensure(channel, { position, ack }),
      leave: ({ channel }) => this.unsubscribe(channel),
      opened: () => this.#opened(),
    });
    this.#memberships = this.#makeMemberships();
    this.#recovery = new Recovery(
      {
        session: this.#session,
        keeper: new Keeper(options.sessionStore),
        positions: this.#positions,
        acks: this.#acks,
        tokens: this.#tokens,
        memberships: this.#memberships,
        requests: this.#requests,
      },
      {
        unrecovered: (unrecovered) => this.#unrecovered(unrecovered),
        opened: () => this.#enter({ phase: "open" }),
      },
    );
    this.#deliveries = this.#makeDeliveries();
    this.#link = this.#makeLink(url);
  }

  // --- The connection ---------------------------------------------------------------------------------------

  get state(): ConnectionState {
    return this.#state;
  }

  /** The name the server knows this session by; before the first welcome, the one that was asked for. */
  get user(): string | undefined {
    return this.#session.user;
  }

  /** The version that was agreed on, after the first welcome. */
  get version(): string | undefined {
    return this.#session.version;
  }

  /** The node that the session began at. */
  get node(): string | undefined {
    return this.#session.node;
  }

  /** Where the connection is, or goes: another address than the first after a migration. */
  get url(): string {
    return this.#link.url;
  }

  /** Resolves once there is a session, new or kept, after however many attempts; rejects when none will follow. */
  async connect(): Promise<void> {
    if (this.#state.phase !== "idle") throw new NotConnected("a client connects once: make another one");
    const opened = this.#opened();
    if (this.options.followPage !== false) this.#unfollow = followPage(this);
    const preparing = [this.#outbox.begin(), this.#recovery.begin()].filter((work) => work !== undefined);
    if (preparing.length > 0) await Promise.all(preparing);
    // Somebody may have closed it meanwhile.
    if (this.#state.phase === "idle") this.#link.start();
    await opened;
  }

  /** Ends the session, also a kept one. What was sent and not acknowledged is rejected with `OutcomeUnknown`. */
  close(): void {
    if (this.#state.phase === "closed") return;
    this.#acks.flush();
    this.#link.stop();
  }

  /** Tries again at once where it waits, as when the machine is online again; looks whether an open connection lives. */
  wake(): void {
    this.#link.wake();
  }

  /** Asks the server for a sign of life: where none comes within 3 s the connection is lost. */
  probe(): void {
    this.#link.probe();
  }

  /** Ends the connection, not the session, until `wake`: for when nobody would answer, as in a page that is frozen. */
  sleep(): void {
    this.#link.sleep();
  }

  /** The round trip to the hub and back, in milliseconds. */
  async ping(): Promise<number> {
    const asked = Date.now();
    await this.#query(controlRequest("ping"));
    return Date.now() - asked;
  }

  /** Prolongs the session with a newer token, which later connections use, too. */
  async refresh(token: string): Promise<void> {
    await this.#sendToken(token);
    this.#tokens.replace(token);
  }

  // --- Messages ---------------------------------------------------------------------------------------------

  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.#events.on(name, listener);
  }

  /** The messages of a room (joined if need be), a topic or pattern, one's own inbox, or `all`, one by one. */
  messages(channel: string, options: StreamOptions = {}): MessageStream {
    return new MessageStream(channel, options, this.#streams);
  }

  /**
   * Calls back with the messages of `messages`, one after the other: the next one when the promise of the last is
   * settled, which is also when it counts as processed. `missed` is told of messages that will not come.
   */
  async listen(
    channel: string,
    callback: MessageCallback,
    options: StreamOptions & { readonly missed?: (missed: MessagesMissed) => void } = {},
  ): Promise<CallbackListener> {
    const stream = this.messages(channel, options);
    await stream.begin();
    return new CallbackListener(stream, callback, options.missed);
  }

  /** Resolves once the hub's log has the message. Without a connection it waits for the next one. */
  async publish(channel: string, message: Outgoing): Promise<PublishAck> {
    const request = publishRequest(channel, message);
    return publishAckFrom(request, await this.#outbox.publish(request));
  }

  /** Sends an ephemeral message, of which nobody learns whether it arrived. Nothing is sent without a connection. */
  signal(channel: string, message: Outgoing): void {
    if (this.#state.phase === "open") this.#transmit(publishRequest(channel, message));
  }

  /** Sends any message as it is, as those of documents; false where there is no connection. `other` tells answers. */
  send(envelope: Envelope): boolean {
    return this.#transmit(envelope);
  }

  /** Asks the server, and waits for the answer: for what this class has no method for. It may be asked twice. */
  query(type: string, channel: string, payload: Record<string, unknown> = {}): Promise<Envelope> {
    return this.#query(controlRequest(type, channel, payload));
  }

  // --- Rooms and topics -------------------------------------------------------------------------------------

  /** In a session that was kept the room may be joined already: then this tells what there is to know of it. */
  join(channel: string, options: EntryOptions = {}): Promise<Joined> {
    return this.#memberships.join(channel, options);
  }

  /** Where no answer comes, the room is left as soon as the session is back. */
  leave(channel: string): Promise<void> {
    // The server does not know the acks of a log that it reads no more for this session.
    this.#acks.flush();
    return this.#memberships.leave(channel);
  }

  /** `channel` is a topic, or a pattern of topics with `*` and `**`. */
  subscribe(channel: string, options: EntryOptions = {}): Promise<void> {
    return this.#memberships.subscribe(channel, options);
  }

  unsubscribe(channel: string): Promise<void> {
    return this.leave(channel);
  }

  /** Stored messages, always ascending: the oldest after `after`, otherwise the newest. */
  async history(channel: string, range: HistoryRange = {}): Promise<History> {
    return historyFrom(await this.#query(controlRequest("history", channel, { ...range })));
  }

  /** Who is in a room that one is in. */
  async presence(channel: string): Promise<Members> {
    return membersFrom((await this.#query(controlRequest("presence", channel))).payload);
  }

  async mute(channel: string, user: string): Promise<void> {
    await this.#ask(commandRequest(channel, "mute", user), "command");
  }

  async unmute(channel: string, user: string): Promise<void> {
    await this.#ask(commandRequest(channel, "unmute", user), "command");
  }

  async kick(channel: string, user: string): Promise<void> {
    await this.#ask(commandRequest(channel, "kick", user), "command");
  }

  // --- What comes -------------------------------------------------------------------------------------------

  #receive(envelope: Envelope): void {
    const answers = ["ack", "error", "history", "presence", "pong"].includes(envelope.type);
    if (answers && this.#requests.settle(envelope)) return;
    if (envelope.type === "error") this.#refused(errorFrom(envelope));
    else if (envelope.type === "ping") this.#pong(envelope);
    else this.#deliveries.take(envelope);
  }

  #refused(error: HubbubError): void {
    if (error.code === "token_expired") void this.#tokens.renew();
    this.#events.emit("error", error);
  }

  #pong({ messageId }: Envelope): void {
    this.#link.send(messageId === undefined ? { type: "pong" } : { type: "pong", messageId });
  }

  #deliver(message: Message): boolean {
    this.#events.emit("message", message);
    return this.#streams.offer(message);
  }

  #unrecovered(unrecovered: Unrecovered): void {
    const { channel, epoch, offset, before } = unrecovered;
    const log = logOf(channel);
    const known = before?.epoch === epoch;
    const reason = known ? "they are no longer kept" : "the log was begun anew";
    const missed = new MessagesMissed(log, known ? before.offset + 1 : 1, offset, reason);
    this.#streams.miss(missed, channel === log ? undefined : channel);
    this.#events.emit("unrecovered", unrecovered);
  }

  // --- What goes --------------------------------------------------------------------------------------------

  #ask(request: Envelope, kind: RequestKind): Promise<Envelope> {
    return this.#requests.ask(request, kind);
  }

  #query(request: Envelope): Promise<Envelope> {
    return this.#ask(request, "query");
  }

  #sendToken(token: string): Promise<Envelope> {
    return this.#ask(controlRequest("refresh", undefined, { token }), "command");
  }

  async #ensure(channel: string, options: EntryOptions): Promise<boolean> {
    if (!isRoom(channel) && !channel.startsWith("topic:")) return false;
    return this.#memberships.ensure(channel, options);
  }

  #transmit(envelope: Envelope): boolean {
    // Only application messages name their sender; they are the ones with a time.
    const sender = envelope.timestamp === undefined ? undefined : this.#session.user;
    return this.#link.send(sender === undefined ? envelope : { ...envelope, sender });
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#events.emit("state", state);
  }

  /** Resolves when the client is `open` next; rejects when it is closed. */
  #opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (state: ConnectionState): void => {
        if (state.phase !== "open" && state.phase !== "closed") return;
        stop();
        if (state.phase === "open") resolve();
        else reject(state.error ?? new NotConnected("the client was closed"));
      };
      const stop = this.#events.on("state", look);
      if (this.#state.phase === "closed") look(this.#state);
    });
  }

  // --- Made once --------------------------------------------------------------------------------------------

  #makeMemberships(): Memberships {
    return new Memberships(this.#positions, this.#acks, {
      ask: (request, kind) => this.#ask(request, kind),
      rejoined: (joined) => this.#events.emit("rejoined", joined),
      added: (channel) => this.#events.emit("subscribed", { channel }),
      removed: (removal) => {
        if (removal.error !== undefined) this.#streams.refused(removal.channel, removal.error);
        this.#events.emit("removed", removal);
      },
      unrecovered: (unrecovered) => this.#unrecovered(unrecovered),
      changed: () => this.#recovery.keep(),
    });
  }

  #makeDeliveries(): Deliveries {
    return new Deliveries(this.#positions, this.#acks, {
      message: (message) => this.#deliver(message),
      presence: (presence) => this.#events.emit("presence", presence),
      system: (notice) => this.#events.emit("system", notice),
      gap: (gap) => {
        this.#streams.miss(new MessagesMissed(gap.log, gap.from, gap.to, gap.reason));
        this.#events.emit("gap", gap);
      },
      subscribed: (channel) => {
        this.#memberships.added(channel);
        this.#events.emit("subscribed", { channel });
      },
      other: (envelope) => this.#events.emit("other", envelope),
      unsubscribed: (channel) => {
        this.#memberships.removed(channel);
        this.#events.emit("removed", { channel, error: undefined });
      },
    });
  }

  #makeLink(url: string): Link {
    const events: LinkEvents = {
      state: (state) => this.#enter(state),
      received: (envelope) => this.#receive(envelope),
      closed: (error) => this.#ended(error),
      failed: (error) => this.#events.emit("error", error),
      migrated: (migrated) => {
        if (migrated.moved) this.#requests.move();
        this.#events.emit("migrated", migrated);
      },
      left: () => this.#requests.left(),
    };
    return new Link(url, this.#recovery, events, this.#tokens.renewable, this.options);
  }

  #ended(error: HubbubError | undefined): void {
    this.#unfollow?.();
    this.#recovery.ended(error);
    this.#streams.finish(error ?? new ConnectionClosed(1000, "closed by this client"));
    this.#enter({ phase: "closed", error });
  }
}
