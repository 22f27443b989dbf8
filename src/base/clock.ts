/**
 * Time as an argument: monotonic milliseconds, and wall time for what people read.
 *
 * @module
 */

/** Milliseconds on a clock that never goes back; its zero means nothing. */
export function monotonicMs(): number {
  return performance.now();
}

const originMs = performance.timeOrigin;

/** Milliseconds since 1970, fractions kept: for rows and logs, never for deadlines. */
export function wallMs(): number {
  return wallMsOf(performance.now());
}

/** The same of a moment that {@linkcode monotonicMs} told. */
export function wallMsOf(atMs: number): number {
  return originMs + atMs;
}

/** A pending `setTimeout`. */
export type Timer = ReturnType<typeof setTimeout>;

/** Runs `act` once after `delayMs`, unless the program ends before: it keeps nothing alive. */
export function afterMs(delayMs: number, act: () => void): Timer {
  const timer = setTimeout(act, delayMs);
  Deno.unrefTimer(timer);
  return timer;
}
