import type { Joined } from "./answers.js";
import type { Closing } from "./closing.js";
import type { Envelope } from "./envelope.js";
import type { HubbubError } from "./errors.js";
import type { Message } from "./messages.js";
import type { Position } from "./positions.js";

/** `open` comes once the session is back in its rooms and topics; what is published before that waits for it. */
export type ConnectionState =
  | { readonly phase: "idle" }
  | { readonly phase: "connecting"; readonly attempt: number }
  | { readonly phase: "open" }
  | { readonly phase: "waiting"; readonly delayMs: number; readonly closing: Closing }
  /** The page is frozen or in the back/forward cache: it connects when it is shown again. */
  | { readonly phase: "asleep" }
  | { readonly phase: "closed"; readonly error: HubbubError | undefined };

export type Presence =
  | {
      readonly event: "join" | "leave";
      readonly channel: string;
      readonly user: string;
      readonly count: number | undefined;
    }
  | {
      readonly event: "members";
      readonly channel: string;
      readonly members: readonly string[];
      readonly count: number;
    };

export interface SystemNotice {
  readonly content: string;
  readonly level: string;
  /** Absent where the notice concerns the user rather than a room. */
  readonly channel: string | undefined;
  readonly timestamp: number;
}

/** A range of a log, both ends included, that will not come. */
export interface Gap {
  readonly log: string;
  readonly epoch: string | undefined;
  readonly from: number | undefined;
  readonly to: number;
  readonly reason: string;
}

/** The log could not be taken up where it was left: something may be missing. Delivery goes on after `offset`. */
export interface Unrecovered {
  readonly channel: string;
  readonly epoch: string;
  readonly offset: number;
  /** Where this client had read to; undefined where it had not. */
  readonly before: Position | undefined;
}

/** The server asked to go on at another node. `moved`: it does; otherwise it stayed where it was. */
export interface Migrated {
  readonly url: string;
  readonly moved: boolean;
}

/** A message that the outbox had from an earlier page or process was not published. */
export interface Lost {
  readonly message: Envelope;
  readonly error: HubbubError;
}

/** The server took this session out of a room or topic, also while it was away, or did not let it in again. */
export interface Removal {
  readonly channel: string;
  readonly error: HubbubError | undefined;
}

export interface ClientEvents {
  state: ConnectionState;
  message: Message;
  presence: Presence;
  system: SystemNotice;
  gap: Gap;
  unrecovered: Unrecovered;
  /** The room was lost with the session, and is joined again. Its members and this user's rights may be others. */
  rejoined: Joined;
  removed: Removal;
  /** The server put this session into a channel by itself, or a join without an answer had succeeded. */
  subscribed: { readonly channel: string };
  /** A message that this client makes nothing of, as those of documents. */
  other: Envelope;
  migrated: Migrated;
  lost: Lost;
  /** An error that answers no request. */
  error: HubbubError;
}
