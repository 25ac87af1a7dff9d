/**
 * The Protobuf codec, an entry point of its own: `new Client(url, { codec: protobuf })`.
 *
 * Written by hand for the one message of `websocket.proto`: its decoder knows every field, skips those that it does not
 * know, and refuses what is no `WebSocketMessage`.
 */
import type { Codec } from "./codec.js";
import { isRecord, toEnvelope } from "./envelope.js";
import type { Envelope, Payload } from "./envelope.js";
import { HubbubError } from "./errors.js";
import { Reader, Writer } from "./wire.js";

const TYPES = ["text", "image", "file", "command"];
const ACTIONS = ["join", "leave", "mute", "kick", "unmute"];

/** The plain strings of the envelope, by field number. */
const STRINGS: readonly (readonly [number, keyof Envelope])[] = [
  [1, "messageId"],
  [4, "sender"],
  [10, "version"],
  [11, "channel"],
  [16, "sessionId"],
  [17, "connectionId"],
  [18, "clientId"],
  [19, "documentId"],
  [20, "code"],
  [21, "reason"],
  [22, "epoch"],
];
const STRING_AT = new Map(STRINGS);
/** Levels of messages in messages: a peer must not exhaust the stack. */
const DEEPEST = 100;

export const protobuf: Codec = {
  subprotocol: "hubbub.protobuf",
  encode: (envelope) => writeEnvelope(new Writer(), envelope).finish(),
  decode(frame) {
    if (!(frame instanceof ArrayBuffer)) throw new HubbubError("invalid_message", "a binary frame was expected");
    try {
      return toEnvelope(readEnvelope(new Reader(new Uint8Array(frame)), 0));
    } catch (error) {
      if (error instanceof HubbubError) throw error;
      throw new HubbubError("invalid_message", `the frame is no WebSocketMessage: ${String(error)}`);
    }
  },
};

// --- Writing ------------------------------------------------------------------------------------------------

function writeEnvelope(writer: Writer, envelope: Envelope): Writer {
  const { type, timestamp, offset, payload, metadata, messages = [] } = envelope;
  const known = TYPES.indexOf(type);
  const string = (number: number): void => {
    const name = STRING_AT.get(number);
    if (name !== undefined) writer.string(number, String(envelope[name] ?? ""));
  };
  string(1);
  if (timestamp !== undefined) {
    writer.message(2, (inner) => {
      inner.uint(1, Math.floor(timestamp / 1_000));
      inner.uint(2, (timestamp % 1_000) * 1_000_000);
    });
  }
  writer.uint(3, Math.max(known, 0));
  string(4);
  if (payload !== undefined && known >= 0) writer.message(known + 5, (inner) => writePayload(inner, type, payload));
  for (const [key, value] of Object.entries(metadata ?? {})) {
    writer.message(9, (inner) => {
      inner.always(1, key);
      inner.always(2, typeof value === "string" ? value : JSON.stringify(value));
    });
  }
  string(10);
  string(11);
  writer.uint(12, offset ?? 0);
  if (known < 0) writer.string(13, type);
  if (payload !== undefined && known < 0) writer.message(14, (inner) => writeStruct(inner, payload));
  for (const message of messages) writer.message(15, (inner) => writeEnvelope(inner, message));
  for (const [number] of STRINGS) if (number >= 16) string(number);
  return writer;
}

function writePayload(writer: Writer, type: string, payload: Payload): void {
  const text = (number: number, name: string): void => writer.string(number, String(payload[name] ?? ""));
  const integer = (number: number, name: string): void => writer.uint(number, Number(payload[name] ?? 0));
  if (type === "text") {
    text(1, "content");
    const { mentions } = payload;
    for (const user of Array.isArray(mentions) ? mentions : []) writer.always(2, String(user));
  } else if (type === "image") {
    text(1, "url");
    integer(2, "width");
    integer(3, "height");
  } else if (type === "file") {
    text(1, "url");
    integer(2, "size");
    text(3, "mimeType");
  } else {
    writeCommand(writer, payload);
  }
}

function writeCommand(writer: Writer, { action, target, position, ack }: Payload): void {
  writer.uint(1, ACTIONS.indexOf(String(action)));
  if (typeof target === "string") writer.always(2, target);
  const options = Object.entries({ ack, position }).filter(([, value]) => value !== undefined);
  if (options.length > 0) writer.message(3, (inner) => writeStruct(inner, Object.fromEntries(options)));
}

function writeStruct(writer: Writer, fields: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    writer.message(1, (entry) => {
      entry.always(1, key);
      entry.message(2, (inner) => writeValue(inner, value));
    });
  }
}

function writeValue(writer: Writer, value: unknown): void {
  if (typeof value === "number") writer.double(2, value);
  else if (typeof value === "string") writer.always(3, value);
  else if (typeof value === "boolean") writer.varint(4, value ? 1 : 0);
  else if (Array.isArray(value)) {
    writer.message(6, (list) => {
      for (const item of value) list.message(1, (inner) => writeValue(inner, item));
    });
  } else if (isRecord(value)) writer.message(5, (struct) => writeStruct(struct, value));
  else writer.varint(1, 0);
}

// --- Reading ------------------------------------------------------------------------------------------------

function readEnvelope(reader: Reader, depth: number): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  const messages: unknown[] = [];
  let type = 0;
  let name = "";
  let payload: [number, Payload] | undefined;
  for (const number of reader.fields()) {
    const field = STRING_AT.get(number);
    if (field !== undefined) value[field] = reader.string() || undefined;
    else if (number === 2) value["timestamp"] = readTimestamp(reader.message());
    else if (number === 3) type = reader.varint();
    else if (number >= 5 && number <= 8) payload = [number, readPayload(reader.message(), number, depth + 1)];
    else if (number === 9) readEntry(reader.message(), (value["metadata"] ??= {}) as Payload);
    else if (number === 12) value["offset"] = reader.varint() || undefined;
    else if (number === 13) name = reader.string();
    else if (number === 14) payload = [number, readStruct(reader.message(), depth + 1)];
    else if (number === 15) messages.push(readEnvelope(reader.message(), deeper(depth)));
    else reader.skip();
  }
  const known = name === "" ? TYPES[type] : undefined;
  if (known === undefined && name === "") throw new Error(`nobody knows type ${type}`);
  value["type"] = known ?? name;
  if (payload !== undefined) {
    if (payload[0] !== (known === undefined ? 14 : type + 5)) throw new Error("the payload is of another type");
    value["payload"] = payload[1];
  }
  if (name === "error") value["reason"] ??= "";
  // An answer, possibly of no messages, which proto3 cannot tell from a question by itself.
  if (name === "history" && (messages.length > 0 || "complete" in (payload?.[1] ?? {}))) value["messages"] = messages;
  return value;
}

function readTimestamp(reader: Reader): number {
  let seconds = 0;
  let nanos = 0;
  for (const number of reader.fields()) {
    if (number === 1) seconds = reader.varint();
    else if (number === 2) nanos = reader.varint();
    else reader.skip();
  }
  return seconds * 1_000 + Math.floor(nanos / 1_000_000);
}

function readEntry(reader: Reader, into: Payload): void {
  let key = "";
  let value = "";
  for (const number of reader.fields()) {
    if (number === 1) key = reader.string();
    else if (number === 2) value = reader.string();
    else reader.skip();
  }
  put(into, key, value);
}

function readPayload(reader: Reader, kind: number, depth: number): Payload {
  let mentions: string[] = [];
  const value: Payload = [
    { content: "", mentions: "" },
    { url: "", width: 0, height: 0 },
    { url: "", size: 0, mimeType: "" },
    { action: ACTIONS[0], target: "" },
  ][kind - 5] as Payload;
  const names = Object.keys(value);
  // What is optional is there when it comes.
  delete value["mentions"];
  delete value["target"];
  for (const number of reader.fields()) {
    const name = names[number - 1];
    if (kind === 8 && number === 1) value["action"] = ACTIONS[reader.varint()] ?? "unknown";
    else if (kind === 8 && number === 3) Object.assign(value, readStruct(reader.message(), depth));
    else if (name === undefined) reader.skip();
    else if (name === "mentions") value[name] = mentions = [...mentions, reader.string()];
    else value[name] = typeof value[name] === "number" ? reader.varint() : reader.string();
  }
  return value;
}

function readStruct(reader: Reader, depth: number): Payload {
  const struct: Payload = {};
  for (const number of reader.fields()) {
    if (number !== 1) {
      reader.skip();
      continue;
    }
    let key = "";
    let value: unknown = null;
    const entry = reader.message();
    for (const part of entry.fields()) {
      if (part === 1) key = entry.string();
      else if (part === 2) value = readValue(entry.message(), deeper(depth));
      else entry.skip();
    }
    put(struct, key, value);
  }
  return struct;
}

function readValue(reader: Reader, depth: number): unknown {
  let value: unknown = null;
  for (const number of reader.fields()) {
    if (number === 1) {
      reader.varint();
      value = null;
    } else if (number === 2) value = reader.double();
    else if (number === 3) value = reader.string();
    else if (number === 4) value = reader.varint() !== 0;
    else if (number === 5) value = readStruct(reader.message(), depth);
    else if (number === 6) value = readList(reader.message(), depth);
    else reader.skip();
  }
  return value;
}

function readList(reader: Reader, depth: number): unknown[] {
  const list: unknown[] = [];
  for (const number of reader.fields()) {
    if (number === 1) list.push(readValue(reader.message(), deeper(depth)));
    else reader.skip();
  }
  return list;
}

function deeper(depth: number): number {
  if (depth >= DEEPEST) throw new Error("it nests too deeply");
  return depth + 1;
}

/** Also where the key is `__proto__`, which an assignment would take for something else. */
function put(into: Payload, key: string, value: unknown): void {
  Object.defineProperty(into, key, { value, writable: true, enumerable: true, configurable: true });
}
