import { membersFrom } from "./answers.js";
import { logOf } from "./channels.js";
import { isRecord } from "./envelope.js";
import type { Envelope, Payload } from "./envelope.js";
import type { Gap, Presence, SystemNotice } from "./events.js";
import { messageFrom } from "./messages.js";
import type { Message } from "./messages.js";
import { isPosition } from "./positions.js";
import type { Position, Positions } from "./positions.js";

export interface DeliveryHandlers {
  readonly message: (message: Message) => void;
  readonly presence: (presence: Presence) => void;
  readonly system: (notice: SystemNotice) => void;
  readonly gap: (gap: Gap) => void;
  readonly subscribed: (channel: string) => void;
  readonly unsubscribed: (channel: string) => void;
}

/** Control messages that are no deliveries, whether this client acts on them elsewhere or not at all. */
const NOT_FOR_APPLICATIONS: ReadonlySet<string> = new Set([
  "ack",
  "error",
  "history",
  "migrate",
  "pong",
  "session_restored",
  "welcome",
]);

/** Turns what the server sends by itself into events, each stored message once. */
export class Deliveries {
  constructor(
    private readonly positions: Positions,
    private readonly handlers: DeliveryHandlers,
  ) {}

  take(envelope: Envelope): void {
    switch (envelope.type) {
      case "presence":
        this.#presence(envelope);
        break;
      case "system":
        this.#system(envelope);
        break;
      case "gap":
        this.#gap(envelope);
        break;
      case "position":
        for (const [log, position] of positionsIn(envelope.payload)) this.positions.learn(log, position);
        break;
      case "subscribed":
        this.#subscribed(envelope);
        break;
      case "unsubscribed":
        if (envelope.channel !== undefined) this.handlers.unsubscribed(envelope.channel);
        break;
      default:
        if (!NOT_FOR_APPLICATIONS.has(envelope.type)) this.#message(envelope);
    }
  }

  #message(envelope: Envelope): void {
    const message = messageFrom(envelope);
    if (message === undefined) return;
    const { channel, offset } = message;
    if (offset !== undefined && !this.positions.advance(logOf(channel), offset)) return;
    this.handlers.message(message);
  }

  #presence(envelope: Envelope): void {
    const { channel, payload = {} } = envelope;
    if (channel === undefined) return;
    const { event, user, count } = payload;
    if ((event === "join" || event === "leave") && typeof user === "string") {
      const known = typeof count === "number" ? count : undefined;
      this.handlers.presence({ event, channel, user, count: known });
    } else if (Array.isArray(payload["members"])) {
      this.handlers.presence({ event: "members", channel, ...membersFrom(payload) });
    }
  }

  #system(envelope: Envelope): void {
    const { content, level } = envelope.payload ?? {};
    this.handlers.system({
      content: typeof content === "string" ? content : "",
      level: typeof level === "string" ? level : "info",
      channel: envelope.channel,
      timestamp: envelope.timestamp ?? Date.now(),
    });
  }

  #gap(envelope: Envelope): void {
    const { channel: log, payload = {} } = envelope;
    const { epoch, from, to, reason } = payload;
    if (log === undefined || typeof to !== "number") return;
    if (typeof epoch === "string") this.positions.learn(log, { epoch, offset: to });
    else this.positions.advance(log, to);
    this.handlers.gap({
      log,
      epoch: typeof epoch === "string" ? epoch : undefined,
      from: typeof from === "number" ? from : undefined,
      to,
      reason: typeof reason === "string" ? reason : "",
    });
  }

  #subscribed(envelope: Envelope): void {
    const { channel, payload } = envelope;
    if (channel === undefined) return;
    if (isPosition(payload)) this.positions.learn(logOf(channel), payload);
    this.handlers.subscribed(channel);
  }
}

export function positionsIn(payload: Payload | undefined): [log: string, position: Position][] {
  const positions = payload?.["positions"];
  if (!isRecord(positions)) return [];
  return Object.entries(positions).filter((entry): entry is [string, Position] => isPosition(entry[1]));
}
