import type { Envelope, Payload } from "./envelope.js";
import { newMessageId } from "./identifiers.js";
import type { Outgoing } from "./messages.js";
import type { Position } from "./positions.js";

export type Action = "join" | "leave" | "mute" | "unmute" | "kick";

export interface HistoryRange {
  /** Offsets, both exclusive. */
  readonly after?: number;
  readonly before?: number;
  readonly limit?: number;
}

/** The requests of the protocol. `sender` is filled in when they are sent, since a new session may have another. */
export function publishRequest(channel: string, message: Outgoing): Envelope {
  const { type, payload, metadata, messageId = newMessageId() } = message;
  const envelope: Envelope = {
    type,
    messageId,
    timestamp: Date.now(),
    channel,
    payload: payload as Payload,
  };
  if (metadata !== undefined) envelope.metadata = metadata;
  return envelope;
}

export function commandRequest(channel: string, action: Action, target?: string): Envelope {
  return publishRequest(channel, { type: "command", payload: { action, target: target ?? null } });
}

export interface EntryOptions {
  /** Where to begin, if the log is not read yet. Otherwise at its head. */
  readonly position?: Position | undefined;
  /** The server awaits what was processed, and delivers the rest again after a loss. */
  readonly ack?: boolean | undefined;
}

/** Joins a room, or subscribes to a topic or pattern. */
export function entryRequest(channel: string, { position, ack }: EntryOptions): Envelope {
  const request = isRoom(channel) ? commandRequest(channel, "join") : controlRequest("subscribe", channel);
  if (position !== undefined) request.payload = { ...request.payload, position };
  if (ack === true) request.payload = { ...request.payload, ack };
  return request;
}

export function isRoom(channel: string): boolean {
  return channel.startsWith("room:");
}

export function controlRequest(type: string, channel?: string, payload?: Payload): Envelope {
  const request: Envelope = { type, messageId: newMessageId() };
  if (channel !== undefined) request.channel = channel;
  if (payload !== undefined) request.payload = payload;
  return request;
}
