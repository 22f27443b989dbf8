/**
 * Tells when an isolate's heap has passed its limit and nobody noticed.
 *
 * V8 then raises the limit a little and ends the code that runs; where that
 * code was the continuation of an `await`, its end is lost: the isolate goes
 * on, and the call never returns. The raised limit tells of it.
 *
 * @module
 */
import { getHeapStatistics } from "node:v8";
import { limits } from "../base/limits.ts";

/** Calls `passed` once if the isolate's heap limit was raised. */
export function watchHeap(passed: () => void): void {
  const limitBytes = getHeapStatistics().heap_size_limit;
  const timer = setInterval(() => {
    if (getHeapStatistics().heap_size_limit === limitBytes) return;
    clearInterval(timer);
    passed();
  }, limits.heapLookMs);
  Deno.unrefTimer(timer as unknown as number);
}
