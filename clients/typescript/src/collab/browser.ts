import type { DraftStore } from "./draft.js";

/**
 * Keeps an author's id and unsent edits in this tab (`sessionStorage`): a reload loses nothing, and two tabs are two
 * authors. A tab that was duplicated begins as a new author.
 */
export function draftInTab(document: string, storage: Storage = sessionStorage): DraftStore {
  const key = `hubbub.draft.${document}`;
  return {
    load: () => storage.getItem(key),
    save: (draft) => {
      try {
        storage.setItem(key, draft);
      } catch {
        // Full, or forbidden: then the page alone has it.
      }
    },
    clear: () => storage.removeItem(key),
  };
}
