import { ChangeSet } from "@codemirror/state";
import { isRecord } from "../envelope.js";
import { textOf } from "./merging.js";
import { Pending } from "./pending.js";

/** Where an author's id and unsent edits outlive the page. One document each; it must not be shared by two tabs. */
export interface DraftStore {
  load(): string | null;
  save(draft: string): void;
  clear(): void;
}

/** What brings an author back after a reload: who it is, the text it had, and what of it is not in the log. */
export function packDraft(pending: Pending, epoch: string): string {
  const { clientId, seq, revision, flight, buffer } = pending;
  return JSON.stringify({
    clientId,
    epoch,
    revision,
    seq,
    base: pending.isEmpty ? undefined : pending.base.toString(),
    flight: flight === undefined ? undefined : { ...flight, changes: flight.changes.toJSON() },
    buffer: buffer?.toJSON(),
  });
}

/** A draft that cannot be read is none. Without edits there is no text in it, and only the author comes back. */
export function unpackDraft(draft: string | null): { readonly pending: Pending; readonly epoch: string } | undefined {
  if (draft === null) return undefined;
  try {
    const value: unknown = JSON.parse(draft);
    if (!isRecord(value)) return undefined;
    const { clientId, epoch, revision, seq, base, flight, buffer } = value;
    if (typeof clientId !== "string" || typeof epoch !== "string") return undefined;
    if (typeof revision !== "number" || typeof seq !== "number") return undefined;
    const known = typeof base === "string";
    const pending = new Pending(clientId, textOf(known ? base : ""), known ? revision : 0, seq);
    if (!known) return { pending, epoch: "" };
    if (isRecord(flight)) {
      pending.flight = {
        seq: Number(flight["seq"]),
        revision: Number(flight["revision"]),
        operation: flight["operation"],
        changes: ChangeSet.fromJSON(flight["changes"]),
      };
    }
    if (buffer !== undefined) pending.buffer = ChangeSet.fromJSON(buffer);
    // What does not fit its own text is of no use.
    void pending.text;
    return { pending, epoch };
  } catch {
    return undefined;
  }
}
