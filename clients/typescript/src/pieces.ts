import { toBase64 } from "./base64.js";
import type { Metadata } from "./envelope.js";
import { newMessageId } from "./identifiers.js";
import type { Outgoing } from "./messages.js";
import { PIECE_BYTES } from "./transfers.js";

export interface ContentOptions {
  readonly mimeType: string;
  readonly metadata?: Metadata;
}

/** Content cut into `data` messages, each made when it is asked for. Empty content is one empty piece. */
export class Pieces {
  readonly count: number;
  readonly #transferId = newMessageId();

  constructor(
    private readonly bytes: Uint8Array,
    private readonly options: ContentOptions,
  ) {
    this.count = Math.max(1, Math.ceil(bytes.length / PIECE_BYTES));
  }

  at(index: number): Outgoing {
    const { mimeType, metadata } = this.options;
    const chunk = toBase64(this.bytes.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES));
    const payload = { transferId: this.#transferId, index, count: this.count, mimeType, chunk };
    return metadata === undefined ? { type: "data", payload } : { type: "data", payload, metadata };
  }
}
