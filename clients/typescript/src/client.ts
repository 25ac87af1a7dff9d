import { historyFrom, membersFrom, publishAckFrom } from "./answers.js";
import type { History, Joined, Members, PublishAck } from "./answers.js";
import { Deliveries } from "./deliveries.js";
import { Emitter } from "./emitter.js";
import type { Listener } from "./emitter.js";
import type { Envelope } from "./envelope.js";
import { NotConnected, errorFrom } from "./errors.js";
import type { ChannelEvents, ClientEvents, ConnectionState } from "./events.js";
import { Keeper } from "./keeper.js";
import { Link } from "./link.js";
import type { LinkOptions } from "./link.js";
import { Memberships } from "./memberships.js";
import type { Message, Outgoing } from "./messages.js";
import { Pieces } from "./pieces.js";
import type { ContentOptions } from "./pieces.js";
import { Positions } from "./positions.js";
import type { Position } from "./positions.js";
import { commandRequest, controlRequest, publishRequest } from "./queries.js";
import type { HistoryRange } from "./queries.js";
import { Recovery } from "./recovery.js";
import { Requests } from "./requests.js";
import type { RequestLimits } from "./requests.js";
import { Session } from "./session.js";
import type { SessionOptions } from "./session.js";
import type { SessionStore } from "./store.js";
import { Subscription } from "./subscription.js";
import { Transfers } from "./transfers.js";
import type { TransferLimits } from "./transfers.js";

export interface ClientOptions extends LinkOptions, SessionOptions {
  /** Where the session outlives the page, as `sessionInTab()`. Without one a reload is a new session. */
  readonly sessionStore?: SessionStore;
  readonly requests?: RequestLimits;
  readonly transfers?: TransferLimits;
}

/** One session with a hub. Attach listeners, then `connect`; it comes back by itself until `close`. */
export class Client {
  readonly #events = new Emitter<ClientEvents>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #session: Session;
  readonly #requests: Requests;
  readonly #memberships: Memberships;
  readonly #recovery: Recovery;
  readonly #deliveries: Deliveries;
  readonly #transfers: Transfers;
  readonly #link: Link;
  #state: ConnectionState = { phase: "idle" };

  constructor(url: string, options: ClientOptions = {}) {
    const positions = new Positions();
    this.#session = new Session(options);
    this.#requests = new Requests((envelope) => this.#transmit(envelope), options.requests);
    this.#memberships = new Memberships(positions, {
      ask: (request) => this.#ask(request),
      rejoined: (joined) => this.#tell("rejoined", joined, joined.channel),
      added: (channel) => this.#events.emit("subscribed", { channel }),
      removed: (removal) => this.#tell("removed", removal, removal.channel),
      unrecovered: (unrecovered) => this.#tell("unrecovered", unrecovered, unrecovered.channel),
      changed: () => this.#recovery.keep(),
    });
    this.#recovery = new Recovery(
      {
        session: this.#session,
        keeper: new Keeper(options.sessionStore),
        positions,
        memberships: this.#memberships,
        requests: this.#requests,
      },
      {
        unrecovered: (unrecovered) => this.#tell("unrecovered", unrecovered, unrecovered.channel),
        opened: () => this.#enter({ phase: "open" }),
      },
    );
    this.#transfers = new Transfers(
      (content) => this.#tell("content", content, content.channel),
      (error) => this.#events.emit("transferFailed", error),
      options.transfers,
    );
    this.#deliveries = new Deliveries(positions, {
      message: (message) => this.#deliver(message),
      presence: (presence) => this.#tell("presence", presence, presence.channel),
      system: (notice) => this.#tell("system", notice, notice.channel),
      gap: (gap) => this.#tell("gap", gap, gap.log),
      subscribed: (channel) => {
        this.#memberships.added(channel);
        this.#events.emit("subscribed", { channel });
      },
      unsubscribed: (channel) => {
        this.#memberships.removed(channel);
        this.#tell("removed", { channel, error: undefined }, channel);
      },
    });
    this.#link = new Link(
      url,
      {
        greeting: () => this.#recovery.greeting(),
        renewable: this.#session.renewable,
        connecting: (attempt) => this.#enter({ phase: "connecting", attempt }),
        welcomed: (welcome) => void this.#recovery.welcomed(welcome),
        restored: (answer) => void this.#recovery.restored(answer),
        expired: () => this.#recovery.expired(),
        received: (envelope) => this.#receive(envelope),
        waiting: (delayMs, closing) => {
          this.#recovery.suspended();
          this.#enter({ phase: "waiting", delayMs, closing });
        },
        closed: (error) => {
          this.#recovery.ended(error);
          this.#transfers.clear();
          this.#enter({ phase: "closed", error });
        },
        failed: (error) => this.#events.emit("error", error),
      },
      options,
    );
  }

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

  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.#events.on(name, listener);
  }

  /** The events of one channel or topic pattern. It joins nothing; close it when it is done with. */
  subscription(channel: string): Subscription {
    const subscription = new Subscription(channel, (closed) => this.#subscriptions.delete(closed));
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /** Resolves once there is a session, new or kept, after however many attempts; rejects when none will follow. */
  connect(): Promise<void> {
    if (this.#state.phase !== "idle") {
      return Promise.reject(new NotConnected("a client connects once: make another one"));
    }
    return new Promise((resolve, reject) => {
      const stop = this.#events.on("state", (state) => {
        if (state.phase === "open") {
          stop();
          resolve();
        } else if (state.phase === "closed") {
          stop();
          reject(state.error ?? new NotConnected("the client was closed"));
        }
      });
      this.#recovery.begin();
      this.#link.start();
    });
  }

  /** Ends the session, also a kept one. What was sent and not acknowledged is rejected with `OutcomeUnknown`. */
  close(): void {
    if (this.#state.phase !== "closed") this.#link.stop();
  }

  /** Tries again at once where the client waits for its next attempt, as when the machine is online again. */
  wake(): void {
    this.#link.wake();
  }

  /** Resolves once the hub's log has the message. Without a connection it waits for the next one. */
  async publish(channel: string, message: Outgoing): Promise<PublishAck> {
    const request = publishRequest(channel, message);
    return publishAckFrom(request, await this.#ask(request, true));
  }

  /** Publishes content of any size in pieces. The pieces are kept like messages: mind the log's retention. */
  async publishContent(channel: string, bytes: Uint8Array, options: ContentOptions): Promise<PublishAck> {
    const pieces = new Pieces(bytes, options);
    let ack = await this.publish(channel, pieces.at(0));
    for (let index = 1; index < pieces.count; index += 1) ack = await this.publish(channel, pieces.at(index));
    return ack;
  }

  /** Sends an ephemeral message, of which nobody learns whether it arrived. Nothing is sent without a connection. */
  signal(channel: string, message: Outgoing): void {
    if (this.#state.phase === "open") this.#transmit(publishRequest(channel, message));
  }

  /** In a session that was kept the room may be joined already: then this tells what there is to know of it. */
  join(channel: string, options: { readonly position?: Position } = {}): Promise<Joined> {
    return this.#memberships.join(channel, options.position);
  }

  /** Where no answer comes, the room is left as soon as the session is back. */
  leave(channel: string): Promise<void> {
    return this.#memberships.leave(channel);
  }

  /** `channel` is a topic, or a pattern of topics with `*` and `**`. */
  subscribe(channel: string, options: { readonly position?: Position } = {}): Promise<void> {
    return this.#memberships.subscribe(channel, options.position);
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#memberships.leave(channel);
  }

  /** Stored messages, always ascending: the oldest after `after`, otherwise the newest. */
  async history(channel: string, range: HistoryRange = {}): Promise<History> {
    return historyFrom(await this.#ask(controlRequest("history", channel, { ...range })));
  }

  async presence(channel: string): Promise<Members> {
    return membersFrom((await this.#ask(controlRequest("presence", channel))).payload);
  }

  async mute(channel: string, user: string): Promise<void> {
    await this.#ask(commandRequest(channel, "mute", user));
  }

  async unmute(channel: string, user: string): Promise<void> {
    await this.#ask(commandRequest(channel, "unmute", user));
  }

  async kick(channel: string, user: string): Promise<void> {
    await this.#ask(commandRequest(channel, "kick", user));
  }

  /** Prolongs the session with a newer token, which later connections use, too. */
  async refresh(token: string): Promise<void> {
    await this.#ask(controlRequest("refresh", undefined, { token }));
    this.#session.renew(token);
  }

  #receive(envelope: Envelope): void {
    const answers = ["ack", "error", "history", "presence", "pong"].includes(envelope.type);
    if (answers && this.#requests.settle(envelope)) return;
    if (envelope.type === "error") this.#events.emit("error", errorFrom(envelope));
    else if (envelope.type === "ping") this.#pong(envelope);
    else this.#deliveries.take(envelope);
  }

  #pong({ messageId }: Envelope): void {
    this.#link.send(messageId === undefined ? { type: "pong" } : { type: "pong", messageId });
  }

  #deliver(message: Message): void {
    if (message.type === "data") this.#transfers.take(message);
    else this.#tell("message", message, message.channel);
  }

  #tell<Name extends keyof ChannelEvents>(name: Name, event: ChannelEvents[Name], origin?: string): void {
    this.#events.emit(name, event as ClientEvents[Name]);
    if (origin === undefined) return;
    for (const subscription of [...this.#subscriptions]) subscription.offer(name, event, origin);
  }

  #ask(request: Envelope, publish = false): Promise<Envelope> {
    return this.#requests.ask(request, { publish });
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
}
