/** Protobuf's wire format (protobuf.dev/programming-guides/encoding), as far as this protocol needs it. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Writes fields in the order in which they are given. What proto3 cannot tell from nothing is left out. */
export class Writer {
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  /** A number that is not 0. Integers up to 2⁵³−1; negative ones are none of this protocol's. */
  uint(number: number, value: number): void {
    if (value !== 0) this.varint(number, value);
  }

  varint(number: number, value: number): void {
    this.#tag(number, VARINT);
    this.#varint(value);
  }

  double(number: number, value: number): void {
    this.#tag(number, FIXED64);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.#push(bytes);
  }

  /** A text that is not empty. */
  string(number: number, value: string): void {
    if (value !== "") this.always(number, value);
  }

  /** A text, also an empty one: where presence counts, or in a list. */
  always(number: number, value: string): void {
    this.#bytes(number, encoder.encode(value));
  }

  message(number: number, write: (inner: Writer) => void): void {
    const inner = new Writer();
    write(inner);
    this.#bytes(number, inner.finish());
  }

  finish(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#size);
    let start = 0;
    for (const part of this.#parts) {
      bytes.set(part, start);
      start += part.length;
    }
    return bytes;
  }

  #tag(number: number, kind: number): void {
    this.#varint(number * 8 + kind);
  }

  #bytes(number: number, bytes: Uint8Array): void {
    this.#tag(number, BYTES);
    this.#varint(bytes.length);
    this.#push(bytes);
  }

  #varint(value: number): void {
    const bytes: number[] = [];
    // Not by bits: they end at 2³², and offsets do not.
    for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
    bytes.push(value);
    this.#push(Uint8Array.from(bytes));
  }

  #push(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
  }
}

/** Reads fields one by one: every number from `fields` is to be followed by what takes or skips its value. */
export class Reader {
  #at = 0;
  #kind = 0;
  readonly #view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  *fields(): Generator<number, void> {
    while (this.#at < this.bytes.length) {
      const tag = this.#varint();
      this.#kind = tag % 8;
      const number = Math.floor(tag / 8);
      if (number === 0) throw new Error("there is no field 0");
      yield number;
    }
  }

  varint(): number {
    this.#expect(VARINT);
    return this.#varint();
  }

  double(): number {
    this.#expect(FIXED64);
    return this.#view.getFloat64(this.#advance(8), true);
  }

  string(): string {
    return decoder.decode(this.#chunk());
  }

  message(): Reader {
    return new Reader(this.#chunk());
  }

  skip(): void {
    if (this.#kind === VARINT) this.#varint();
    else if (this.#kind === FIXED64) this.#advance(8);
    else if (this.#kind === BYTES) this.#chunk();
    else if (this.#kind === FIXED32) this.#advance(4);
    else throw new Error(`wire type ${this.#kind} is of no use`);
  }

  #chunk(): Uint8Array {
    this.#expect(BYTES);
    const size = this.#varint();
    const start = this.#advance(size);
    return this.bytes.subarray(start, start + size);
  }

  /** Two's complement in 64 bits: what is beyond ±2⁵³ is not exact, and refused where it matters. */
  #varint(): number {
    let value = 0;
    let complement = 0;
    let factor = 1;
    for (let count = 0; count < 10; count += 1) {
      const byte = this.bytes[this.#at++];
      if (byte === undefined) throw new Error("it ends in the middle of a number");
      const bits = byte & 0x7f;
      // The tenth byte is the sign. A negative number is made of what its bits are not, which keeps small ones exact.
      if (count === 9 && byte === 1) return -complement - 1;
      value += bits * factor;
      complement += (0x7f - bits) * factor;
      factor *= 0x80;
      if (byte < 0x80) return value;
    }
    throw new Error("a number is too long");
  }

  #advance(size: number): number {
    const start = this.#at;
    if (size > this.bytes.length - start) throw new Error("it ends in the middle of a field");
    this.#at += size;
    return start;
  }

  #expect(kind: number): void {
    if (this.#kind !== kind) throw new Error("a field is of another kind");
  }
}
