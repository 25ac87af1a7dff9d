/**
 * Where a session outlives its page. The value is the client's own affair, and a secret: whoever has it is
 * this session. A store that throws keeps nothing.
 */
export interface SessionStore {
  load(): string | undefined;
  save(value: string, sessionId: string): void;
  clear(): void;
  /** Whether somebody else goes on with this session right now: then it is left to them. */
  isTaken?(sessionId: string): Promise<boolean>;
}
