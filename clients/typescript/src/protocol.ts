// Made from the types of the server (src/hubbub/protocol) by `make generate`: change it there.

/** Any JSON value, with numbers that JSON and Protobuf both carry exactly. */
export type FreeValue = null | boolean | number | string | FreeValue[] | { [name: string]: FreeValue };

/** The highest version of the protocol. */
export const VERSION = "1.2";

export const SUPPORTED_VERSIONS = ["1.0", "1.1", "1.2"] as const;

/** The largest integer that JSON in a browser and a Protobuf double both carry exactly. */
export const MAX_SAFE_INTEGER = 9007199254740991;

/** Levels of nesting; the envelope is the first. */
export const MAX_DEPTH = 16;

/** 9999-12-31T23:59:59.999Z in milliseconds, where `google.protobuf.Timestamp` ends. */
export const MAX_TIMESTAMP = 253402300799999;

/** Characters of a text. */
export const MAX_CONTENT = 4096;

/** Bytes of `metadata` as compact UTF-8 JSON. */
export const MAX_METADATA = 4096;

/** Bytes of one decoded `data` chunk. */
export const MAX_CHUNK = 32768;

/** Bytes of an id in a channel, and of a user's name. */
export const MAX_CHANNEL = 255;

/** Bytes of an inbound message, after joining fragments and inflating. */
export const MAX_MESSAGE = 65536;

/** Messages in one `history` answer. */
export const MAX_HISTORY = 300;

/** The server's error codes and their numbers. */
export const ERROR_NUMBERS = {
  invalid_json: 100,
  invalid_message: 101,
  invalid_channel: 102,
  unknown_type: 103,
  unsupported_version: 104,
  too_large: 105,
  unauthorized: 110,
  token_expired: 111,
  forbidden: 112,
  muted: 113,
  session_expired: 114,
  not_found: 120,
  already_joined: 121,
  not_joined: 122,
  room_full: 123,
  already_exists: 124,
  already_migrating: 125,
  rate_limited: 130,
  too_many_pending: 131,
  unavailable: 132,
  internal: 199,
} as const;

export type ServerErrorCode = keyof typeof ERROR_NUMBERS;

/**
 * A chat message: at most 4096 characters, and since 1.1 the users it mentions.
 *
 * No mentions and an empty list of them are the same, since Protobuf cannot tell them apart.
 */
export interface TextPayload {
  content: string;
  mentions?: string[];
}

/** A picture by its address; width and height in pixels. */
export interface ImagePayload {
  url: string;
  width: number;
  height: number;
}

/** A file by its address; size in bytes. */
export interface FilePayload {
  url: string;
  size: number;
  mimeType: string;
}

/** What a member does with a room. `position` and `ack` belong to a join; a null target is none. */
export interface CommandPayload {
  action: "join" | "kick" | "leave" | "mute" | "unmute";
  target?: string | null;
  position?: Position;
  ack?: boolean;
}

/** A place in a log: all up to `offset` was had; `epoch` tells a log that was lost and begun anew. */
export interface Position {
  epoch: string;
  offset: number;
}

/** Piece `index` of `count` of a large content: base64, at most 32 KiB decoded. Receivers join them. */
export interface DataPayload {
  transferId: string;
  index: number;
  count: number;
  mimeType: string;
  chunk: string;
}

export interface HelloPayload {
  token?: string;
  user?: string;
  profile?: Record<string, FreeValue>;
}

export interface WelcomePayload {
  user: string;
  node: string;
  heartbeat_ms: number;
  limits: Record<string, FreeValue>;
  positions: Record<string, Position>;
}

/** `ticket` is what a `migrate` gave: with it the session comes from the node that sent that. */
export interface RestoreSessionPayload {
  positions?: Record<string, Position>;
  token?: string;
  ticket?: string;
  attempt?: number;
}

export interface SessionRestoredPayload {
  channels: Record<string, Restored>;
}

export interface Restored {
  recovered: boolean;
  epoch: string;
  offset: number;
}

export interface RefreshPayload {
  token: string;
}

export interface MigratePayload {
  url: string;
  ticket: string;
  delay_ms: number;
  deadline_ms: number;
}

export interface SubscribePayload {
  position?: Position;
  ack?: boolean;
}

export interface UnsubscribePayload {
  subscriptionId?: string;
}

/** What an ack of a join or a subscribe tells. */
export interface AckPayload {
  epoch?: string;
  offset?: number;
  recovered?: boolean;
  count?: number;
  members?: string[];
  moderator?: boolean;
  subscriptionId?: string;
}

export interface PositionPayload {
  positions: Record<string, Position>;
}

/** These offsets, both inclusive, will not come; go on from `to`. */
export interface GapPayload {
  epoch: string;
  from: number;
  to: number;
  reason: string;
}

/** `at` asks for a document as it was at that revision; the answer has its `content`. */
export interface HistoryPayload {
  after?: number;
  before?: number;
  limit?: number;
  epoch?: string;
  complete?: boolean;
  at?: number;
  content?: string;
}

/** An event (`event`, `user`, `count`), or the answer to a query (`count`, `members`). */
export interface PresencePayload {
  event?: "join" | "leave";
  user?: string;
  count?: number;
  members?: string[];
}

export interface SystemPayload {
  content: string;
  level: string;
}

export interface ErrorPayload {
  number: number;
  field?: string;
  retry_after_ms?: number;
}

/** What a join of a document says: where its author was, who has what comes next sent and no `init`. */
export interface JoinPayload {
  position?: Position;
}

/**
 * How an opened document goes on: `recovered` says that all after the position that was given follows, without
 * an `init`. `seq` is the last operation that the document has of this author, 0 for none.
 */
export interface JoinedPayload {
  recovered: boolean;
  epoch: string;
  offset: number;
  seq: number;
}

export interface InitPayload {
  document: DocumentState;
  cursors: PlacedCursor[];
}

/** A document as it is. `transform` names the algebra of its operations. */
export interface DocumentState {
  content: string;
  revision: number;
  epoch: string;
  transform: string;
}

/** Somebody's cursor in an `init`. */
export interface PlacedCursor {
  clientId: string;
  user: string;
  cursor: Selection;
  revision: number;
  name?: string;
  colour?: string;
}

/** What is selected, in UTF-16 units; `head` is the end that moves. Where both are one it is a caret. */
export interface Selection {
  anchor: number;
  head: number;
}

/** An author's next operation, made at `revision` of an epoch. Sent again it has the same `seq`. */
export interface OperationPayload {
  operation: (number | (number | string)[])[];
  revision: number;
  seq: number;
  epoch?: string;
}

export interface OperationsPayload {
  operations: Entry[];
}

/** An operation in a document's log. Without `operation` it acknowledges the receiver's own. */
export interface Entry {
  revision: number;
  clientId: string;
  seq: number;
  operation?: (number | (number | string)[])[];
  user?: string;
  timestamp?: number;
}

/** Where somebody is in the document as it was at `revision`; null says that they have left. */
export interface CursorPayload {
  cursor: Selection | null;
  revision?: number;
  name?: string;
  colour?: string;
}

/** What every message may have, in both directions. */
export interface Envelope {
  messageId?: string;
  timestamp?: number;
  type: "text" | "image" | "file" | "command" | "data" | "hello" | "welcome" | "restore_session" | "session_restored" | "refresh" | "ping" | "pong" | "migrate" | "subscribe" | "unsubscribe" | "subscribed" | "unsubscribed" | "ack" | "position" | "gap" | "history" | "presence" | "system" | "error" | "join" | "joined" | "init" | "operation" | "operations" | "cursor";
  sender?: string;
  channel?: string;
  offset?: number;
  version?: string;
  payload?: Record<string, FreeValue>;
  metadata?: Record<string, FreeValue>;
}

export interface TextMessage extends Omit<Envelope, "messageId" | "payload" | "sender" | "timestamp" | "type"> {
  type: "text";
  messageId: string;
  timestamp: number;
  sender: string;
  payload?: TextPayload;
}

export interface ImageMessage extends Omit<Envelope, "messageId" | "payload" | "sender" | "timestamp" | "type"> {
  type: "image";
  messageId: string;
  timestamp: number;
  sender: string;
  payload?: ImagePayload;
}

export interface FileMessage extends Omit<Envelope, "messageId" | "payload" | "sender" | "timestamp" | "type"> {
  type: "file";
  messageId: string;
  timestamp: number;
  sender: string;
  payload?: FilePayload;
}

export interface CommandMessage extends Omit<Envelope, "messageId" | "payload" | "sender" | "timestamp" | "type"> {
  type: "command";
  messageId: string;
  timestamp: number;
  sender: string;
  payload?: CommandPayload;
}

export interface DataMessage extends Omit<Envelope, "messageId" | "payload" | "sender" | "timestamp" | "type"> {
  type: "data";
  messageId: string;
  timestamp: number;
  sender: string;
  payload?: DataPayload;
}

export interface HelloMessage extends Omit<Envelope, "payload" | "type"> {
  type: "hello";
  payload?: HelloPayload;
}

export interface WelcomeMessage extends Omit<Envelope, "connectionId" | "payload" | "sessionId" | "type"> {
  type: "welcome";
  payload: WelcomePayload;
  sessionId: string;
  connectionId: string;
}

export interface RestoreSessionMessage extends Omit<Envelope, "connectionId" | "payload" | "sessionId" | "type"> {
  type: "restore_session";
  payload?: RestoreSessionPayload;
  sessionId: string;
  connectionId?: string;
}

export interface SessionRestoredMessage extends Omit<Envelope, "connectionId" | "payload" | "sessionId" | "type"> {
  type: "session_restored";
  payload: SessionRestoredPayload;
  sessionId: string;
  connectionId: string;
}

export interface RefreshMessage extends Omit<Envelope, "payload" | "type"> {
  type: "refresh";
  payload: RefreshPayload;
}

export interface PingMessage extends Omit<Envelope, "payload" | "type"> {
  type: "ping";
  payload?: Record<string, FreeValue>;
}

export interface PongMessage extends Omit<Envelope, "payload" | "type"> {
  type: "pong";
  payload?: Record<string, FreeValue>;
}

export interface MigrateMessage extends Omit<Envelope, "payload" | "type"> {
  type: "migrate";
  payload: MigratePayload;
}

export interface SubscribeMessage extends Omit<Envelope, "payload" | "type"> {
  type: "subscribe";
  payload?: SubscribePayload;
}

export interface UnsubscribeMessage extends Omit<Envelope, "payload" | "type"> {
  type: "unsubscribe";
  payload?: UnsubscribePayload;
}

export interface SubscribedMessage extends Omit<Envelope, "payload" | "type"> {
  type: "subscribed";
  payload: Position;
}

export interface UnsubscribedMessage extends Omit<Envelope, "payload" | "type"> {
  type: "unsubscribed";
  payload?: Position;
}

export interface AckMessage extends Omit<Envelope, "epoch" | "payload" | "type"> {
  type: "ack";
  payload?: AckPayload;
  epoch?: string;
}

export interface PositionMessage extends Omit<Envelope, "payload" | "type"> {
  type: "position";
  payload: PositionPayload;
}

export interface GapMessage extends Omit<Envelope, "payload" | "type"> {
  type: "gap";
  payload: GapPayload;
}

export interface HistoryMessage extends Omit<Envelope, "messages" | "payload" | "type"> {
  type: "history";
  payload?: HistoryPayload;
  messages?: Envelope[];
}

export interface PresenceMessage extends Omit<Envelope, "payload" | "type"> {
  type: "presence";
  payload?: PresencePayload;
}

export interface SystemMessage extends Omit<Envelope, "payload" | "type"> {
  type: "system";
  payload: SystemPayload;
}

export interface ErrorMessage extends Omit<Envelope, "code" | "payload" | "reason" | "type"> {
  type: "error";
  payload?: ErrorPayload;
  code: string;
  reason: string;
}

export interface JoinMessage extends Omit<Envelope, "clientId" | "documentId" | "payload" | "type"> {
  type: "join";
  payload?: JoinPayload;
  documentId?: string;
  clientId?: string;
}

export interface JoinedMessage extends Omit<Envelope, "clientId" | "documentId" | "payload" | "type"> {
  type: "joined";
  payload: JoinedPayload;
  documentId?: string;
  clientId: string;
}

export interface InitMessage extends Omit<Envelope, "documentId" | "payload" | "type"> {
  type: "init";
  payload: InitPayload;
  documentId?: string;
}

export interface OperationMessage extends Omit<Envelope, "payload" | "type"> {
  type: "operation";
  payload: OperationPayload;
}

export interface OperationsMessage extends Omit<Envelope, "payload" | "type"> {
  type: "operations";
  payload: OperationsPayload;
}

export interface CursorMessage extends Omit<Envelope, "clientId" | "payload" | "type"> {
  type: "cursor";
  payload: CursorPayload;
  clientId?: string;
}

/** Every message of the protocol itself, told apart by `type`. */
export type ProtocolMessage =
  | TextMessage
  | ImageMessage
  | FileMessage
  | CommandMessage
  | DataMessage
  | HelloMessage
  | WelcomeMessage
  | RestoreSessionMessage
  | SessionRestoredMessage
  | RefreshMessage
  | PingMessage
  | PongMessage
  | MigrateMessage
  | SubscribeMessage
  | UnsubscribeMessage
  | SubscribedMessage
  | UnsubscribedMessage
  | AckMessage
  | PositionMessage
  | GapMessage
  | HistoryMessage
  | PresenceMessage
  | SystemMessage
  | ErrorMessage
  | JoinMessage
  | JoinedMessage
  | InitMessage
  | OperationMessage
  | OperationsMessage
  | CursorMessage;
