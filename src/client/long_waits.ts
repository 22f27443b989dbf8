/**
 * Says of a wait that takes long what it waits for, once.
 *
 * All waits share one timer, which runs only while there are any: a wait
 * itself costs no timer of its own.
 *
 * @module
 */
import { afterMs, monotonicMs, type Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";

interface Wait {
  readonly startedMs: number;
  readonly tell: () => void;
}

const waits = new Set<Wait>();
let timer: Timer | undefined;

/** Begins to watch a wait; `tell` is called once if it is still there after a while. */
export function beginWait(tell: () => void): Wait {
  const wait = { startedMs: monotonicMs(), tell };
  waits.add(wait);
  timer ??= afterMs(limits.waitWarnMs, look);
  return wait;
}

/** The wait is over. */
export function endWait(wait: Wait): void {
  waits.delete(wait);
}

/** Forgets all waits: the runtime has ended. */
export function endAllWaits(): void {
  waits.clear();
  clearTimeout(timer);
  timer = undefined;
}

function look(): void {
  timer = undefined;
  const nowMs = monotonicMs();
  for (const wait of waits) {
    if (nowMs - wait.startedMs < limits.waitWarnMs) break;
    waits.delete(wait);
    wait.tell();
  }
  const [oldest] = waits;
  if (oldest === undefined) return;
  const dueMs = oldest.startedMs + limits.waitWarnMs - nowMs;
  timer = afterMs(Math.max(1, dueMs), look);
}
