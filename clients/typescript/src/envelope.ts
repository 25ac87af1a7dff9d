import { HubbubError } from "./errors.js";
import type { Envelope as Common } from "./protocol.js";

export type Payload = Record<string, unknown>;
export type Metadata = Record<string, unknown>;

/** The one envelope of the protocol, as JSON carries it, with what only some messages have. */
export interface Envelope extends Omit<Common, "type" | "payload" | "metadata"> {
  type: string;
  payload?: Payload;
  metadata?: Metadata;
  messages?: Envelope[];
  sessionId?: string;
  connectionId?: string;
  clientId?: string;
  documentId?: string;
  code?: string;
  reason?: string;
  epoch?: string;
}

const STRINGS = [
  "version",
  "messageId",
  "sender",
  "channel",
  "sessionId",
  "connectionId",
  "clientId",
  "documentId",
  "code",
  "reason",
  "epoch",
] as const;
const INTEGERS = ["timestamp", "offset"] as const;
const OBJECTS = ["payload", "metadata"] as const;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Judges what was decoded; throws `HubbubError` for what is no envelope. Unknown fields are left out. */
export function toEnvelope(value: unknown): Envelope {
  if (!isRecord(value)) {
    throw new HubbubError("invalid_message", "an object was expected");
  }
  const type = value["type"];
  if (typeof type !== "string" || type === "") {
    throw invalid("type");
  }
  const envelope: Envelope = { type };
  for (const field of STRINGS) {
    const given = value[field] ?? undefined;
    if (typeof given === "string") envelope[field] = given;
    else if (given !== undefined) throw invalid(field);
  }
  for (const field of INTEGERS) {
    const given = value[field] ?? undefined;
    if (typeof given === "number" && Number.isSafeInteger(given)) envelope[field] = given;
    else if (given !== undefined) throw invalid(field);
  }
  for (const field of OBJECTS) {
    const given = value[field] ?? undefined;
    if (isRecord(given)) envelope[field] = given;
    else if (given !== undefined) throw invalid(field);
  }
  const messages = value["messages"] ?? undefined;
  if (Array.isArray(messages)) envelope.messages = messages.map(toEnvelope);
  else if (messages !== undefined) throw invalid("messages");
  return envelope;
}

function invalid(field: string): HubbubError {
  return new HubbubError("invalid_message", `${field} is not what the protocol says`, { field });
}
