/**
 * Round trips of the value codec, beside `structuredClone` and JSON.
 *
 * Run with `deno bench bench/codec_bench.ts`.
 *
 * @module
 */
import { ValueCodec } from "../src/wire/values.ts";

const codec = new ValueCodec();
const values: Record<string, unknown> = {
  "5": 5,
  '"hello"': "hello",
  "small object": { a: 1, b: "x", c: [1, 2, 3] },
  "argument list [1, 'x']": [1, "x"],
  "10,000 integers": Array.from({ length: 10_000 }, (_, i) => i),
  "10,000 numbers": Array.from({ length: 10_000 }, (_, i) => i * 1.5),
  "10,000 short strings": Array.from(
    { length: 10_000 },
    (_, i) => `item-${i}`,
  ),
  "string of 1 MiB": "x".repeat(1 << 20),
  "10,000 records": Array.from({ length: 10_000 }, (_, id) => ({
    id,
    name: `name ${id}`,
    score: id / 7,
    isActive: id % 2 === 0,
  })),
  "10,000 pairs": Array.from({ length: 10_000 }, (_, i) => [i, -i]),
  "map of 1,000": new Map(Array.from({ length: 1000 }, (_, i) => [`k${i}`, i])),
  "Float64Array of 8 MB": new Float64Array(1_000_000),
  "error with cause": new TypeError("no", { cause: new Error("why") }),
};

for (const [name, value] of Object.entries(values)) {
  Deno.bench(`encode ${name}`, { group: `encode ${name}` }, () => {
    codec.encode(value);
  });
  const { bytes, buffers } = codec.encode(value);
  Deno.bench(`decode ${name}`, { group: `decode ${name}` }, () => {
    codec.decode(bytes, { buffers });
  });
  Deno.bench(`round trip ${name}`, { group: name, baseline: true }, () => {
    const encoded = codec.encode(value);
    codec.decode(encoded.bytes, encoded);
  });
  Deno.bench(`structuredClone ${name}`, { group: name }, () => {
    structuredClone(value);
  });
}
