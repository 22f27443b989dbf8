/**
 * Makes the stack of a task's error name the user's own files and lines, and
 * no others, before it leaves the process that knows the code.
 *
 * @module
 */
import { withoutOwnFrames } from "../base/frames.ts";
import { mapStack } from "../code/stack.ts";

/** The same error, its stack and those of the errors inside it mapped; anything else as it is. */
export async function mapErrorStack(error: unknown): Promise<unknown> {
  const seen = new Set<unknown>();
  const open = [error];
  while (open.length > 0) {
    const at = open.pop();
    if (!(at instanceof Error) || seen.has(at)) continue;
    seen.add(at);
    open.push(at.cause);
    if (at instanceof AggregateError) open.push(...at.errors);
    if (typeof at.stack !== "string") continue;
    const stack = withoutOwnFrames(await mapStack(at.stack));
    if (stack !== at.stack) setStack(at, stack);
  }
  return error;
}

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
