import type { Joined, Message, Presence, SystemNotice } from "hubbub";
import { capitalised } from "./explanations";
import { Sights } from "./sights";
import { Timeline } from "./timeline";
import { Typists } from "./typing";

/** `outside`: the user was removed, or was not let in; `problem` says why. */
export type RoomStatus = "joining" | "inside" | "outside";
export type Earlier = "none" | "some" | "loading";

/** Beyond this, who comes and goes is seen in the list of members only, and nobody tells what they have seen. */
const INTIMATE = 20;

export interface RoomHandlers {
  readonly changed: () => void;
  /** This user has seen everything up to here. */
  readonly seen: (room: Room, offset: number) => void;
}

/** One room as this user sees it. */
export class Room {
  readonly channel: string;
  readonly timeline: Timeline;
  readonly typists: Typists;
  readonly sights: Sights;
  readonly members = new Set<string>();
  /** Whom this user has muted. The server does not tell who else is. */
  readonly muted = new Set<string>();
  status: RoomStatus = "joining";
  problem: string | undefined;
  moderator = false;
  count = 0;
  unread = 0;
  earlier: Earlier = "none";
  draft = "";
  #epoch: string | undefined;

  constructor(
    readonly name: string,
    readonly me: string,
    { changed, seen }: RoomHandlers,
  ) {
    this.channel = `room:${name}`;
    this.timeline = new Timeline(me);
    this.typists = new Typists(changed);
    this.sights = new Sights((offset) => seen(this, offset));
  }

  /** Whether it is small enough for everyone to know of everyone. */
  get intimate(): boolean {
    return this.count <= INTIMATE;
  }

  /** The user has it before the eyes. */
  read(): void {
    this.unread = 0;
    const last = this.timeline.lastOffset;
    if (last !== undefined && this.intimate) this.sights.read(last);
  }

  /** This session is in the room, for the first time or again. */
  joined({ members, count, moderator, position }: Joined): void {
    this.status = "inside";
    this.problem = undefined;
    this.moderator = moderator;
    this.#setMembers(members, count);
    if (position !== undefined) this.livesIn(position.epoch);
    this.sights.repeat();
  }

  /** Notices when the log is another one than before. */
  livesIn(epoch: string): void {
    if (this.#epoch !== undefined && this.#epoch !== epoch) {
      this.timeline.beginLife();
      this.sights.forget();
    }
    this.#epoch = epoch;
  }

  excluded(problem: string): void {
    this.status = "outside";
    this.problem = problem;
    this.moderator = false;
    this.members.clear();
    this.count = 0;
    this.typists.clear();
  }

  /** Takes a message; true when it is news. */
  take(message: Message): boolean {
    if (message.type === "typing") {
      if (message.sender !== this.me) this.typists.heard(message.sender, message.payload["typing"] === true);
      return false;
    }
    if (message.type === "seen") {
      const { offset } = message.payload;
      if (typeof offset === "number") this.sights.heard(message.sender, offset);
      return false;
    }
    if (message.type === "command" || message.offset === undefined) return false;
    this.typists.heard(message.sender, false);
    // Whoever answers has read what was before.
    this.sights.heard(message.sender, message.offset);
    return this.timeline.deliver(message) && message.sender !== this.me;
  }

  note(notice: SystemNotice): void {
    const tone = notice.level === "info" ? "info" : "warning";
    this.timeline.note(capitalised(notice.content), tone, notice.timestamp);
  }

  met(presence: Presence, now: number): void {
    if (presence.event === "members") {
      this.#setMembers(presence.members, presence.count);
      return;
    }
    const { event, user, count } = presence;
    const known = this.members.has(user);
    if (event === "join") {
      this.members.add(user);
      this.sights.repeat();
    } else {
      this.members.delete(user);
      this.muted.delete(user);
      this.typists.heard(user, false);
      this.sights.left(user);
    }
    this.count = count ?? this.members.size;
    if (this.intimate && known !== (event === "join")) {
      this.timeline.note(`${user} ${event === "join" ? "joined" : "left"}.`, "info", now);
    }
  }

  #setMembers(members: readonly string[], count: number): void {
    this.members.clear();
    for (const member of members) this.members.add(member);
    this.count = count;
  }
}
