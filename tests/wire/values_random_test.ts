import { assert, MantaError, ProtocolError } from "../../src/base/errors.ts";
import { type Extension, ValueCodec } from "../../src/wire/values.ts";
import { RandomValues } from "./random_value.ts";
import { assertSame } from "./same.ts";

class Point {
  x = 1;
}
class Token {
  readonly word: string;
  constructor(word: string) {
    this.word = word;
  }
}
const tokens: Extension<Token> = {
  tag: "Token",
  constructor: Token,
  tracked: true,
  toFields: (token) => token.word,
  fromFields: (fields) => new Token(String(fields)),
};

function repeatable(test: (values: RandomValues) => void): void {
  const seed = Number(Deno.env.get("SEED") ?? Math.floor(Math.random() * 2e9));
  try {
    test(new RandomValues(seed));
  } catch (cause) {
    throw new Error(`Repeat with SEED=${seed}`, { cause });
  }
}

Deno.test("ValueCodec gives back any value as it was", () => {
  repeatable((values) => {
    const codec = new ValueCodec();
    for (let round = 0; round < 4000; round++) {
      const value = values.next();
      const encoded = codec.encode(value);
      assertSame(codec.decode(encoded.bytes, encoded), value);
    }
    for (const kind of ["shared", "sparse", "view", "error", "map", "boxed"]) {
      const count = values.made.get(kind) ?? 0;
      assert(count > 200, `Only ${count} of ${kind} in the walk`);
    }
  });
});

// Method: spoil what was valid, since random bytes die at the first one. Wrong
// but well-formed bytes are values too; anything else must say so itself.
Deno.test("ValueCodec answers spoilt bytes with a value or a ProtocolError", () => {
  repeatable((values) => {
    const codec = new ValueCodec([tokens]);
    let refusedCount = 0;
    for (let round = 0; round < 20_000;) {
      const value = [values.next(), new Point(), new Token("a"), () => 1];
      const { bytes, ...parts } = codec.encode(value);
      for (let i = 0; i < 20; i++, round++) {
        const spoilt = spoil(bytes, values);
        try {
          codec.decode(spoilt, parts);
        } catch (error) {
          if (!(error instanceof MantaError)) throw error;
          assert(error instanceof ProtocolError, `Refused by ${error.name}`);
          refusedCount++;
        }
      }
    }
    assert(refusedCount > 5000, `Only ${refusedCount} refused`);
  });
});

function spoil(bytes: Uint8Array, values: RandomValues): Uint8Array {
  const spoilt = bytes.slice();
  if (values.below(4) === 0) {
    return spoilt.subarray(0, values.below(bytes.length));
  }
  for (let n = 1 + values.below(3); n > 0; n--) {
    spoilt[values.below(spoilt.length)] = values.below(256);
  }
  return spoilt;
}
