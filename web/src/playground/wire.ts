import { json } from "hubbub";
import type { Codec } from "hubbub";
import { protobuf } from "hubbub/protobuf";

export const CODECS = { json, protobuf };
export type CodecName = keyof typeof CODECS;

/** `note`: what happened to the connection. */
export type Direction = "out" | "in" | "note";

export interface Entry {
  readonly number: number;
  readonly at: number;
  readonly direction: Direction;
  readonly type: string;
  readonly channel: string;
  readonly offset: number | undefined;
  /** On the wire, in bytes. */
  readonly size: number;
  /** The message for a reader: JSON where it is any. */
  readonly text: string;
  /** The bytes, where they are no text. */
  readonly hex: string | undefined;
}

const MOST_ENTRIES = 500;

/** One plain WebSocket, and everything that went over it. Nothing is answered or repeated by itself. */
export class Wire {
  readonly entries: Entry[] = [];
  phase: "closed" | "connecting" | "open" = "closed";
  #socket: WebSocket | undefined;
  #codec: Codec = json;
  #count = 0;

  constructor(
    private readonly url: string,
    private readonly changed: () => void,
  ) {}

  connect(codec: CodecName): void {
    this.disconnect();
    this.#codec = CODECS[codec];
    const socket = new WebSocket(this.url, [this.#codec.subprotocol]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.phase = "connecting";
    socket.onopen = () => {
      this.phase = "open";
      this.#note(`Connected with ${socket.protocol}`);
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#log("in", data);
    socket.onclose = ({ code, reason }) => {
      if (this.#socket === socket) this.phase = "closed";
      this.#note(`Closed with ${code}${reason === "" ? "" : `: ${reason}`}`);
    };
    this.changed();
  }

  disconnect(): void {
    this.#socket?.close(1000);
  }

  /** Sends what is written, as it is. Throws `Error` where Protobuf has no form for it. */
  send(text: string): void {
    if (this.phase !== "open" || this.#socket === undefined) throw new Error("Connect first.");
    const data = this.#codec === json ? text : this.#codec.encode(JSON.parse(text) as never);
    this.#socket.send(data);
    this.#log("out", typeof data === "string" ? data : data.buffer);
  }

  clear(): void {
    this.entries.length = 0;
    this.changed();
  }

  #note(text: string): void {
    this.#add({ direction: "note", type: "", channel: "", offset: undefined, size: 0, text, hex: undefined });
  }

  #log(direction: Direction, data: string | ArrayBuffer): void {
    const size = typeof data === "string" ? new TextEncoder().encode(data).length : data.byteLength;
    const hex = typeof data === "string" ? undefined : hexOf(new Uint8Array(data));
    const { type = "", channel = "", offset, text } = this.#read(data);
    this.#add({ direction, type, channel, offset, size, text, hex });
  }

  #read(data: string | ArrayBuffer): { type?: string; channel?: string; offset?: number | undefined; text: string } {
    try {
      const message = this.#codec.decode(data);
      // As it is said, also what the client would leave out.
      const whole: unknown = typeof data === "string" ? JSON.parse(data) : message;
      const { type, channel = "", offset } = message;
      return { type, channel, offset, text: JSON.stringify(whole, null, 2) };
    } catch {
      return { type: "?", text: typeof data === "string" ? data : "no message" };
    }
  }

  #add(entry: Omit<Entry, "number" | "at">): void {
    this.#count += 1;
    this.entries.push({ ...entry, number: this.#count, at: Date.now() });
    if (this.entries.length > MOST_ENTRIES) this.entries.shift();
    this.changed();
  }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
