/**
 * Both ends of a journey: a program calls `ship(functions)`, which writes them
 * to the file that its environment names; `travel()` runs such a program, then
 * another process that revives the functions, calls them in turn and reports
 * what each gave. Run as a program, this file is that other process.
 *
 * @module
 */
import type { AnyFunction } from "../../src/base/functions.ts";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Capturer } from "../../src/code/capture.ts";
import { revive } from "../../src/code/revive.ts";
import { mapStack } from "../../src/code/stack.ts";
import { decodeValues, encodeValues, port } from "./double.ts";

interface Shipped {
  readonly name: string;
  readonly meta?: string;
  readonly values?: string;
  readonly refused?: Outcome;
}

/** What became of one shipped function. */
export interface Outcome {
  /** What it gave, or the error's `name: message`. */
  readonly value?: unknown;
  readonly error?: string;
  readonly path?: string;
  readonly stack?: string;
  readonly meta?: string;
}

/** Captures each function and writes all of them to the file. */
export async function ship(
  functions: Record<string, AnyFunction>,
): Promise<void> {
  const capturer = new Capturer(port);
  const shipped: Shipped[] = [];
  for (const [name, fn] of Object.entries(functions)) {
    try {
      const captured = await capturer.capture(fn);
      const bytes = encodeValues(captured.values, captured.functions);
      shipped.push({ name, meta: captured.meta, values: bytes.toBase64() });
    } catch (error) {
      shipped.push({ name, refused: outcomeOf(error) });
    }
  }
  capturer.close();
  Deno.writeTextFileSync(Deno.env.get("SHIP_TO")!, JSON.stringify(shipped));
}

/** Runs a program made of these files, the first being the main one, and revives what it ships. */
export async function travel(
  files: Record<string, string>,
  options: {
    folder?: string;
    run?: (main: string, text: string) => { args: string[]; stdin?: string };
  } = {},
): Promise<Record<string, Outcome>> {
  const top = await Deno.makeTempDir({ prefix: "manta-code-" });
  const root = join(top, options.folder ?? "program");
  try {
    for (const [name, text] of Object.entries(files)) {
      const path = join(root, name);
      await Deno.mkdir(join(path, ".."), { recursive: true });
      const isMain = name === Object.keys(files)[0];
      await Deno.writeTextFile(path, isMain ? prelude + text : text);
    }
    const [main, text] = Object.entries(files)[0]!;
    const way = options.run?.(join(root, main), prelude + text) ??
      { args: ["run", "-A", config, join(root, main)] };
    const shipTo = join(top, "shipped.json");
    await runDeno(way.args, { cwd: root, shipTo, stdin: way.stdin });
    const self = fileURLToPath(import.meta.url);
    const output = await runDeno(["run", "-A", config, self], {
      cwd: root,
      shipTo,
    });
    return JSON.parse(output.split("@@@")[1]!);
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

/** Programs live in another folder, but see this package's imports. */
export const config = `--config=${
  fileURLToPath(new URL("../../deno.json", import.meta.url))
}`;
const prelude = `import { ship } from ${JSON.stringify(import.meta.url)}; `;

async function runDeno(
  args: string[],
  options: { cwd: string; shipTo: string; stdin?: string | undefined },
): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    cwd: options.cwd,
    env: { SHIP_TO: options.shipTo, NO_COLOR: "1" },
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (options.stdin !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(options.stdin));
    await writer.close();
  }
  const output = await child.output();
  const text = new TextDecoder();
  if (!output.success) {
    throw new Error(
      `Cannot run ${args.join(" ")}: ${text.decode(output.stderr)}`,
    );
  }
  return text.decode(output.stdout);
}

async function receive(one: Shipped): Promise<Outcome> {
  if (one.refused !== undefined) return one.refused;
  const meta = one.meta!;
  try {
    const { functions } = await revive(
      meta,
      (functions) =>
        decodeValues(Uint8Array.fromBase64(one.values!), functions),
    );
    const [fn] = functions;
    let result = fn!();
    if (typeof result === "function") result = await again(result);
    if (typeof result?.next !== "function") {
      return { value: await result, meta };
    }
    const items: unknown[] = [];
    for await (const item of result) items.push(item);
    return { value: items, meta };
  } catch (error) {
    const stack = error instanceof Error ? mapStack(error.stack!) : "";
    return { ...outcomeOf(error), stack, meta };
  }
}

/** Captures and revives once more what revived code made, and calls it. */
async function again(fn: AnyFunction): Promise<unknown> {
  const capturer = new Capturer(port);
  const captured = await capturer.capture(fn);
  const bytes = encodeValues(captured.values, captured.functions);
  const { functions: [revived] } = await revive(
    captured.meta,
    (functions) => decodeValues(bytes, functions),
  );
  capturer.close();
  return revived!();
}

function outcomeOf(error: unknown): Outcome {
  const { path } = error as { path?: string };
  return { error: String(error), ...(path === undefined ? {} : { path }) };
}

if (import.meta.main) {
  const text = Deno.readTextFileSync(Deno.env.get("SHIP_TO")!);
  const outcomes: Record<string, Outcome> = {};
  for (const one of JSON.parse(text) as Shipped[]) {
    outcomes[one.name] = await receive(one);
  }
  console.log(`@@@${JSON.stringify(outcomes)}@@@`);
}
