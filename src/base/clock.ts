/**
 * Time as an argument: monotonic milliseconds, and wall time for what people read.
 *
 * @module
 */

/** Milliseconds on a clock that never goes back; its zero means nothing. */
export function monotonicMs(): number {
  return performance.now();
}

/** Milliseconds since 1970, fractions kept: for rows and logs, never for deadlines. */
export function wallMs(): number {
  return performance.timeOrigin + performance.now();
}
