import { assertEquals, assertRejects } from "@std/assert";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { SerializationError } from "../../src/base/errors.ts";
import { Capturer } from "../../src/code/capture.ts";
import { hashCode } from "../../src/code/modules.ts";
import { revive } from "../../src/code/revive.ts";
import { decodeValues, encodeValues, port } from "./double.ts";
import { config } from "./ship.ts";

const factor = 3;
let calls = 0;

async function again<Fn extends (...args: never[]) => unknown>(
  capturer: Capturer,
  fn: Fn,
): Promise<Fn> {
  const captured = await capturer.capture(fn);
  const bytes = encodeValues(captured.values, captured.functions);
  const { functions: [revived] } = await revive(
    captured.meta,
    (functions) => decodeValues(bytes, functions),
  );
  return revived as unknown as Fn;
}

Deno.test("Capturer.capture() serves several callers at once", async () => {
  const capturer = new Capturer(port);
  const others = new Capturer(port);
  const functions = Array.from({ length: 20 }, (_, n) => () => n * factor);
  const revived = await Promise.all(
    functions.map((fn, n) => again(n % 2 === 0 ? capturer : others, fn)),
  );
  assertEquals(revived.map((fn) => fn()), functions.map((fn) => fn()));
  capturer.close();
  others.close();
});

Deno.test("Capturer.capture() also hashes where a program put another process in place of Deno's", async () => {
  const own = Object.getOwnPropertyDescriptor(globalThis, "process")!;
  Object.defineProperty(globalThis, "process", {
    value: { env: {} },
    configurable: true,
  });
  const capturer = new Capturer(port);
  try {
    const { meta } = await capturer.capture(() => factor);
    assertEquals(hashCode(meta, []).length, 64);
  } finally {
    capturer.close();
    Object.defineProperty(globalThis, "process", own);
  }
});

Deno.test("Capturer.capture() describes the same function the same way", async () => {
  const capturer = new Capturer(port);
  const work = (n: number) => n * factor;
  const first = await capturer.capture(work);
  const second = await capturer.capture(work);
  assertEquals(first.meta, second.meta);
  assertEquals(first.functions[0], work);
  capturer.close();
});

Deno.test("a revived function has variables of its own", async () => {
  const capturer = new Capturer(port);
  const count = () => ++calls;
  const revived = await again(capturer, count);
  assertEquals([revived(), revived(), calls], [1, 2, 0]);
  capturer.close();
});

Deno.test("Capturer.capture() goes on after a capture that failed", async () => {
  const capturer = new Capturer(port);
  const symbols = { inside: [Symbol("own")] };
  const error = await assertRejects(
    () => capturer.capture(() => symbols),
    SerializationError,
    'Cannot send function "anonymous": "symbols.inside[0]" is a symbol',
  );
  assertEquals(error.path, "symbols.inside[0]");
  assertEquals((await again(capturer, () => factor))(), 3);
  capturer.close();
});

Deno.test("Capturer.capture() names the variable that holds each value", async () => {
  const capturer = new Capturer(port);
  const numbers = [1, 2];
  const text = "x".repeat(1000);
  const captured = await capturer.capture(() => numbers.length + text.length);
  assertEquals(captured.variables, ["numbers", "text"]);
  assertEquals(captured.values, [numbers, text]);
  capturer.close();
});

Deno.test("Capturer.capture() waits for no module that still runs", async () => {
  const module = `
    import { Capturer } from ${
    JSON.stringify(import.meta.resolve("../../src/code/capture.ts"))
  };
    export function own() { return 1; }
    const capturer = new Capturer({ functionsIn: () => [] });
    export const { meta } = await capturer.capture(own);
    capturer.close();
  `;
  const { meta } = await import(
    `data:text/javascript,${encodeURIComponent(module)}`
  );
  assertEquals(JSON.parse(meta).nodes[0].kind, "code");
});

Deno.test("Capturer.capture() works in an isolate, which has no main module", async () => {
  const program = `
    import { parentPort } from "node:worker_threads";
    import { Capturer } from ${
    JSON.stringify(import.meta.resolve("../../src/code/capture.ts"))
  };
    const capturer = new Capturer({ functionsIn: () => [] });
    const n = 4;
    const { meta } = await capturer.capture(() => n);
    capturer.close();
    parentPort.postMessage(meta);
  `;
  const url = `data:text/javascript,${encodeURIComponent(program)}`;
  const isolate = new Worker(new URL(url));
  const [meta] = await once(isolate, "message") as [string];
  await isolate.terminate();
  const { functions: [revived] } = await revive(meta, () => []);
  assertEquals(revived!(), 4);
});

Deno.test("a missing permission is named by its flag", async () => {
  const program = `
    import { Capturer } from ${
    JSON.stringify(import.meta.resolve("../../src/code/capture.ts"))
  };
    const capturer = new Capturer({ functionsIn: () => [] });
    try { await capturer.capture(() => 1); } catch (error) { console.log(String(error)); }
  `;
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, program);
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", config, path],
      stdout: "piped",
    }).output();
    assertEquals(
      new TextDecoder().decode(stdout).trim(),
      'SerializationError: Cannot send function "anonymous": reading what it ' +
        "closes over needs the inspector, so run again with --allow-sys",
    );
  } finally {
    await Deno.remove(path);
  }
});
