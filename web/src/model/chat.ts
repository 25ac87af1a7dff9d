import { Client, HubbubError, NotConnected, OutcomeUnknown, newMessageId } from "hubbub";
import type { ConnectionState, Message, SystemNotice } from "hubbub";
import { sessionInTab } from "hubbub/browser";
import { explain } from "./explanations";
import { Plug } from "./plug";
import { Room } from "./room";
import { MOST_ENTRIES } from "./timeline";
import type { Body, Post } from "./timeline";

const PAGE = 50;
const PARTING_MS = 1_000;
const MEASURE_MS = 10_000;

/** Everything the page shows, and everything a user can do. `changed` asks for a new look at all of it. */
export class Chat {
  readonly rooms = new Map<string, Room>();
  active: Room | undefined;
  /** Whether the user has the page before the eyes: what comes meanwhile is unread. */
  watched = true;
  /** Whether the connection is being moved to another node. */
  moving = false;
  roundTripMs: number | undefined;
  readonly #client: Client;
  readonly #plug = new Plug();
  /** Whether the hub knows what only these pages say: that somebody types, and has read. */
  #signalsKnown = true;
  #moved: string | undefined;

  constructor(
    hub: string,
    readonly me: string,
    private readonly changed: () => void,
  ) {
    // After a reload the server goes on from what it has sent. The page reads the history too, and a timeline takes
    // each message once.
    this.#client = new Client(hub, { user: me, sessionStore: sessionInTab(), webSocket: this.#plug.open });
    this.#listen();
    setInterval(() => void this.#measure(), MEASURE_MS);
  }

  get connection(): ConnectionState {
    return this.#client.state;
  }

  /** The connection was pulled out by the user. */
  get isCut(): boolean {
    return this.#plug.pulled;
  }

  /** The node that the connection is at: its name where it said so, else its address. */
  get place(): string | undefined {
    return this.#moved ?? this.#client.node;
  }

  /** How many messages wait to be sent. */
  get waiting(): number {
    return [...this.rooms.values()].reduce((sum, { timeline }) => sum + timeline.waiting, 0);
  }

  connect(): void {
    // How it goes is seen in the connection's state.
    this.#client.connect().catch(() => undefined);
  }

  wake(): void {
    this.#client.wake();
  }

  cut(): void {
    this.#plug.pull();
    this.changed();
  }

  mend(): void {
    this.#plug.putBack();
    this.#client.wake();
    this.changed();
  }

  /** Asks the hub to move the connection to another node. `migrated` tells what came of it. */
  async move(): Promise<void> {
    this.moving = true;
    this.changed();
    try {
      await this.#client.publish(`user:${this.me}`, { type: "move", payload: {} });
    } catch (error) {
      this.moving = false;
      const alone = error instanceof HubbubError && error.code === "unknown_type";
      const words = alone ? "There is no other node to move to: this hub runs alone." : explain(error);
      this.active?.timeline.note(words, alone ? "info" : "warning", Date.now());
      this.changed();
    }
  }

  open(name: string): void {
    let room = this.rooms.get(name);
    if (room === undefined) {
      room = new Room(name, this.me, {
        changed: this.changed,
        seen: ({ channel }, offset) => this.#signal(channel, "seen", { offset }),
      });
      this.rooms.set(name, room);
    }
    if (room.status !== "inside") void this.#join(room);
  }

  /** Opens the room and shows it. */
  enter(name: string): void {
    this.open(name);
    this.active = this.rooms.get(name);
    this.read();
  }

  /** What the active room shows was seen. */
  read(): void {
    if (this.watched) this.active?.read();
    this.changed();
  }

  leave(room: Room): void {
    this.rooms.delete(room.name);
    if (this.active === room) this.active = [...this.rooms.values()].at(0);
    // Without a connection the client sees to it as soon as there is one.
    this.#client.leave(room.channel).catch(() => undefined);
    this.read();
  }

  /** Leaves every room, so that the others see it at once, and ends the session. */
  async signOut(): Promise<void> {
    const parting = [...this.rooms.values()].map(({ channel }) => this.#client.leave(channel));
    await Promise.race([Promise.allSettled(parting), new Promise((resolve) => setTimeout(resolve, PARTING_MS))]);
    this.#client.close();
  }

  send(room: Room, body: Body): void {
    const post = room.timeline.write(newMessageId(), body, Date.now());
    void this.#publish(room, post);
  }

  retry(room: Room, post: Post): void {
    room.timeline.resend(post, Date.now());
    void this.#publish(room, post);
  }

  signalTyping(room: Room, typing: boolean): void {
    if (room.status === "inside") this.#signal(room.channel, "typing", { typing });
  }

  mute(room: Room, user: string): Promise<void> {
    return this.#moderate(room, `You muted ${user}.`, async () => {
      await this.#client.mute(room.channel, user);
      room.muted.add(user);
    });
  }

  unmute(room: Room, user: string): Promise<void> {
    return this.#moderate(room, `You unmuted ${user}.`, async () => {
      await this.#client.unmute(room.channel, user);
      room.muted.delete(user);
    });
  }

  kick(room: Room, user: string): Promise<void> {
    return this.#moderate(room, `You removed ${user} from the room.`, () =>
      this.#client.kick(room.channel, user),
    );
  }

  async loadEarlier(room: Room): Promise<void> {
    const before = room.timeline.firstOffset;
    if (room.earlier === "loading" || this.connection.phase === "closed") return;
    room.earlier = "loading";
    this.changed();
    try {
      const range = before === undefined ? { limit: PAGE } : { before, limit: PAGE };
      const { messages } = await this.#client.history(room.channel, range);
      for (const message of messages) if (message.type !== "command") room.timeline.deliver(message);
      const full = room.timeline.entries.length >= MOST_ENTRIES - PAGE;
      room.earlier = messages.length < PAGE || full ? "none" : "some";
    } catch (error) {
      room.earlier = "some";
      room.timeline.note(`Earlier messages could not be read: ${explain(error)}`, "warning", Date.now());
    }
    this.changed();
  }

  async #join(room: Room): Promise<void> {
    room.status = "joining";
    room.problem = undefined;
    this.changed();
    try {
      room.joined(await this.#client.join(room.channel, { ack: true }));
    } catch (error) {
      // Tried again as soon as there is a connection.
      if (error instanceof NotConnected || error instanceof OutcomeUnknown) return;
      room.excluded(explain(error));
      this.changed();
      return;
    }
    await this.loadEarlier(room);
  }

  async #publish(room: Room, post: Post): Promise<void> {
    this.changed();
    try {
      const { messageId } = post;
      const ack = await this.#client.publish(room.channel, { ...outgoing(post.body), messageId });
      if (ack.offset !== undefined) room.timeline.acknowledge(post, ack.offset);
    } catch (error) {
      room.timeline.fail(post, error instanceof OutcomeUnknown ? "unsure" : "failed", explain(error));
    }
    this.changed();
  }

  async #moderate(room: Room, done: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      room.timeline.note(done, "info", Date.now());
    } catch (error) {
      room.timeline.note(explain(error), "warning", Date.now());
    }
    this.changed();
  }

  #listen(): void {
    const client = this.#client;
    client.on("state", ({ phase }) => {
      if (phase === "open") this.#opened();
      else this.#interrupted();
      this.changed();
    });
    client.on("message", (message) => this.#take(message));
    client.on("presence", (presence) => this.#with(presence.channel, (room) => room.met(presence, Date.now())));
    client.on("system", (notice) => this.#note(notice));
    client.on("rejoined", (joined) => this.#with(joined.channel, (room) => room.joined(joined)));
    client.on("removed", ({ channel, error }) =>
      this.#with(channel, (room) =>
        room.excluded(error === undefined ? "You were removed from this room." : explain(error)),
      ),
    );
    client.on("unrecovered", ({ channel, epoch }) =>
      this.#with(channel, (room) => {
        room.livesIn(epoch);
        this.#missing(room);
      }),
    );
    client.on("gap", ({ log }) => this.#with(log, (room) => this.#missing(room)));
    client.on("migrated", ({ url, moved }) => {
      this.moving = false;
      if (moved) this.#moved = new URL(url).host;
      const words = moved
        ? `Your connection moved to ${new URL(url).host}. Nothing was lost.`
        : "The other node could not be had: your connection stays where it is.";
      this.active?.timeline.note(words, "info", Date.now());
      this.changed();
    });
    client.on("error", (error) => this.#refused(error));
  }

  #interrupted(): void {
    // Whoever was asked to move the connection has none to move.
    this.moving = false;
    for (const room of this.rooms.values()) room.typists.clear();
  }

  #opened(): void {
    for (const room of this.rooms.values()) {
      if (room.status === "joining") void this.#join(room);
      // Whoever was cut off has missed what the others saw meanwhile, and they what this user saw.
      else room.sights.repeat();
    }
    void this.#measure();
  }

  async #measure(): Promise<void> {
    if (this.connection.phase !== "open" || !this.watched) return;
    this.roundTripMs = await this.#client.ping().catch(() => undefined);
    this.changed();
  }

  #signal(channel: string, type: string, payload: object): void {
    if (this.#signalsKnown) this.#client.signal(channel, { type, payload });
  }

  #with(channel: string, act: (room: Room) => void): void {
    const room = this.rooms.get(channel.replace(/^room:/, ""));
    if (room?.channel !== channel) return;
    act(room);
    this.changed();
  }

  #take(message: Message): void {
    if (message.channel.startsWith("room:")) {
      this.#with(message.channel, (room) => {
        const news = room.take(message);
        if (room === this.active && this.watched) room.read();
        else if (news) room.unread += 1;
      });
    } else if (message.type === "text") {
      const content = `${message.sender}: ${String(message.payload["content"] ?? "")}`;
      this.active?.timeline.note(content, "info", message.timestamp);
      this.changed();
    }
  }

  #note(notice: SystemNotice): void {
    // What comes of a wish to be moved is said to the connection, of no room.
    if (notice.channel === undefined) this.moving = false;
    const room = this.rooms.get(notice.channel?.replace(/^room:/, "") ?? "") ?? this.active;
    room?.note(notice);
    this.changed();
  }

  #missing(room: Room): void {
    // A page that has just been loaded shows nothing that something could be missing from.
    if (room.timeline.entries.length === 0) return;
    room.timeline.note("Some messages are missing here: the server no longer has them.", "warning", Date.now());
  }

  #refused(error: HubbubError): void {
    // Only signals go unanswered, so that an unknown type means a hub without them.
    if (error.code === "unknown_type") this.#signalsKnown = false;
  }
}

function outgoing(body: Body): { type: string; payload: object } {
  const { kind, ...payload } = body;
  if (body.kind === "text" && body.mentions.length === 0) return { type: kind, payload: { content: body.content } };
  return { type: kind, payload };
}
