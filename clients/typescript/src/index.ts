export { Client } from "./client.js";
export type { ClientOptions } from "./client.js";
export type { History, Joined, Members, PublishAck } from "./answers.js";
export { covers, logOf } from "./channels.js";
export type { Closing } from "./closing.js";
export type { Socket, SocketFactory } from "./connection.js";
export { Emitter } from "./emitter.js";
export type { Listener } from "./emitter.js";
export type { Envelope, Metadata, Payload } from "./envelope.js";
export {
  ConnectionClosed,
  ERROR_NUMBERS,
  HubbubError,
  NotConnected,
  OutcomeUnknown,
  TransferFailed,
} from "./errors.js";
export type { ErrorCode, LocalErrorCode, ServerErrorCode } from "./errors.js";
export type {
  ChannelEvents,
  ClientEvents,
  ConnectionState,
  Gap,
  Presence,
  Removal,
  SystemNotice,
  Unrecovered,
} from "./events.js";
export { newMessageId } from "./identifiers.js";
export { isFile, isImage, isText } from "./messages.js";
export type { FilePayload, ImagePayload, Message, Outgoing, TextPayload } from "./messages.js";
export type { ContentOptions } from "./pieces.js";
export type { Position } from "./positions.js";
export type { HistoryRange } from "./queries.js";
export type { RequestLimits } from "./requests.js";
export { VERSION } from "./session.js";
export { sessionInTab } from "./store.js";
export type { SessionStore } from "./store.js";
export type { Subscription } from "./subscription.js";
export type { Content, TransferLimits } from "./transfers.js";
