import { isRecord } from "./envelope.js";
import type { SessionStore } from "./store.js";

/** What a client must know to come back to a session after its page, or its process, is gone. */
export interface Kept {
  readonly sessionId: string;
  readonly connectionId: string | undefined;
  /** Who the client asked to be; somebody else does not go on with this session. */
  readonly wanted: string | undefined;
  readonly user: string | undefined;
  /** Rooms and topics, whether this user may moderate there, and whether the server awaits acks. */
  readonly channels: readonly (readonly [channel: string, moderator: boolean, ack?: boolean])[];
  /** Channels that were left without the server having confirmed it. */
  readonly left: readonly string[];
}

/** Keeps one session in the application's store. It never fails: the worst is a new session after a reload. */
export class Keeper {
  #saved: string | undefined;

  constructor(private readonly store: SessionStore | undefined) {}

  load(): Kept | undefined {
    this.#saved = quietly(() => this.store?.load());
    return this.#saved === undefined ? undefined : keptFrom(this.#saved);
  }

  /** Whether there is somebody to ask. */
  get asks(): boolean {
    return this.store?.isTaken !== undefined;
  }

  /** Whether the session is another one's that lives, as when a tab was duplicated. */
  async isTaken({ sessionId }: Kept): Promise<boolean> {
    return (await quietly(() => this.store?.isTaken?.(sessionId))) === true;
  }

  save(kept: Kept): void {
    const value = JSON.stringify(kept);
    if (value === this.#saved) return;
    this.#saved = value;
    quietly(() => this.store?.save(value, kept.sessionId));
  }

  /** Forgets it. What somebody else has stored there since is theirs, and stays. */
  drop(): void {
    const stored = quietly(() => this.store?.load());
    if (this.#saved !== undefined && stored === this.#saved) quietly(() => this.store?.clear());
    this.#saved = undefined;
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

function isChannel(value: unknown): value is [string, boolean, boolean?] {
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
