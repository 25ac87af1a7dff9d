/**
 * Where a session outlives its page. The value is the client's own affair, and a secret: whoever has it is
 * this session. A store that throws keeps nothing.
 */
export interface SessionStore {
  load(): string | undefined;
  save(value: string): void;
  clear(): void;
}

/**
 * Keeps the session as long as the browser's tab, so that a page that reloads is the same session. A tab that is
 * duplicated takes the session over: the older one is closed with 4409.
 */
export function sessionInTab(key = "hubbub.session"): SessionStore {
  return {
    load: () => sessionStorage.getItem(key) ?? undefined,
    save: (value) => sessionStorage.setItem(key, value),
    clear: () => sessionStorage.removeItem(key),
  };
}
