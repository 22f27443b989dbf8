import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import { FrameAssembler } from "../../src/wire/frame.ts";
import { seeded } from "../support/random.ts";

function frame(kind: number, body: number[]): Uint8Array {
  const bytes = new Uint8Array(5 + body.length);
  new DataView(bytes.buffer).setUint32(0, body.length + 1, true);
  bytes[4] = kind;
  bytes.set(body, 5);
  return bytes;
}

function concat(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

Deno.test("FrameAssembler gives the same frames however the stream is cut", () => {
  const seed = Number(Deno.env.get("SEED") ?? Math.floor(Math.random() * 2e9));
  const random = seeded(seed);
  let cutCount = 0;
  for (let round = 0; round < 300; round++) {
    const sent = Array.from(
      { length: 1 + Math.floor(random() * 8) },
      (_, at) =>
        frame(
          at + 1,
          Array.from(
            { length: Math.floor(random() * 40) },
            () => Math.floor(random() * 256),
          ),
        ),
    );
    const stream = concat(sent);
    const assembler = new FrameAssembler();
    const received: Uint8Array[] = [];
    for (let at = 0; at < stream.length;) {
      const end = Math.min(stream.length, at + 1 + Math.floor(random() * 30));
      // A fresh copy each time, spoilt afterwards: a body holds only during the call.
      const chunk = stream.slice(at, end);
      assembler.push(
        chunk,
        (kind, body) => received.push(frame(kind, [...body])),
      );
      chunk.fill(0xff);
      at = end;
      cutCount++;
    }
    assertEquals(received, sent, `Repeat with SEED=${seed}`);
  }
  assertEquals(cutCount > 1000, true);
});

Deno.test("FrameAssembler refuses a length over the bound before it takes memory", () => {
  const assembler = new FrameAssembler(100);
  const huge = new Uint8Array(5);
  new DataView(huge.buffer).setUint32(0, 0xffff_fff0, true);
  assertThrows(
    () => assembler.push(huge, () => {}),
    ProtocolError,
    "length 4294967280",
  );
});

Deno.test("FrameAssembler refuses a frame without a kind", () => {
  const assembler = new FrameAssembler();
  assertThrows(
    () => assembler.push(new Uint8Array(4), () => {}),
    ProtocolError,
    "length 0",
  );
});
