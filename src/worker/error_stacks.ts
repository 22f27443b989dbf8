/**
 * Makes stacks of tasks' errors name the user's own files and lines, and no
 * others: wherever the task's code reads one, and before an error leaves the
 * process that knows the code.
 *
 * @module
 */
import { withoutOwnFrames } from "../base/frames.ts";
import { withNames } from "../code/shipped.ts";
import { keepMarks, mapStack } from "../code/stack.ts";

/**
 * From now on the stack of an error that passed through revived code names the
 * user's lines from the first time it is read: so what is logged, kept or
 * returned is right too. For processes of this library alone, because V8 asks
 * one place in each. It asks only when a stack is read.
 */
export function showUserLines(): void {
  Reflect.set(Error, "prepareStackTrace", stackOf);
}

/** A frame of a stack, as V8 gives it. */
interface Frame {
  getFileName(): string | null;
  getScriptNameOrSourceURL(): string | null;
  toString(): string;
}

function stackOf(error: unknown, frames: readonly Frame[]): string {
  const lines = frames.map((frame) => `\n    at ${lineOf(frame)}`);
  const stack = headOf(error) + lines.join("");
  return stack.includes("#v8-")
    ? withoutOwnFrames(mapStack(stack))
    : withNames(stack);
}

/**
 * V8 gives the files that Deno loaded, and scripts that go by such a name, as
 * paths, where traces have addresses; what an address has after its path tells
 * which text of the file it is.
 */
function lineOf(frame: Frame): string {
  const line = frame.toString();
  const path = frame.getFileName();
  if (!path?.startsWith("/") || line.includes(`file://${path}`)) return line;
  const address = frame.getScriptNameOrSourceURL();
  const whole = address?.includes("#v8-") ? address : `file://${path}`;
  return line.replace(path, () => whole);
}

function headOf(error: unknown): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    // A name or message that can't be read: as V8 has it then.
    return "<error>";
  }
}

/** The same error, its stack and those of the errors inside it mapped; anything else as it is. */
export function mapErrorStack(error: unknown): unknown {
  for (const at of errorsIn(error)) {
    const stack = withoutOwnFrames(mapStack(at.stack!));
    if (stack !== at.stack) setStack(at, stack);
    if (typeof at.message !== "string") continue;
    const message = withNames(at.message);
    if (message !== at.message) at.message = message;
  }
  return error;
}

/** Of an error from elsewhere, only files of that code are to be looked at for its lines. */
export function keepErrorMarks(
  error: unknown,
  known: ReadonlySet<string>,
): void {
  for (const at of errorsIn(error)) {
    const stack = keepMarks(at.stack!, known);
    if (stack !== at.stack) setStack(at, stack);
  }
}

/** An error and those inside it that have a stack. */
function* errorsIn(error: unknown): Generator<Error> {
  const seen = new Set<unknown>();
  const open = [error];
  while (open.length > 0) {
    const at = open.pop();
    if (!(at instanceof Error) || seen.has(at)) continue;
    seen.add(at);
    open.push(at.cause);
    // Errors may hang on it by any name.
    for (const key of ["errors", ...Object.keys(at)]) {
      const part: unknown = Object.getOwnPropertyDescriptor(at, key)?.value;
      if (Array.isArray(part)) open.push(...part.slice(0, partsMax));
      else open.push(part);
    }
    if (typeof at.stack === "string") yield at;
  }
}

/** Items of a list that are looked at for errors. */
const partsMax = 1000;

/** Changes what an error shows of where it came from. */
export function setStack(error: Error, stack: string): void {
  if (!Object.isExtensible(error)) return;
  Object.defineProperty(error, "stack", {
    value: stack,
    writable: true,
    configurable: true,
    enumerable: false,
  });
}
