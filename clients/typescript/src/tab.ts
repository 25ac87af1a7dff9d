import type { SessionStore } from "./store.js";

/** How long a page that has the session may take to say so. It answers from its event loop: milliseconds. */
const ANSWER_MS = 150;

/**
 * Keeps the session as long as the browser's tab, so that a page that reloads is the same session.
 *
 * A tab that is duplicated starts with a copy of everything the first one kept. It asks whether the first one lives
 * (by a `BroadcastChannel`), and begins a session of its own if so. A page that is frozen does not answer: then the
 * newer one takes the session over, and the older one is told with close code 4409 and stays closed.
 */
export function sessionInTab(key = "hubbub.session"): SessionStore {
  let mine: string | undefined;
  let channel: BroadcastChannel | undefined;
  const open = (): BroadcastChannel | undefined => {
    if (channel !== undefined || typeof BroadcastChannel === "undefined") return channel;
    channel = new BroadcastChannel(key);
    channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (mine !== undefined && data === question(mine)) channel?.postMessage(answer(mine));
    });
    return channel;
  };
  return {
    load: () => sessionStorage.getItem(key) ?? undefined,
    save: (value, sessionId) => {
      sessionStorage.setItem(key, value);
      mine = sessionId;
      open();
    },
    clear: () => {
      sessionStorage.removeItem(key);
      mine = undefined;
      channel?.close();
      channel = undefined;
    },
    isTaken: (sessionId) =>
      new Promise((resolve) => {
        const asked = open();
        if (asked === undefined) {
          resolve(false);
          return;
        }
        const timer = setTimeout(() => resolve(false), ANSWER_MS);
        const heard = ({ data }: MessageEvent<unknown>): void => {
          if (data !== answer(sessionId)) return;
          clearTimeout(timer);
          resolve(true);
        };
        asked.addEventListener("message", heard, { signal: AbortSignal.timeout(ANSWER_MS) });
        asked.postMessage(question(sessionId));
      }),
  };
}

const question = (sessionId: string): string => `who has ${sessionId}`;
const answer = (sessionId: string): string => `I have ${sessionId}`;
