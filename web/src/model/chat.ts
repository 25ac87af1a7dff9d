import { Client, HubbubError, NotConnected, OutcomeUnknown, newMessageId } from "hubbub";
import type { ConnectionState, Message, SystemNotice } from "hubbub";
import { sessionInTab } from "hubbub/browser";
import { explain } from "./explanations";
import { Room } from "./room";
import type { Body, Post } from "./timeline";

const PAGE = 50;
const PARTING_MS = 1_000;

/** Everything the page shows, and everything a user can do. `changed` asks for a new look at all of it. */
export class Chat {
  readonly rooms = new Map<string, Room>();
  active: Room | undefined;
  /** Whether the user has the page before the eyes: what comes meanwhile is unread. */
  watched = true;
  readonly #client: Client;
  #typingKnown = true;

  constructor(
    hub: string,
    readonly me: string,
    private readonly changed: () => void,
  ) {
    // After a reload the server goes on from what it has sent. The page reads the history too, and a timeline takes
    // each message once.
    this.#client = new Client(hub, { user: me, sessionStore: sessionInTab() });
    this.#listen();
  }

  get connection(): ConnectionState {
    return this.#client.state;
  }

  connect(): void {
    // How it goes is seen in the connection's state.
    this.#client.connect().catch(() => undefined);
  }

  wake(): void {
    this.#client.wake();
  }

  open(name: string): void {
    let room = this.rooms.get(name);
    if (room === undefined) {
      room = new Room(name, this.me, this.changed);
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
    if (this.active !== undefined) this.active.unread = 0;
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
    if (!this.#typingKnown || room.status !== "inside") return;
    this.#client.signal(room.channel, { type: "typing", payload: { typing } });
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
    if (room.earlier === "loading") return;
    room.earlier = "loading";
    this.changed();
    try {
      const range = before === undefined ? { limit: PAGE } : { before, limit: PAGE };
      const { messages } = await this.#client.history(room.channel, range);
      for (const message of messages) if (message.type !== "command") room.timeline.deliver(message);
      room.earlier = messages.length < PAGE ? "none" : "some";
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
      if (phase === "open") this.#joinWaiting();
      else for (const room of this.rooms.values()) room.typists.clear();
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
    client.on("error", (error) => this.#refused(error));
  }

  #joinWaiting(): void {
    for (const room of this.rooms.values()) if (room.status === "joining") void this.#join(room);
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
        if (room.take(message) && (room !== this.active || !this.watched)) room.unread += 1;
      });
    } else if (message.type === "text") {
      const content = `${message.sender}: ${String(message.payload["content"] ?? "")}`;
      this.active?.timeline.note(content, "info", message.timestamp);
      this.changed();
    }
  }

  #note(notice: SystemNotice): void {
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
    // Only signals go unanswered, so that an unknown type means a hub without `typing`.
    if (error.code === "unknown_type") this.#typingKnown = false;
  }
}

function outgoing(body: Body): { type: string; payload: object } {
  const { kind, ...payload } = body;
  if (body.kind === "text" && body.mentions.length === 0) return { type: kind, payload: { content: body.content } };
  return { type: kind, payload };
}
