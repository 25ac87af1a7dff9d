import type { Joined, Message, Presence, SystemNotice } from "hubbub";
import { capitalised } from "./explanations";
import { Timeline } from "./timeline";
import { Typists } from "./typing";

/** `outside`: the user was removed, or was not let in; `problem` says why. */
export type RoomStatus = "joining" | "inside" | "outside";
export type Earlier = "none" | "some" | "loading";

/** Beyond this, who comes and goes is seen in the list of members only. */
const INTIMATE = 20;

/** One room as this user sees it. */
export class Room {
  readonly channel: string;
  readonly timeline: Timeline;
  readonly typists: Typists;
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
    changed: () => void,
  ) {
    this.channel = `room:${name}`;
    this.timeline = new Timeline(me);
    this.typists = new Typists(changed);
  }

  /** This session is in the room, for the first time or again. */
  joined({ members, count, moderator, position }: Joined): void {
    this.status = "inside";
    this.problem = undefined;
    this.moderator = moderator;
    this.#setMembers(members, count);
    if (position !== undefined) this.livesIn(position.epoch);
  }

  /** Notices when the log is another one than before. */
  livesIn(epoch: string): void {
    if (this.#epoch !== undefined && this.#epoch !== epoch) this.timeline.beginLife();
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
    if (message.type === "command" || message.offset === undefined) return false;
    this.typists.heard(message.sender, false);
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
    } else {
      this.members.delete(user);
      this.muted.delete(user);
      this.typists.heard(user, false);
    }
    this.count = count ?? this.members.size;
    if (this.count <= INTIMATE && known !== (event === "join")) {
      this.timeline.note(`${user} ${event === "join" ? "joined" : "left"}.`, "info", now);
    }
  }

  #setMembers(members: readonly string[], count: number): void {
    this.members.clear();
    for (const member of members) this.members.add(member);
    this.count = count;
  }
}
