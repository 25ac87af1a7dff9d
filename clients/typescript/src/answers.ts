import { isRecord } from "./envelope.js";
import type { Envelope, Payload } from "./envelope.js";
import { messageFrom } from "./messages.js";
import type { Message } from "./messages.js";
import { isPosition } from "./positions.js";
import type { Position } from "./positions.js";

export interface PublishAck {
  readonly messageId: string;
  readonly channel: string;
  /** Absent for ephemeral types, which are not stored. */
  readonly offset: number | undefined;
  readonly epoch: string | undefined;
}

export interface Members {
  /** The first hundred. */
  readonly members: readonly string[];
  readonly count: number;
}

export interface Joined extends Members {
  readonly channel: string;
  readonly position: Position | undefined;
  readonly recovered: boolean;
  /** Whether this user may mute, unmute and kick here. */
  readonly moderator: boolean;
}

export interface History {
  readonly messages: readonly Message[];
  readonly epoch: string | undefined;
  /** Whether nothing older or newer was left out. */
  readonly complete: boolean;
}

/** Where the delivery of one log goes on after the session came back. */
export interface Restored extends Position {
  /** False where something before it was lost. */
  readonly recovered: boolean;
}

export function publishAckFrom(request: Envelope, answer: Envelope): PublishAck {
  return {
    messageId: request.messageId ?? "",
    channel: answer.channel ?? request.channel ?? "",
    offset: answer.offset,
    epoch: answer.epoch,
  };
}

export function membersFrom(payload: Payload | undefined): Members {
  const given = payload?.["members"];
  const members = Array.isArray(given) ? given.filter((member) => typeof member === "string") : [];
  const count = payload?.["count"];
  return { members, count: typeof count === "number" ? count : members.length };
}

export function joinedFrom(channel: string, { payload }: Envelope): Joined {
  return {
    channel,
    ...membersFrom(payload),
    position: isPosition(payload) ? { epoch: payload.epoch, offset: payload.offset } : undefined,
    recovered: payload?.["recovered"] !== false,
    moderator: payload?.["moderator"] === true,
  };
}

export function historyFrom({ messages = [], payload }: Envelope): History {
  const epoch = payload?.["epoch"];
  return {
    messages: messages.map(messageFrom).filter((message) => message !== undefined),
    epoch: typeof epoch === "string" ? epoch : undefined,
    complete: payload?.["complete"] === true,
  };
}

export function restoredFrom({ payload }: Envelope): ReadonlyMap<string, Restored> {
  const channels = payload?.["channels"];
  const found = new Map<string, Restored>();
  for (const [log, at] of isRecord(channels) ? Object.entries(channels) : []) {
    if (!isRecord(at) || !isPosition(at)) continue;
    found.set(log, { epoch: at.epoch, offset: at.offset, recovered: at["recovered"] !== false });
  }
  return found;
}
