/** Content larger than a message, in pieces: an entry point of its own. */
import type { PublishAck } from "./answers.js";
import type { Client } from "./client.js";
import { Emitter } from "./emitter.js";
import type { Listener } from "./emitter.js";
import type { Message } from "./messages.js";
import { Pieces } from "./pieces.js";
import type { ContentOptions } from "./pieces.js";
import { Transfers } from "./transfers.js";
import type { Content, TransferFailed, TransferLimits } from "./transfers.js";

export type { ContentOptions } from "./pieces.js";
export { TransferFailed } from "./transfers.js";
export type { Content, TransferLimits } from "./transfers.js";

export interface ContentEvents {
  content: Content;
  failed: TransferFailed;
}

/** Publishes a client's content in pieces, and joins the pieces that come to it. */
export class Contents {
  readonly #events = new Emitter<ContentEvents>();
  readonly #transfers: Transfers;
  readonly #stop: () => void;

  constructor(
    private readonly client: Client,
    limits: TransferLimits = {},
  ) {
    this.#transfers = new Transfers(
      (content) => this.#events.emit("content", content),
      (error) => this.#events.emit("failed", error),
      limits,
    );
    this.#stop = client.on("message", (message) => {
      if (message.type === "data") this.#transfers.take(message);
    });
  }

  on<Name extends keyof ContentEvents>(name: Name, listener: Listener<ContentEvents[Name]>): () => void {
    return this.#events.on(name, listener);
  }

  /** The pieces are kept like messages: mind the log's retention. Resolves with the ack of the last. */
  async publish(channel: string, bytes: Uint8Array, options: ContentOptions): Promise<PublishAck> {
    const pieces = new Pieces(bytes, options);
    let ack = await this.client.publish(channel, pieces.at(0));
    for (let index = 1; index < pieces.count; index += 1) ack = await this.client.publish(channel, pieces.at(index));
    return ack;
  }

  /** Hears no more, and lets go of what is not whole. */
  close(): void {
    this.#stop();
    this.#transfers.clear();
  }
}

/** Messages as they come, but pieces joined: such a message's payload is a `Content`. Failed ones are left out. */
export async function* joined(
  messages: AsyncIterable<Message>,
  limits: TransferLimits = {},
): AsyncGenerator<Message, void> {
  const transfers = new Transfers(
    () => undefined,
    () => undefined,
    limits,
  );
  try {
    for await (const message of messages) {
      if (message.type !== "data") yield message;
      else {
        const content = transfers.take(message);
        if (content !== undefined) yield { ...message, payload: { ...content } };
      }
    }
  } finally {
    transfers.clear();
  }
}
