import { fromBase64 } from "./base64.js";
import { isRecord } from "./envelope.js";
import type { Metadata } from "./envelope.js";
import { HubbubError } from "./errors.js";
import type { Message } from "./messages.js";

/** The largest piece the protocol allows, before base64. */
export const PIECE_BYTES = 32 * 1024;

export class TransferFailed extends HubbubError {
  override readonly name = "TransferFailed";

  constructor(
    reason: string,
    readonly transferId: string,
  ) {
    super("transfer_failed", reason);
  }
}

export interface TransferLimits {
  /** What all unfinished transfers may hold together. */
  readonly maximumBytes?: number;
  readonly maximumOpen?: number;
  /** How long a transfer may go without its next piece. */
  readonly patienceMs?: number;
}

/** Content that came in pieces, whole again. `offset` is that of the piece that completed it. */
export interface Content {
  readonly transferId: string;
  readonly channel: string;
  readonly sender: string;
  readonly timestamp: number;
  readonly offset: number | undefined;
  readonly mimeType: string;
  readonly metadata: Metadata;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Piece {
  readonly transferId: string;
  readonly index: number;
  readonly count: number;
  readonly mimeType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

interface Transfer {
  readonly transferId: string;
  readonly count: number;
  readonly mimeType: string;
  readonly pieces: Map<number, Uint8Array<ArrayBuffer>>;
  size: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Enough to remember who was refused lately, without a sender being able to make it grow. */
const REMEMBERED_FAILURES = 256;

/** Joins `data` messages. Whoever sends them is not trusted: size, number and time are bounded. */
export class Transfers {
  readonly #maximumBytes: number;
  readonly #maximumOpen: number;
  readonly #patienceMs: number;
  readonly #open = new Map<string, Transfer>();
  readonly #failed = new Set<string>();
  #held = 0;

  constructor(
    private readonly completed: (content: Content) => void,
    private readonly failed: (error: TransferFailed) => void,
    limits: TransferLimits = {},
  ) {
    this.#maximumBytes = limits.maximumBytes ?? 16 * 1024 * 1024;
    this.#maximumOpen = limits.maximumOpen ?? 32;
    this.#patienceMs = limits.patienceMs ?? 30_000;
  }

  /** Takes a piece. Returns the content if it was the last that was missing. */
  take(message: Message): Content | undefined {
    const transferId = String(message.payload["transferId"] ?? "");
    const key = JSON.stringify([message.channel, message.sender, transferId]);
    if (this.#failed.has(key)) return undefined;
    const piece = pieceFrom(message.payload);
    if (piece === undefined) {
      this.#fail(key, transferId, "a piece is not what the protocol says");
      return undefined;
    }
    const transfer = this.#open.get(key) ?? this.#begin(key, piece);
    if (piece.count !== transfer.count || piece.mimeType !== transfer.mimeType) {
      this.#fail(key, transferId, "its pieces contradict each other");
      return undefined;
    }
    if (transfer.pieces.has(piece.index)) return undefined;
    if (this.#held + piece.bytes.length > this.#maximumBytes) {
      this.#fail(key, transferId, "it is larger than what may be held");
      return undefined;
    }
    transfer.pieces.set(piece.index, piece.bytes);
    transfer.size += piece.bytes.length;
    this.#held += piece.bytes.length;
    if (transfer.pieces.size < transfer.count) {
      this.#watch(key, transfer);
      return undefined;
    }
    this.#close(key);
    const content = contentOf(transfer, message);
    this.completed(content);
    return content;
  }

  clear(): void {
    for (const key of [...this.#open.keys()]) this.#close(key);
    this.#failed.clear();
  }

  #begin(key: string, piece: Piece): Transfer {
    const [oldest] = this.#open;
    if (oldest !== undefined && this.#open.size >= this.#maximumOpen) {
      this.#fail(oldest[0], oldest[1].transferId, "too many were open at once");
    }
    const { transferId, count, mimeType } = piece;
    const transfer: Transfer = { transferId, count, mimeType, pieces: new Map(), size: 0, timer: undefined };
    this.#open.set(key, transfer);
    return transfer;
  }

  #watch(key: string, transfer: Transfer): void {
    clearTimeout(transfer.timer);
    transfer.timer = setTimeout(() => {
      this.#fail(key, transfer.transferId, "its next piece did not come in time");
    }, this.#patienceMs);
  }

  #close(key: string): void {
    const transfer = this.#open.get(key);
    if (transfer === undefined) return;
    clearTimeout(transfer.timer);
    this.#held -= transfer.size;
    this.#open.delete(key);
  }

  #fail(key: string, transferId: string, reason: string): void {
    this.#close(key);
    const [oldest] = this.#failed;
    if (oldest !== undefined && this.#failed.size >= REMEMBERED_FAILURES) this.#failed.delete(oldest);
    // Pieces still under way would otherwise begin a transfer that can never be whole.
    this.#failed.add(key);
    this.failed(new TransferFailed(reason, transferId));
  }
}

function pieceFrom(payload: unknown): Piece | undefined {
  if (!isRecord(payload)) return undefined;
  const { transferId, index, count, mimeType, chunk } = payload;
  if (typeof transferId !== "string" || typeof mimeType !== "string" || typeof chunk !== "string") {
    return undefined;
  }
  if (!isWhole(index) || !isWhole(count) || index >= count) return undefined;
  const bytes = fromBase64(chunk);
  if (bytes === undefined || bytes.length > PIECE_BYTES) return undefined;
  // Empty pieces cost no bytes, so the bound on bytes would not bound their number.
  if (bytes.length === 0 && count > 1) return undefined;
  return { transferId, index, count, mimeType, bytes };
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function contentOf(transfer: Transfer, last: Message): Content {
  const bytes = new Uint8Array(transfer.size);
  let start = 0;
  for (let index = 0; index < transfer.count; index += 1) {
    const piece = transfer.pieces.get(index);
    if (piece === undefined) continue;
    bytes.set(piece, start);
    start += piece.length;
  }
  const { channel, sender, timestamp, offset, metadata } = last;
  const { transferId, mimeType } = transfer;
  return { transferId, channel, sender, timestamp, offset, mimeType, metadata, bytes };
}
