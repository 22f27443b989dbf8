/**
 * Ends this process the way another one ended.
 *
 * @module
 */
import { log } from "../base/log.ts";

/** Signals that the system or a person ends processes by. */
const signals: Record<number, Deno.Signal> = {
  4: "SIGILL",
  5: "SIGTRAP",
  6: "SIGABRT",
  9: "SIGKILL",
  11: "SIGSEGV",
  15: "SIGTERM",
};

/** The signal that an exit code of a shell stands for. */
export function signalOf(code: number): Deno.Signal | undefined {
  return signals[code - 128];
}

/** Ends this process by that exit code, or the signal that it stands for. */
export function endLike(code: number): never {
  const signal = signalOf(code);
  if (signal !== undefined) {
    try {
      Deno.kill(Deno.pid, signal);
    } catch (error) {
      // Not allowed: the exit code says it too.
      log.debug(`could not end by ${signal}: ${error}`);
    }
  }
  Deno.exit(code);
}
