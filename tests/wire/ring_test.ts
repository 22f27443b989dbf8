import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import { RingReader, RingWriter } from "../../src/wire/ring.ts";
import { seeded } from "../support/random.ts";

const byteLength = 64 + 101;

/** Two ends of one ring, and its words. */
function ring() {
  const memory = new SharedArrayBuffer(byteLength - byteLength % 4);
  return {
    writer: new RingWriter(memory),
    reader: new RingReader(memory),
    words: new Int32Array(memory, 0, 4),
  };
}

Deno.test("A ring gives all bytes once and in order, however the ends take turns", () => {
  const random = seeded(5);
  const below = (bound: number) => Math.floor(random() * bound);
  const { writer, reader } = ring();
  let sent = 0;
  let taken = 0;
  let fullCount = 0;
  const into = new Uint8Array(150);
  for (let turn = 0; turn < 20_000; turn++) {
    const source = Uint8Array.from(
      { length: below(150) },
      (_, at) => sent + at,
    );
    const count = writer.write(source);
    if (count < source.length) fullCount++;
    sent += count;
    const piece = into.subarray(0, below(150));
    const length = reader.read(piece);
    for (let at = 0; at < length; at++) {
      assertEquals(piece[at], (taken + at) & 255);
    }
    taken += length;
    assert(taken <= sent);
  }
  taken += reader.read(into);
  assertEquals(taken, sent);
  assert(sent > 100_000 && fullCount > 100);
});

Deno.test("The writer of a ring hears once that its reader sleeps, and the reader that room is wanted", () => {
  const { writer, reader } = ring();
  assertEquals(writer.mustWake(), false);
  assertEquals(reader.sleep(), true);
  writer.write(new Uint8Array(3));
  assertEquals([writer.mustWake(), writer.mustWake()], [true, false]);
  // There is something to read: it may not sleep.
  assertEquals(reader.sleep(), false);
  assertEquals(writer.mustWake(), false);
  const into = new Uint8Array(200);
  assertEquals(reader.read(into), 3);
  assertEquals(reader.mustWake(), false);
  while (writer.write(new Uint8Array(50)) > 0);
  writer.wantRoom();
  assert(reader.read(into) > 50);
  assertEquals([reader.mustWake(), reader.mustWake()], [true, false]);
});

Deno.test("An end that is nowhere in the ring is a ProtocolError", () => {
  for (const at of [-1, byteLength, 1 << 30]) {
    const { writer, reader, words } = ring();
    words[0] = words[1] = at;
    assertThrows(() => writer.write(new Uint8Array(1)), ProtocolError, `${at}`);
    assertThrows(() => reader.read(new Uint8Array(1)), ProtocolError, `${at}`);
  }
});
