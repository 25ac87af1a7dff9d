import type { LinkOptions } from "./link.js";
import type { OutboxStore } from "./outgoing.js";
import type { RequestLimits } from "./requests.js";
import type { SessionOptions } from "./session.js";
import type { SessionStore } from "./store.js";

export interface ClientOptions extends LinkOptions, SessionOptions {
  /** Where the session outlives the page, as `sessionInTab()`. Without one a reload is a new session. */
  readonly sessionStore?: SessionStore;
  /** Where messages that wait for a connection outlive the page, as `outboxInBrowser()`. Otherwise in memory. */
  readonly outbox?: OutboxStore;
  readonly requests?: RequestLimits;
  /** Whether it follows the life of the page it runs in: online, shown, frozen, in the back/forward cache. */
  readonly followPage?: boolean;
}
