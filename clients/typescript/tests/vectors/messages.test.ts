/** Every type of message in both codecs, as the golden vectors have it. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { fromBase64, toBase64 } from "../../src/base64.js";
import { json } from "../../src/codec.js";
import type { Envelope } from "../../src/envelope.js";
import { protobuf } from "../../src/protobuf.js";
import { Reader, Writer } from "../../src/wire.js";
import { VECTORS } from "./script.js";

interface Vector {
  readonly name: string;
  readonly json: Envelope;
  readonly protobuf: string;
}

const vectors = JSON.parse(readFileSync(`${VECTORS}/messages.json`, "utf8")) as Vector[];

function bytes(base64: string): ArrayBuffer {
  const found = fromBase64(base64);
  if (found === undefined) throw new Error("no base64");
  return found.buffer;
}

describe("golden messages", () => {
  it.each(vectors.map((vector) => [vector.name, vector] as const))("%s", (_, vector) => {
    expect(json.decode(json.encode(vector.json))).toEqual(vector.json);
    expect(protobuf.decode(bytes(vector.protobuf))).toEqual(vector.json);
    expect(toBase64(protobuf.encode(vector.json) as Uint8Array)).toBe(vector.protobuf);
  });
});

describe("the Protobuf codec", () => {
  const decode = (write: (writer: Writer) => void): Envelope => {
    const writer = new Writer();
    write(writer);
    return protobuf.decode(writer.finish().buffer);
  };

  it("writes metadata that is no text as its JSON", () => {
    const sent = protobuf.encode({ type: "ping", metadata: { a: 1, b: { c: [true] } } }) as Uint8Array<ArrayBuffer>;
    expect(protobuf.decode(sent.buffer).metadata).toEqual({ a: "1", b: '{"c":[true]}' });
  });

  it("skips fields that it does not know, of every wire type", () => {
    const message = decode((writer) => {
      writer.varint(100, 2 ** 40);
      writer.double(101, 1.5);
      writer.always(102, "new");
      writer.string(13, "ping");
    });
    expect(message).toEqual({ type: "ping" });
  });

  it.each([
    ["text", "a text frame", "{}"],
    ["half", "a half field", Uint8Array.of(0x0a, 5, 65).buffer],
    ["number", "a half number", Uint8Array.of(0x60, 0xff).buffer],
    ["long", "a number without end", new Uint8Array(20).fill(0xff).buffer],
    ["zero", "field 0", Uint8Array.of(0x02, 0).buffer],
    ["group", "a group", Uint8Array.of(0x0b).buffer],
    ["utf8", "no UTF-8", Uint8Array.of(0x0a, 1, 0xff).buffer],
    ["kind", "another wire type", Uint8Array.of(0x08, 1).buffer],
    ["unknown", "an unknown type", Uint8Array.of(0x18, 9).buffer],
  ])("refuses what is no message: %s (%s)", (_, __, frame) => {
    expect(() => protobuf.decode(frame)).toThrow(expect.objectContaining({ code: "invalid_message" }));
  });

  it("refuses the payload of another type, and what nests without end", () => {
    expect(() => decode((writer) => writer.message(6, (image) => image.string(1, "http://a")))).toThrow(/another type/);
    const deep = (writer: Writer, levels: number): void => {
      writer.message(15, (inner) => {
        if (levels > 0) deep(inner, levels - 1);
        else inner.string(13, "ping");
      });
    };
    expect(() => decode((writer) => deep(writer, 120))).toThrow(/deep/);
  });

  it("reads negative numbers, and numbers of any size, as they are", () => {
    const writer = new Writer();
    writer.varint(1, 2 ** 53 - 1);
    const largest = new Reader(writer.finish());
    for (const number of largest.fields()) expect([number, largest.varint()]).toEqual([1, 2 ** 53 - 1]);
    const minusOne = new Reader(Uint8Array.of(8, ...new Array<number>(9).fill(0xff), 1));
    for (const number of minusOne.fields()) expect([number, minusOne.varint()]).toEqual([1, -1]);
  });
});
