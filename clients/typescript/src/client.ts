import { historyFrom, membersFrom, publishAckFrom } from "./answers.js";
import type { History, Joined, Members, PublishAck } from "./answers.js";
import type { Listener } from "./emitter.js";
import type { Envelope } from "./envelope.js";
import { NotConnected } from "./errors.js";
import type { MessagesMissed } from "./errors.js";
import type { ClientEvents, ConnectionState } from "./events.js";
import type { Outgoing } from "./messages.js";
import type { ClientOptions } from "./options.js";
import { followPage } from "./page.js";
import { Parts } from "./parts.js";
import { commandRequest, controlRequest, publishRequest } from "./queries.js";
import type { EntryOptions, HistoryRange } from "./queries.js";
import { CallbackListener, MessageStream } from "./stream.js";
import type { MessageCallback, StreamOptions } from "./stream.js";

/**
 * One session with a hub. Attach listeners and begin loops, then `connect`; it comes back by itself until `close`.
 *
 * Every method rejects with a `HubbubError`: what the server refused, `OutcomeUnknown` where something was sent and
 * nobody can say what became of it, `NotConnected` where it was not sent. Publishes and queries wait for a connection;
 * what joins, leaves and moderates needs one.
 */
export class Client {
  readonly #parts: Parts;

  /** `url` is `ws://host:port/ws`. Throws `HubbubError` (`configuration`) where the platform has no WebSocket. */
  constructor(
    url: string,
    private readonly options: ClientOptions = {},
  ) {
    this.#parts = new Parts(url, options);
  }

  // --- The connection ---------------------------------------------------------------------------------------

  get state(): ConnectionState {
    return this.#parts.state;
  }

  /** The name the server knows this session by; before the first welcome, the one that was asked for. */
  get user(): string | undefined {
    return this.#parts.session.user;
  }

  /** The version that was agreed on, after the first welcome. */
  get version(): string | undefined {
    return this.#parts.session.version;
  }

  /** The node that the session began at. */
  get node(): string | undefined {
    return this.#parts.session.node;
  }

  /** Where the connection is, or goes: another address than the first after a migration. */
  get url(): string {
    return this.#parts.link.url;
  }

  /** Resolves once there is a session, new or kept, after however many attempts; rejects when none will follow. */
  async connect(): Promise<void> {
    if (this.#parts.state.phase !== "idle") throw new NotConnected("a client connects once: make another one");
    const opened = this.#parts.opened();
    if (this.options.followPage !== false) this.#parts.unfollow = followPage(this);
    const preparing = [this.#parts.outbox.begin(), this.#parts.recovery.begin()].filter((work) => work !== undefined);
    if (preparing.length > 0) await Promise.all(preparing);
    // Somebody may have closed it meanwhile.
    if (this.#parts.state.phase === "idle") this.#parts.link.start();
    await opened;
  }

  /** Ends the session, also a kept one. What was sent and not acknowledged is rejected with `OutcomeUnknown`. */
  close(): void {
    if (this.#parts.state.phase === "closed") return;
    this.#parts.acks.flush();
    this.#parts.link.stop();
  }

  /** Tries again at once where it waits, as when the machine is online again; looks whether an open connection lives. */
  wake(): void {
    this.#parts.link.wake();
  }

  /** Asks the server for a sign of life: where none comes within 3 s the connection is lost. */
  probe(): void {
    this.#parts.link.probe();
  }

  /** Ends the connection, not the session, until `wake`: for when nobody would answer, as in a page that is frozen. */
  sleep(): void {
    this.#parts.link.sleep();
  }

  /** The round trip to the hub and back, in milliseconds. */
  async ping(): Promise<number> {
    const asked = Date.now();
    await this.#parts.query(controlRequest("ping"));
    return Date.now() - asked;
  }

  /** Prolongs the session with a newer token, which later connections use, too. */
  async refresh(token: string): Promise<void> {
    await this.#parts.sendToken(token);
    this.#parts.tokens.replace(token);
  }

  // --- Messages ---------------------------------------------------------------------------------------------

  on<Name extends keyof ClientEvents>(name: Name, listener: Listener<ClientEvents[Name]>): () => void {
    return this.#parts.events.on(name, listener);
  }

  /** The messages of a room (joined if need be), a topic or pattern, one's own inbox, or `all`, one by one. */
  messages(channel: string, options: StreamOptions = {}): MessageStream {
    return new MessageStream(channel, options, this.#parts.streams);
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
    return publishAckFrom(request, await this.#parts.outbox.publish(request));
  }

  /** Sends an ephemeral message, of which nobody learns whether it arrived. Nothing is sent without a connection. */
  signal(channel: string, message: Outgoing): void {
    if (this.#parts.state.phase === "open") this.#parts.transmit(publishRequest(channel, message));
  }

  /** Sends any message as it is, as those of documents; false where there is no connection. `other` tells answers. */
  send(envelope: Envelope): boolean {
    return this.#parts.transmit(envelope);
  }

  /** Asks the server, and waits for the answer: for what this class has no method for. It may be asked twice. */
  query(type: string, channel: string, payload: Record<string, unknown> = {}): Promise<Envelope> {
    return this.#parts.query(controlRequest(type, channel, payload));
  }

  // --- Rooms and topics -------------------------------------------------------------------------------------

  /** In a session that was kept the room may be joined already: then this tells what there is to know of it. */
  join(channel: string, options: EntryOptions = {}): Promise<Joined> {
    return this.#parts.memberships.join(channel, options);
  }

  /** Where no answer comes, the room is left as soon as the session is back. */
  leave(channel: string): Promise<void> {
    // The server does not know the acks of a log that it reads no more for this session.
    this.#parts.acks.flush();
    return this.#parts.memberships.leave(channel);
  }

  /** `channel` is a topic, or a pattern of topics with `*` and `**`. */
  subscribe(channel: string, options: EntryOptions = {}): Promise<void> {
    return this.#parts.memberships.subscribe(channel, options);
  }

  unsubscribe(channel: string): Promise<void> {
    return this.leave(channel);
  }

  /** Stored messages, always ascending: the oldest after `after`, otherwise the newest. */
  async history(channel: string, range: HistoryRange = {}): Promise<History> {
    return historyFrom(await this.#parts.query(controlRequest("history", channel, { ...range })));
  }

  /** Who is in a room that one is in. */
  async presence(channel: string): Promise<Members> {
    return membersFrom((await this.#parts.query(controlRequest("presence", channel))).payload);
  }

  async mute(channel: string, user: string): Promise<void> {
    await this.#parts.requests.ask(commandRequest(channel, "mute", user), "command");
  }

  async unmute(channel: string, user: string): Promise<void> {
    await this.#parts.requests.ask(commandRequest(channel, "unmute", user), "command");
  }

  async kick(channel: string, user: string): Promise<void> {
    await this.#parts.requests.ask(commandRequest(channel, "kick", user), "command");
  }
}
