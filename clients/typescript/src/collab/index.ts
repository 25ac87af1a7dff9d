export { draftInTab } from "./browser.js";
export { colourOf } from "./cursors.js";
export type { RemoteCursor } from "./cursors.js";
export { SharedDocument } from "./document.js";
export type { DraftStore } from "./draft.js";
export type { DocumentEvents, DocumentOptions, DocumentState, Version } from "./events.js";
export { differenceOf } from "./merging.js";
export { Pending, splitChanges } from "./pending.js";
export type { Entry, Flight } from "./pending.js";
