import type { Envelope, Metadata, Payload } from "./envelope.js";
import type { FilePayload, ImagePayload, TextPayload } from "./protocol.js";

/** An application's message as a subscriber sees it. Ephemeral ones (typing, cursors) have no `offset`. */
export interface Message<P extends object = Payload> {
  readonly messageId: string;
  readonly timestamp: number;
  readonly type: string;
  readonly sender: string;
  readonly channel: string;
  readonly offset: number | undefined;
  readonly payload: P;
  readonly metadata: Metadata;
}

/** What an application publishes; the client fills in the rest of the envelope. */
export interface Outgoing {
  readonly type: string;
  readonly payload: object;
  readonly metadata?: Metadata;
  /** The idempotency key. Choose it where the message must be known before the ack comes. */
  readonly messageId?: string;
}

/** The message in a delivered envelope, or undefined where sender or channel is missing. */
export function messageFrom(envelope: Envelope): Message | undefined {
  const { sender, channel } = envelope;
  if (sender === undefined || channel === undefined) return undefined;
  return {
    messageId: envelope.messageId ?? "",
    timestamp: envelope.timestamp ?? Date.now(),
    type: envelope.type,
    sender,
    channel,
    offset: envelope.offset,
    payload: envelope.payload ?? {},
    metadata: envelope.metadata ?? {},
  };
}

export function isText(message: Message): message is Message<Payload & TextPayload> {
  return message.type === "text" && typeof message.payload["content"] === "string";
}

export function isImage(message: Message): message is Message<Payload & ImagePayload> {
  const { url, width, height } = message.payload;
  return message.type === "image" && typeof url === "string" && isCount(width) && isCount(height);
}

export function isFile(message: Message): message is Message<Payload & FilePayload> {
  const { url, size, mimeType } = message.payload;
  return message.type === "file" && typeof url === "string" && isCount(size) && typeof mimeType === "string";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}
