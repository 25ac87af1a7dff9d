import { HubbubError } from "./errors.js";

export type Payload = Record<string, unknown>;
export type Metadata = Record<string, unknown>;

/** The one envelope of the protocol, as JSON carries it. */
export interface Envelope {
  version?: string;
  messageId?: string;
  timestamp?: number;
  type: string;
  sender?: string;
  channel?: string;
  offset?: number;
  payload?: Payload;
  metadata?: Metadata;
  messages?: Envelope[];
  sessionId?: string;
  connectionId?: string;
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
  "code",
  "reason",
  "epoch",
] as const;
const INTEGERS = ["timestamp", "offset"] as const;
const OBJECTS = ["payload", "metadata"] as const;

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads one received frame; throws `HubbubError` for what is no envelope. Unknown fields are left out. */
export function parseEnvelope(frame: unknown): Envelope {
  if (typeof frame !== "string") {
    throw new HubbubError("invalid_json", "a text frame was expected");
  }
  let value: unknown;
  try {
    value = JSON.parse(frame);
  } catch {
    throw new HubbubError("invalid_json", "the frame is not JSON");
  }
  return toEnvelope(value);
}

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
