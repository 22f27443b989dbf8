/**
 * What every command prints: a table or JSON on standard output, remarks and
 * errors as single lines on standard error.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { oneLine } from "../base/text.ts";
import type { Cells } from "../inspect/words.ts";
import type { Given } from "./flags.ts";
import { outputStyle, table } from "./table.ts";

const encoder = new TextEncoder();

/** Writes text, or bytes as they are; false where whoever read it has left. */
export function write(
  what: string | Uint8Array,
  target: { writeSync(bytes: Uint8Array): number } = Deno.stdout,
): boolean {
  const bytes = typeof what === "string" ? encoder.encode(what) : what;
  try {
    for (let at = 0; at < bytes.length;) {
      at += target.writeSync(bytes.subarray(at));
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    const { message } = error as Error;
    throw new MantaError(`Cannot write what was asked for: ${message}`, {
      cause: error,
    });
  }
}

/** A remark beside what was asked. */
export function note(line: string): void {
  write(`manta: ${oneLine(line)}\n`, Deno.stderr);
}

/** Prints a value as JSON where that was asked for, and else what stands for it. */
export function show(given: Given, value: unknown, text: () => string): void {
  const shown = given.has("json")
    ? JSON.stringify(value, undefined, 2)
    : text();
  write(`${shown}\n`);
}

/** Prints rows, and remarks beside them. */
export function showRows(
  given: Given,
  { rows, cells, notes }: {
    rows: readonly unknown[];
    cells: readonly Cells[];
    notes: readonly string[];
  },
): void {
  show(given, rows, () => table(cells, outputStyle()));
  for (const line of notes) note(line);
}
