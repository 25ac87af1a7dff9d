import type { Acknowledging } from "./acknowledging.js";
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
  /** True where somebody who acknowledges has it in a queue. */
  readonly message: (message: Message) => boolean;
  readonly presence: (presence: Presence) => void;
  readonly system: (notice: SystemNotice) => void;
  readonly gap: (gap: Gap) => void;
  readonly subscribed: (channel: string) => void;
  /** It is not this client's affair, as what documents say. */
  readonly other: (envelope: Envelope) => void;
  readonly unsubscribed: (channel: string) => void;
}

/** Turns what the server sends by itself into events, each stored message once. */
export class Deliveries {
  constructor(
    private readonly positions: Positions,
    private readonly acks: Acknowledging,
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
        // Control messages of other kinds have no sender.
        this.#message(envelope);
    }
  }

  #message(envelope: Envelope): void {
    // What a document says is for whoever has it open, as it came.
    const message = envelope.channel?.startsWith("doc:") === true ? undefined : messageFrom(envelope);
    if (message === undefined) {
      this.handlers.other(envelope);
      return;
    }
    const { channel, offset } = message;
    if (offset === undefined) {
      this.handlers.message(message);
      return;
    }
    const log = logOf(channel);
    if (this.positions.advance(log, offset)) this.acks.received(log, offset, this.handlers.message(message));
    else this.acks.repeated(log, offset);
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
    const before = this.positions.get(log);
    // A connection that is moved hears it twice.
    if (before !== undefined && before.epoch === epoch && to <= before.offset) return;
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
