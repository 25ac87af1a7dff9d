/** What outlives a page in its browser: an entry point of its own, for pages. */
export { outboxInBrowser } from "./outbox.js";
export { sessionInTab } from "./tab.js";
