import type { Envelope } from "./envelope.js";
import type { OutboxStore } from "./outgoing.js";

const MESSAGES = "messages";
const PATIENCE_MS = 1_000;

/**
 * Keeps what waits for a connection in IndexedDB. It belongs to one user and one client at a time: a second tab with
 * the same name is refused, and keeps what waits in memory (where the page is no secure context nobody can tell).
 */
export function outboxInBrowser(name = "hubbub.outbox"): OutboxStore {
  const keys = new Map<string, IDBValidKey>();
  let database: Promise<IDBDatabase> | undefined;
  const transact = async <T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    database ??= opened(name);
    return resultOf(act((await database).transaction(MESSAGES, mode).objectStore(MESSAGES)));
  };
  return {
    async load() {
      if (!(await claimed(name))) throw new Error(`another tab has ${name}`);
      const [found, messages] = await Promise.all([
        transact("readonly", (store) => store.getAllKeys()),
        transact("readonly", (store) => store.getAll() as IDBRequest<Envelope[]>),
      ]);
      messages.forEach(({ messageId = "" }, index) => keys.set(messageId, found[index] ?? 0));
      return messages;
    },
    async add(message) {
      const key = await transact("readwrite", (store) => store.add(message));
      keys.set(message.messageId ?? "", key);
    },
    async remove(messageId) {
      const key = keys.get(messageId);
      if (key === undefined) return;
      keys.delete(messageId);
      await transact("readwrite", (store) => store.delete(key));
    },
  };
}

function opened(name: string): Promise<IDBDatabase> {
  const request = indexedDB.open(name, 1);
  // Keys grow, so that messages come back in their order.
  request.onupgradeneeded = () => void request.result.createObjectStore(MESSAGES, { autoIncrement: true });
  return resultOf(request);
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB failed"));
  });
}

/** Held as long as the page lives. */
function claimed(name: string): Promise<boolean> {
  const locks = (globalThis.navigator as Partial<Navigator> | undefined)?.locks;
  if (locks === undefined) return Promise.resolve(true);
  return new Promise((resolve) => {
    locks
      .request(name, { signal: AbortSignal.timeout(PATIENCE_MS) }, () => {
        resolve(true);
        return new Promise(() => undefined);
      })
      .catch(() => resolve(false));
  });
}
