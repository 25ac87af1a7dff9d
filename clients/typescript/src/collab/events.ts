import type { ChangeSet, Text } from "@codemirror/state";
import type { HubbubError } from "../errors.js";
import type { RemoteCursor } from "./cursors.js";
import type { DraftStore } from "./draft.js";

/** `opening` until the text is there; then whether everything typed is in the log. */
export type DocumentState =
  | { readonly phase: "opening" | "saved" | "saving" }
  | { readonly phase: "offline"; readonly edits: number }
  | { readonly phase: "closed"; readonly error?: HubbubError };

export interface DocumentEvents {
  state: DocumentState;
  /** The whole text is to be shown: at first, and after a merge. */
  reset: Text;
  /** Others edited: to be applied to the text that is seen, without being undone by this author. */
  remote: ChangeSet;
  cursors: readonly RemoteCursor[];
  /** Edits that the document will never take: they are no longer in the text, and the author should see them. */
  rejected: { readonly text: string; readonly error: HubbubError };
  /** The document went on without this author's text: pending edits were brought over to the new one. */
  merged: { readonly edits: number };
}

/** One change of a document: who made it, and when (milliseconds since 1970). */
export interface Version {
  readonly revision: number;
  readonly user: string;
  readonly timestamp: number;
}

export interface DocumentOptions {
  /** How the author is called, by default as the user of the connection. */
  readonly name?: string;
  /** `#rrggbb`; by default one that goes by the author's id. */
  readonly colour?: string;
  /** Where the author's id and unsent edits outlive the page, as `draftInTab(id)`. */
  readonly draft?: DraftStore;
}
