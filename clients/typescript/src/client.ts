import { historyFrom, joinedFrom, membersFrom, publishAckFrom } from "./answers.js";
import type { History, Joined, Members, PublishAck } from "./answers.js";
import { Deliveries, positionsIn } from "./deliveries.js";
import { Emitter } from "./emitter.js";
import type { Listener } from "./emitter.js";
import type { Envelope, Payload } from "./envelope.js";
import { NotConnected, errorFrom } from "./errors.js";
import type { ChannelEvents, ClientEvents, ConnectionState } from "./events.js";
import { newMessageId } from "./identifiers.js";
import { Link } from "./link.js";
import type { LinkOptions } from "./link.js";
import { Memberships } from "./memberships.js";
import type { Message, Outgoing } from "./messages.js";
import { Pieces } from "./pieces.js";
import type { ContentOptions } from "./pieces.js";
import { Positions } from "./positions.js";
import type { Position } from "./positions.js";
import { commandRequest, controlRequest, joinRequest, publishRequest, subscribeRequest } from "./queries.js";
import type { HistoryRange } from "./queries.js";
import { Requests } from "./requests.js";
import type { RequestLimits } from "./requests.js";
import { Subscription } from "./subscription.js";
import { Transfers } from "./transfers.js";
import type { TransferLimits } from "./transfers.js";

/** The highest protocol version this client speaks. */
export const VERSION = "1.2";

export interface ClientOptions extends LinkOptions {
  /** For hubs with anonymous users; others take the user from the token. */
  readonly user?: string;
  /** A function is asked again for every connection, so that an expired token can be replaced. */
  readonly token?: string | (() => string | Promise<string>);
  readonly profile?: Payload;
  readonly requests?: RequestLimits;
  readonly transfers?: TransferLimits;
}

/** One session with a hub. Attach listeners, then `connect`; it comes back by itself until `close`. */
export class Client {
  readonly #options: ClientOptions;
  readonly #events = new Emitter<ClientEvents>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #positions = new Positions();
  readonly #requests: Requests;
  readonly #memberships: Memberships;
  readonly #deliveries: Deliveries;
  readonly #transfers: Transfers;
  readonly #link: Link;
  #state: ConnectionState = { phase: "idle" };
  #user: string | undefined;
  #token: ClientOptions["token"];
  #version: string | undefined;
  #session = 0;

  constructor(url: string, options: ClientOptions = {}) {
    this.#options = options;
    this.#user = options.user;
    this.#token = options.token;
    this.#requests = new Requests((envelope) => this.#transmit(envelope), options.requests);
    this.#memberships = new Memberships(this.#positions, {
      ask: (request) => this.#ask(request),
      rejoined: (joined) => this.#tell("rejoined", joined, joined.channel),
      removed: (removal) => this.#tell("removed", removal, removal.channel),
      unrecovered: (unrecovered) => this.#tell("unrecovered", unrecovered, unrecovered.channel),
    });
    this.#transfers = new Transfers(
      (content) => this.#tell("content", content, content.channel),
      (error) => this.#events.emit("transferFailed", error),
      options.transfers,
    );
    this.#deliveries = new Deliveries(this.#positions, {
      message: (message) => this.#deliver(message),
      presence: (presence) => this.#tell("presence", presence, presence.channel),
      system: (notice) => this.#tell("system", notice, notice.channel),
      gap: (gap) => this.#tell("gap", gap, gap.log),
      subscribed: (channel) => {
        this.#memberships.enter(channel, { type: "subscribed" });
        this.#events.emit("subscribed", { channel });
      },
      unsubscribed: (channel) => {
        this.#memberships.leave(channel);
        this.#tell("removed", { channel, error: undefined }, channel);
      },
    });
    this.#link = new Link(
      url,
      {
        hello: () => this.#hello(),
        renewable: typeof options.token === "function",
        connecting: (attempt) => this.#enter({ phase: "connecting", attempt }),
        welcomed: (welcome) => void this.#welcomed(welcome),
        received: (envelope) => this.#receive(envelope),
        waiting: (delayMs, closing) => {
          this.#suspend();
          this.#enter({ phase: "waiting", delayMs, closing });
        },
        closed: (error) => {
          this.#suspend();
          this.#requests.end(error?.message ?? "the client was closed");
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
    return this.#user;
  }

  /** The version that was agreed on, after the first welcome. */
  get version(): string | undefined {
    return this.#version;
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

  /** Resolves at the first welcome, however many attempts it takes; rejects when no attempt will follow. */
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
      this.#link.start();
    });
  }

  /** Ends the session. What was sent and not acknowledged is rejected with `OutcomeUnknown`. */
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

  async join(channel: string, options: { readonly position?: Position } = {}): Promise<Joined> {
    const answer = await this.#ask(joinRequest(channel, options.position));
    this.#memberships.enter(channel, answer);
    return joinedFrom(channel, answer);
  }

  async leave(channel: string): Promise<void> {
    this.#memberships.leave(channel);
    await this.#ask(commandRequest(channel, "leave"));
  }

  /** `channel` is a topic, or a pattern of topics with `*` and `**`. */
  async subscribe(channel: string, options: { readonly position?: Position } = {}): Promise<void> {
    this.#memberships.enter(channel, await this.#ask(subscribeRequest(channel, options.position)));
  }

  async unsubscribe(channel: string): Promise<void> {
    this.#memberships.leave(channel);
    await this.#ask(controlRequest("unsubscribe", channel));
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
    if (typeof this.#token !== "function") this.#token = token;
  }

  async #hello(): Promise<Envelope> {
    const token = typeof this.#token === "function" ? await this.#token() : this.#token;
    const payload: Payload = {};
    if (token !== undefined) payload["token"] = token;
    else if (this.#user !== undefined) payload["user"] = this.#user;
    if (this.#options.profile !== undefined) payload["profile"] = this.#options.profile;
    return { type: "hello", version: VERSION, messageId: newMessageId(), payload };
  }

  async #welcomed(welcome: Envelope): Promise<void> {
    const session = ++this.#session;
    const user = welcome.payload?.["user"];
    if (typeof user === "string") this.#user = user;
    this.#version = welcome.version;
    this.#startLogs(welcome);
    await this.#memberships.restore(() => session === this.#session);
    if (session !== this.#session) return;
    this.#enter({ phase: "open" });
    this.#requests.resume();
  }

  /** A new session reads its inbox and `all` from the head, whatever the last one had seen of them. */
  #startLogs(welcome: Envelope): void {
    const given = new Map(positionsIn(welcome.payload));
    for (const log of new Set([...given.keys(), ...this.#ownLogs()])) {
      const before = this.#positions.get(log);
      const now = given.get(log);
      if (now === undefined) {
        this.#positions.forget(log);
        continue;
      }
      this.#positions.restart(log, now);
      if (before !== undefined && (before.epoch !== now.epoch || before.offset < now.offset)) {
        this.#tell("unrecovered", { channel: log, ...now }, log);
      }
    }
  }

  #ownLogs(): string[] {
    return ["all", `user:${this.#user ?? ""}`].filter((channel) => !this.#memberships.has(channel));
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
    const named = envelope.timestamp !== undefined && this.#user !== undefined;
    return this.#link.send(named ? { ...envelope, sender: this.#user as string } : envelope);
  }

  #suspend(): void {
    this.#session += 1;
    this.#requests.suspend();
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#events.emit("state", state);
  }
}
