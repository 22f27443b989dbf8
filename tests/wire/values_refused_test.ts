import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { ProtocolError, SerializationError } from "../../src/base/errors.ts";
import {
  type DecodeParts,
  type EncodeOptions,
  ValueCodec,
} from "../../src/wire/values.ts";

const codec = new ValueCodec();

function failure(value: unknown, options?: EncodeOptions): SerializationError {
  try {
    codec.encode(value, options);
  } catch (error) {
    if (error instanceof SerializationError) return error;
    throw error;
  }
  throw new Error("It was sent");
}

Deno.test("ValueCodec refuses what can't be nested that deep", () => {
  let error = new Error("core");
  for (let i = 0; i < 5000; i++) error = new Error("x", { cause: error });
  const { message } = failure(error, { label: "error" });
  ok(message.startsWith('Cannot send value: "error.cause.cause'));
  ok(message.endsWith("can't travel: it lies too deep"));
  ok(message.length < 400);
});

function hostThings(): Record<string, unknown> {
  return {
    "a Promise": Promise.resolve(),
    "a WeakMap": new WeakMap(),
    "a WeakRef": new WeakRef({}),
    "a Symbol": Symbol("s"),
    "a SharedArrayBuffer": new SharedArrayBuffer(8),
    "a Uint8Array over shared memory": new Uint8Array(new SharedArrayBuffer(8)),
    "a Generator": (function* () {})(),
    "an AsyncGenerator": (async function* () {})(),
    "a Map Iterator": new Map().keys(),
    "a URL": new URL("http://a"),
    "a Headers": new Headers(),
    "a Blob": new Blob([]),
    "a ReadableStream": new ReadableStream(),
    "an AbortSignal": new AbortController().signal,
    "an Intl.NumberFormat": new Intl.NumberFormat(),
    "a Map in name only": Object.create(Map.prototype),
    "a Date in name only": new Proxy(new Date(), {}),
    "an EventTarget": new (class extends EventTarget {})(),
  };
}

Deno.test("ValueCodec refuses what lives in one process only, and says what it is", () => {
  for (const [name, thing] of Object.entries(hostThings())) {
    const { message, path } = failure({ db: { thing } }, { label: "cfg" });
    strictEqual(path, "cfg.db.thing");
    ok(
      message.startsWith(
        `Cannot send value: "cfg.db.thing" is ${name}, which can't travel`,
      ),
      message,
    );
  }
  const spent = new ArrayBuffer(8);
  spent.transfer();
  ok(/ArrayBuffer that was transferred away/.test(failure(spent).message));
});

Deno.test("ValueCodec refuses open sockets and files", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using conn = await Deno.connect({ port: listener.addr.port });
  using accepted = await listener.accept();
  using file = await Deno.open(new URL(import.meta.url));
  strictEqual(failure([listener]).path, "value[0]");
  ok(failure({ conn, accepted }).message.includes("is a TcpConn"));
  ok(failure(file).message.includes("is a FsFile"));
});

Deno.test("ValueCodec names the path to what can't travel", () => {
  const bad = Symbol();
  const paths = [
    [{ a: { b: [1, 2, 3, { c: bad }] } }, "value.a.b[3].c"],
    [new Map([["key", { x: bad }]]), 'value.get("key").x'],
    [new Map([[5, bad]]), "value.get(5)"],
    [new Map([[bad, 1]]), "value.keys()[Symbol()]"],
    [new Set([1, [bad]]), "value.values()[1][0]"],
    [new Error("x", { cause: { y: bad } }), "value.cause.y"],
    [{ "odd key": bad }, 'value["odd key"]'],
    [Object.assign(new (class Point {})(), { p: bad }), "value.p"],
    [Object.assign([1], { named: bad }), "value.named"],
  ] as const;
  for (const [value, path] of paths) strictEqual(failure(value).path, path);
});

Deno.test("ValueCodec calls each argument of a list by its own label", () => {
  const options = { label: ["argument 1", "options"] };
  const { message, path } = failure([1, { f: Promise.resolve() }], options);
  strictEqual(path, "options.f");
  strictEqual(
    message,
    'Cannot send value: "options.f" is a Promise, which can\'t travel: await it first',
  );
});

Deno.test("ValueCodec says which getter threw, and keeps its error", () => {
  const cause = new Error("not now");
  const value = {
    a: [{
      get b() {
        throw cause;
      },
    }],
  };
  const error = failure(value);
  strictEqual(error.path, "value.a[0].b");
  strictEqual(error.cause, cause);
  deepStrictEqual(codec.decode(codec.encode({ still: "works" }).bytes), {
    still: "works",
  });
});

// Bytes by hand, from the alphabet in value_tags.ts.
const hostile: Record<string, { bytes: number[]; parts?: DecodeParts }> = {
  "nothing": { bytes: [] },
  "an unknown tag": { bytes: [100] },
  "bytes left over": { bytes: [1, 1] },
  "an array longer than the rest": { bytes: [34, 0xff, 0xff, 0xff, 0x7f] },
  "a string longer than the rest": { bytes: [8, 255, 255, 255, 255, 65] },
  "a bigint longer than the rest": { bytes: [7, 0, 0xff, 0xff, 0x7f, 1] },
  "an endless length": { bytes: [34, ...new Array(20).fill(0xff)] },
  "a reference to nothing": { bytes: [16, 5] },
  "an unfinished map": { bytes: [38, 128] },
  "keys never seen": { bytes: [33, 0] },
  "nested too deep": {
    bytes: new Array(100_000).fill(34).flatMap((t) => [t, 1]),
  },
  "subclasses nested too deep": {
    bytes: new Array(100_000).fill(41).flatMap((t) => [t, 0, 0]),
  },
  "a view past its buffer": { bytes: [70, 2, 5, 100, 67, 1, 7] },
  "a view on itself": { bytes: [70, 2, 0, 1, 16, 0] },
  "a buffer that is not there": { bytes: [71, 2, 0, 8] },
  "a buffer of another length": {
    bytes: [71, 2, 0, 8],
    parts: { buffers: [new Uint8Array(9)] },
  },
  "half an item": {
    bytes: [71, 10, 0, 9],
    parts: { buffers: [new Uint8Array(9)] },
  },
  "a pattern that is none": { bytes: [65, 193, 40, 192] },
  "an array that grows": { bytes: [37, 1, 193, 57, 128, 18] },
};

for (const [what, { bytes, parts }] of Object.entries(hostile)) {
  Deno.test(`ValueCodec.decode() refuses ${what}`, () => {
    throws(() => codec.decode(Uint8Array.from(bytes), parts), ProtocolError);
  });
}

Deno.test("ValueCodec.decode() takes no memory for lengths that are only claimed", () => {
  // Each of 900 nested arrays claims nearly all the bytes that follow.
  const nested = new Uint8Array(1 << 20).fill(34);
  for (let i = 0; i < 900; i++) nested.set([34, 255, 255, 60], i * 4);
  throws(() => codec.decode(nested), /nested too deep/);

  // Thirty million items, none of them there: V8 would make room for them.
  const sparse = [37, 128, 135, 167, 14, 18];
  const bytes = Uint8Array.from([34, 3, ...sparse, ...sparse, ...sparse]);
  const before = Deno.memoryUsage().heapUsed;
  const found = codec.decode(bytes) as unknown[][];
  deepStrictEqual(found.map(({ length }) => length), Array(3).fill(30_000_000));
  ok(Deno.memoryUsage().heapUsed - before < 64 << 20);
});
