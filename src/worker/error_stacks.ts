/**
 * Makes the stack of a task's error name the user's own files and lines,
 * before it leaves the process that knows the code.
 *
 * @module
 */
import { mapStack } from "../code/stack.ts";

/** The same error, its stack and those of its causes mapped; anything else as it is. */
export async function mapErrorStack(error: unknown): Promise<unknown> {
  const seen = new Set<unknown>();
  for (
    let at = error;
    at instanceof Error && !seen.has(at);
    at = at.cause
  ) {
    seen.add(at);
    if (typeof at.stack !== "string") continue;
    const stack = await mapStack(at.stack);
    if (stack !== at.stack) {
      Object.defineProperty(at, "stack", {
        value: stack,
        writable: true,
        configurable: true,
        enumerable: false,
      });
    }
  }
  return error;
}
