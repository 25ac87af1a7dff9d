export { Client } from "./client.js";
export type { ClientOptions } from "./options.js";
export type { History, Joined, Members, PublishAck } from "./answers.js";
export type { BackoffOptions } from "./backoff.js";
export { covers, logOf } from "./channels.js";
export type { Closing } from "./closing.js";
export { json } from "./codec.js";
export type { Codec } from "./codec.js";
export type { Socket, SocketFactory } from "./connection.js";
export { Emitter } from "./emitter.js";
export type { Listener } from "./emitter.js";
export type { Envelope, Metadata, Payload } from "./envelope.js";
export {
  ConnectionClosed,
  HubbubError,
  MessagesMissed,
  NotConnected,
  OutcomeUnknown,
} from "./errors.js";
export type { ErrorCode, LocalErrorCode } from "./errors.js";
export type {
  ClientEvents,
  ConnectionState,
  Gap,
  Lost,
  Migrated,
  Presence,
  Removal,
  SystemNotice,
  Unrecovered,
} from "./events.js";
export type { LinkOptions } from "./link.js";
export type { SessionOptions } from "./session.js";
export { newMessageId } from "./identifiers.js";
export { isFile, isImage, isText } from "./messages.js";
export type { Message, Outgoing } from "./messages.js";
export type { OutboxStore } from "./outgoing.js";
export { VERSION } from "./protocol.js";
export type { FilePayload, ImagePayload, Position, ServerErrorCode, TextPayload } from "./protocol.js";
export type { EntryOptions, HistoryRange } from "./queries.js";
export type { RequestLimits } from "./requests.js";
export type { SessionStore } from "./store.js";
export type { CallbackListener, MessageCallback, MessageStream, StreamOptions } from "./stream.js";
export type { Token } from "./tokens.js";
