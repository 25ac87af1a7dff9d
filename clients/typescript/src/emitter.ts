export type Listener<T> = (event: T) => void;

/** Typed events. A listener that throws stops neither the others nor the caller. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Returns the function that takes the listener away again. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) {
      listeners = new Set();
      this.#listeners.set(name, listeners);
    }
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])] as Listener<Events[Name]>[]) {
      try {
        listener(event);
      } catch (error) {
        report(error);
      }
    }
  }
}

/** Leaves what a listener threw to the platform's report of uncaught errors, as it does for its own event targets. */
export function report(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
