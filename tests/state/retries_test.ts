import { strictEqual } from "node:assert/strict";
import { afterWorkerEnded, mayRetry } from "../../src/state/retries.ts";

const task = {
  progress: "running" as const,
  attempt: 1,
  maxRetries: 3,
};

Deno.test("Retries: a task that had not started goes again uncharged, whatever it allows", () => {
  for (const maxRetries of [0, 3, -1]) {
    for (const isOwnDoing of [true, false]) {
      const unstarted = { ...task, maxRetries, progress: "unstarted" as const };
      strictEqual(afterWorkerEnded(unstarted, isOwnDoing), "requeue");
    }
  }
});

Deno.test("Retries: a task that only waited is not to blame", () => {
  const suspended = { ...task, progress: "suspended" as const, attempt: 4 };
  strictEqual(afterWorkerEnded(suspended, false), "requeue");
});

Deno.test("Retries: what computed is charged, until no attempt is left", () => {
  strictEqual(afterWorkerEnded(task, false), "retry");
  strictEqual(afterWorkerEnded({ ...task, attempt: 3 }, false), "retry");
  strictEqual(afterWorkerEnded({ ...task, attempt: 4 }, false), "fail");
});

Deno.test("Retries: a worker that was ended on purpose charges its other tasks nothing", () => {
  strictEqual(afterWorkerEnded({ ...task, attempt: 4 }, true), "requeue");
});

Deno.test("Retries: without retries, what has started is over", () => {
  for (const progress of ["running", "suspended"] as const) {
    for (const isOwnDoing of [true, false]) {
      const once = { ...task, progress, maxRetries: 0 };
      strictEqual(afterWorkerEnded(once, isOwnDoing), "fail");
    }
  }
});

Deno.test("Retries: -1 means without end", () => {
  strictEqual(mayRetry({ attempt: 1e9, maxRetries: -1 }), true);
  strictEqual(mayRetry({ attempt: 1, maxRetries: 0 }), false);
  strictEqual(mayRetry({ attempt: 2, maxRetries: 2 }), true);
  strictEqual(mayRetry({ attempt: 3, maxRetries: 2 }), false);
});
