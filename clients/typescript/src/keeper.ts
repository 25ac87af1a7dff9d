import { isRecord } from "./envelope.js";
import type { SessionStore } from "./store.js";

/** What a client must know to come back to a session after its page, or its process, is gone. */
export interface Kept {
  readonly sessionId: string;
  readonly connectionId: string | undefined;
  /** Who the client asked to be; somebody else does not go on with this session. */
  readonly wanted: string | undefined;
  readonly user: string | undefined;
  /** Rooms and topics, and whether this user may moderate there. */
  readonly channels: readonly (readonly [channel: string, moderator: boolean])[];
  /** Channels that were left without the server having confirmed it. */
  readonly left: readonly string[];
}

/** Keeps one session in the application's store. It never fails: the worst is a new session after a reload. */
export class Keeper {
  #saved: string | undefined;

  constructor(private readonly store: SessionStore | undefined) {}

  load(): Kept | undefined {
    this.#saved = this.#stored();
    return this.#saved === undefined ? undefined : keptFrom(this.#saved);
  }

  save(kept: Kept): void {
    const value = JSON.stringify(kept);
    if (value === this.#saved) return;
    this.#saved = value;
    quietly(() => this.store?.save(value));
  }

  /** Forgets it. What somebody else has stored there since is theirs, and stays. */
  drop(): void {
    if (this.#saved !== undefined && this.#stored() === this.#saved) quietly(() => this.store?.clear());
    this.#saved = undefined;
  }

  #stored(): string | undefined {
    return quietly(() => this.store?.load());
  }
}

function keptFrom(text: string): Kept | undefined {
  const value = quietly<unknown>(() => JSON.parse(text));
  if (!isRecord(value)) return undefined;
  const { sessionId, connectionId, wanted, user, channels, left } = value;
  if (typeof sessionId !== "string" || sessionId === "") return undefined;
  return {
    sessionId,
    connectionId: textOf(connectionId),
    wanted: textOf(wanted),
    user: textOf(user),
    channels: Array.isArray(channels) ? channels.filter(isChannel) : [],
    left: Array.isArray(left) ? left.filter((channel) => typeof channel === "string") : [],
  };
}

function isChannel(value: unknown): value is [string, boolean] {
  return Array.isArray(value) && typeof value[0] === "string" && typeof value[1] === "boolean";
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function quietly<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
