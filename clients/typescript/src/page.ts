/** What a page's life asks of a connection. */
export interface Sleeper {
  wake(): void;
  probe(): void;
  sleep(): void;
}

/**
 * Follows the page that this runs in: it wakes where the machine is online again or somebody looks at the page, and
 * sleeps where the page is frozen or goes into the back/forward cache. Does nothing where there is no page. Returns
 * what ends it.
 */
export function followPage(sleeper: Sleeper): () => void {
  if (typeof addEventListener !== "function") return () => undefined;
  const following = new AbortController();
  const on = (target: EventTarget, name: string, act: (event: PageTransitionEvent) => unknown): void =>
    target.addEventListener(name, act as EventListener, following);
  const scope = globalThis as unknown as EventTarget;
  on(scope, "online", () => sleeper.wake());
  // A machine that says so may be wrong, as with a hub of its own: only silence is believed.
  on(scope, "offline", () => sleeper.probe());
  if (typeof document !== "undefined") {
    on(scope, "pagehide", ({ persisted }) => persisted && sleeper.sleep());
    on(scope, "pageshow", ({ persisted }) => persisted && sleeper.wake());
    on(document, "freeze", () => sleeper.sleep());
    on(document, "resume", () => sleeper.wake());
    on(document, "visibilitychange", () => document.visibilityState === "visible" && sleeper.wake());
  }
  return () => following.abort();
}
