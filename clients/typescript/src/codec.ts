import { toEnvelope } from "./envelope.js";
import type { Envelope } from "./envelope.js";
import { HubbubError } from "./errors.js";

/** How messages are written on the wire. */
export interface Codec {
  readonly subprotocol: string;
  encode(envelope: Envelope): string | Uint8Array<ArrayBuffer>;
  /** `frame` is a string, or an `ArrayBuffer` of a binary frame. Throws `HubbubError` for what is no envelope. */
  decode(frame: unknown): Envelope;
}

/** One JSON object a text frame. */
export const json: Codec = {
  subprotocol: "hubbub.json",
  encode: (envelope) => JSON.stringify(envelope),
  decode(frame) {
    if (typeof frame !== "string") throw new HubbubError("invalid_json", "a text frame was expected");
    let value: unknown;
    try {
      value = JSON.parse(frame);
    } catch {
      throw new HubbubError("invalid_json", "the frame is not JSON");
    }
    return toEnvelope(value);
  },
};
