import { deepStrictEqual } from "node:assert/strict";
import {
  type StartCommand,
  WorkerStarts,
} from "../../src/state/worker_starts.ts";

const start = (workerNo: number): StartCommand => ({ kind: "start", workerNo });
const giveUp: StartCommand = { kind: "give_up" };

/** One worker after another fails, until the node gives up. */
function failing(): WorkerStarts {
  const starts = new WorkerStarts(2);
  for (const workerNo of [1, 2, 3]) {
    deepStrictEqual(starts.asked(workerNo), [start(workerNo)]);
    deepStrictEqual(starts.ended(workerNo), workerNo < 3 ? [] : [giveUp]);
    starts.validate();
  }
  return starts;
}

Deno.test("WorkerStarts starts no more once a few failed in a row", () => {
  const starts = failing();
  deepStrictEqual(starts.asked(4), []);
  deepStrictEqual(starts.asked(5), []);
  starts.validate();
});

Deno.test("WorkerStarts tries one worker for each that asks meanwhile, and answers each", () => {
  const starts = failing();
  starts.asked(4);
  deepStrictEqual(starts.needed(), [start(4)]);
  // Two ask while one is tried: they share what comes of it.
  deepStrictEqual(starts.needed(), []);
  deepStrictEqual(starts.ended(4), [giveUp]);
  starts.asked(5);
  deepStrictEqual(starts.needed(), [start(5)]);
  starts.validate();
});

Deno.test("WorkerStarts goes on as before once a worker is ready", () => {
  const starts = failing();
  starts.asked(4);
  starts.asked(5);
  starts.asked(6);
  starts.needed();
  deepStrictEqual(starts.ready(4), [start(5), start(6)]);
  deepStrictEqual(starts.asked(7), [start(7)]);
  deepStrictEqual(starts.ended(5), []);
  starts.validate();
});

Deno.test("WorkerStarts does not give up while a worker lives or is still starting", () => {
  const starts = new WorkerStarts(0);
  starts.asked(1);
  starts.asked(2);
  starts.asked(3);
  starts.ready(1);
  deepStrictEqual(starts.ended(2), []);
  deepStrictEqual(starts.ended(3), []);
  starts.asked(4);
  // The living one ends: it was ready, and that is no failure.
  deepStrictEqual(starts.ended(1), []);
  deepStrictEqual(starts.needed(), [start(4)]);
  deepStrictEqual(starts.ended(4), [giveUp]);
  starts.validate();
});
