import type { DocumentState } from "hubbub/collab";

/** What a document's state means to whoever writes in it. */
export function stateText(state: DocumentState): string {
  switch (state.phase) {
    case "opening":
      return "Opening…";
    case "saved":
      return "Saved";
    case "saving":
      return "Saving…";
    case "offline":
      return state.edits === 0 ? "Offline. Go on writing." : "Offline. Your edits are kept, and sent when you are back.";
    case "closed":
      return state.error?.message ?? "Closed";
  }
}
