import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { assert } from "../../src/base/errors.ts";
import type { LeaseId } from "../../src/base/ids.ts";
import {
  loadOf,
  type Pipeline,
  recordRun,
  type RunStats,
  TaskQueue,
} from "../../src/state/pipelines.ts";
import { withSeed } from "../support/random.ts";

interface Task {
  readonly no: number;
  readonly stats: RunStats;
  readonly priority: number;
}

const lease = (n: number) => `lease-${n}` as LeaseId;
const unknown: RunStats = { meanRunMs: undefined };
const short: RunStats = { meanRunMs: 0.1 };
const bounds = { depthMax: 8, windowMs: 10, requestsMax: 4 };
const unstarted = () => true;

function task(no: number, stats = unknown, priority = 0): Task {
  return { no, stats, priority };
}

function queueWith(tasks: Task[], leaseCount = 0): TaskQueue<Task> {
  const queue = new TaskQueue<Task>(bounds);
  for (const one of tasks) queue.submitted(one);
  for (let n = 1; n <= leaseCount; n++) {
    queue.requested();
    queue.granted(lease(n));
  }
  return queue;
}

function times(count: number, stats = unknown): Task[] {
  return Array.from({ length: count }, (_, no) => task(no, stats));
}

/** Pushes all that have room: task numbers by lease. */
function pushAll(queue: TaskQueue<Task>): Record<string, number[]> {
  const pushed: Record<string, number[]> = {};
  for (let next = queue.push(); next !== undefined; next = queue.push()) {
    (pushed[next.pipeline.leaseId] ??= []).push(next.task.no);
  }
  return pushed;
}

Deno.test("TaskQueue sends tasks of unknown length one to a lease", () => {
  const queue = queueWith(times(5), 2);
  deepStrictEqual(pushAll(queue), { "lease-1": [0], "lease-2": [1] });
  strictEqual(queue.queuedCount, 3);
});

Deno.test("TaskQueue lets short tasks ride together, up to its bounds", () => {
  const deep = queueWith(times(20, short), 1);
  strictEqual(pushAll(deep)["lease-1"]!.length, bounds.depthMax);
  const heavy = queueWith(times(20, { meanRunMs: 4 }), 1);
  strictEqual(pushAll(heavy)["lease-1"]!.length, 2);
  heavy.validate();
});

Deno.test("TaskQueue spreads short tasks over the leases it holds", () => {
  const pushed = pushAll(queueWith(times(6, short), 3));
  deepStrictEqual(Object.values(pushed).map((all) => all.length), [2, 2, 2]);
});

Deno.test("TaskQueue sends the higher priority first, equals as they came", () => {
  const queue = queueWith([
    task(1),
    task(2, unknown, 5),
    task(3, unknown, 5),
    task(4, unknown, -1),
    task(5),
  ]);
  const order: number[] = [];
  for (let next = queue.peek(); next !== undefined; next = queue.peek()) {
    order.push(next.no);
    assert(queue.withdrawn(next), "It was queued");
  }
  deepStrictEqual(order, [2, 3, 1, 5, 4]);
});

Deno.test("TaskQueue puts a task that lost its worker before all others", () => {
  const queue = queueWith(times(3), 1);
  const { task: first } = queue.push()!;
  deepStrictEqual(queue.ended(lease(1)), [first]);
  deepStrictEqual(queue.ended(lease(1)), []);
  queue.requeued(first);
  strictEqual(queue.peek(), first);
  strictEqual(queue.queuedCount, 3);
  queue.validate();
});

Deno.test("TaskQueue withdraws what is queued, once, and nothing else", () => {
  const [first, second] = times(2) as [Task, Task];
  const queue = queueWith([first, second], 1);
  queue.push();
  strictEqual(queue.withdrawn(first), false);
  strictEqual(queue.withdrawn(second), true);
  strictEqual(queue.withdrawn(second), false);
});

Deno.test("TaskQueue hears of an answer twice and counts it once", () => {
  const queue = queueWith(times(1), 1);
  const { task, pipeline } = queue.push()!;
  queue.left(task, pipeline);
  queue.left(task, pipeline);
  queue.validate();
  strictEqual(pipeline.inFlight.size, 0);
});

Deno.test("TaskQueue pushes nothing to a lease that is wanted back", () => {
  const queue = queueWith(times(2), 1);
  for (const pipeline of queue.pipelines) pipeline.isClosing = true;
  strictEqual(queue.push(), undefined);
});

Deno.test("TaskQueue wants a lease for each task that waits, up to its bound", () => {
  strictEqual(queueWith(times(3)).requestsWanted(unstarted), 3);
  const queue = queueWith(times(100));
  strictEqual(queue.requestsWanted(unstarted), bounds.requestsMax);
  for (let n = 0; n < bounds.requestsMax; n++) queue.requested();
  strictEqual(queue.requestsWanted(unstarted), 0);
  queue.refused();
  strictEqual(queue.requestsWanted(unstarted), 1);
});

Deno.test("TaskQueue takes the newer half back for an idle lease, never what has started", () => {
  const queue = queueWith(times(8, short), 1);
  const riding = pushAll(queue)["lease-1"]!;
  deepStrictEqual(queue.candidatesToTakeBack(unstarted), []);
  queue.requested();
  queue.granted(lease(2));
  const isUnstarted = ({ no }: Task) => no > 2;
  const taken = queue.candidatesToTakeBack(isUnstarted).map(({ no }) => no);
  deepStrictEqual(taken, riding.slice(-taken.length));
  assert(taken.length > 0 && taken.every((no) => no > 2), "Started ones stay");
});

Deno.test("TaskQueue gives a renewed lease room again, its waiting tasks ride on", () => {
  const queue = queueWith(times(2), 1);
  const { task: first, pipeline } = queue.push()!;
  strictEqual(queue.push(), undefined);
  queue.requested();
  strictEqual(queue.renewed(lease(1), lease(2)), pipeline);
  strictEqual(loadOf(pipeline), 0);
  deepStrictEqual(pushAll(queue), { "lease-2": [1] });
  queue.left(first, pipeline);
  queue.validate();
  strictEqual(pipeline.inFlight.size, 1);
});

Deno.test("recordRun() follows what a function's runs take", () => {
  const stats: RunStats = { meanRunMs: undefined };
  recordRun(stats, 10);
  strictEqual(stats.meanRunMs, 10);
  for (let run = 0; run < 50; run++) recordRun(stats, 1);
  assert(stats.meanRunMs < 1.1, `Still ${stats.meanRunMs}`);
});

// Law: a submitted task is queued, in flight on one lease, or done.
Deno.test("TaskQueue keeps its invariants under any order of events", () =>
  withSeed((random) => {
    const pick = <T>(from: T[]): T | undefined =>
      from[Math.floor(random() * from.length)];
    const queue = new TaskQueue<Task>(bounds);
    const kinds: RunStats[] = [
      { meanRunMs: undefined },
      { meanRunMs: 0.05 },
      { meanRunMs: 3 },
      { meanRunMs: 500 },
    ];
    const queued = new Set<Task>();
    const flying = new Map<Task, Pipeline<Task>>();
    const started = new Set<Task>();
    const leases: LeaseId[] = [];
    const isUnstarted = (one: Task) => !started.has(one);
    let taskCount = 0;
    let leaseCount = 0;
    let requestCount = 0;
    const counts = { push: 0, ride: 0, back: 0, lost: 0, renew: 0, done: 0 };

    function land(one: Task): void {
      queue.left(one, flying.get(one)!);
      flying.delete(one);
      started.delete(one);
    }
    function pushOne(): void {
      const next = queue.push();
      if (next === undefined) return;
      assert(queued.delete(next.task), "Pushed what was not queued");
      flying.set(next.task, next.pipeline);
      counts.push++;
      if (loadOf(next.pipeline) > 1) counts.ride++;
    }
    function takeBack(): void {
      for (const one of queue.candidatesToTakeBack(isUnstarted)) {
        assert(!started.has(one), "Took back what had started");
        land(one);
        queue.submitted(one);
        queued.add(one);
        counts.back++;
      }
    }
    function endLease(): void {
      const id = pick(leases);
      if (id === undefined) return;
      leases.splice(leases.indexOf(id), 1);
      for (const one of queue.ended(id).reverse()) {
        flying.delete(one);
        started.delete(one);
        queue.requeued(one);
        queued.add(one);
        counts.lost++;
      }
    }
    function answerRequest(): void {
      requestCount--;
      const id = lease(++leaseCount);
      const old = pick(leases);
      const dice = random();
      if (dice < 0.2) queue.refused();
      else if (old !== undefined && dice < 0.36) {
        queue.renewed(old, id);
        leases.splice(leases.indexOf(old), 1, id);
        counts.renew++;
      } else {
        queue.granted(id);
        leases.push(id);
      }
    }
    /** Work comes in tides, so that leases are also idle. */
    function randomEvent(isFlood: boolean): void {
      const dice = random();
      const one = pick([...flying.keys()]);
      if (dice < 0.25 && isFlood) {
        const priority = random() < 0.05 ? Math.floor(random() * 5) - 2 : 0;
        const fresh = task(taskCount++, pick(kinds)!, priority);
        queue.submitted(fresh);
        queued.add(fresh);
      } else if (dice < 0.55) pushOne();
      else if (dice < 0.65 && one !== undefined) started.add(one);
      else if (dice < 0.75 && one !== undefined) {
        recordRun(one.stats, (one.stats.meanRunMs ?? 1) * (0.5 + random()));
        land(one);
        counts.done++;
      } else if (dice < 0.85) takeBack();
      else if (dice < 0.88) {
        const gone = pick([...queued]);
        if (gone === undefined) return;
        assert(queue.withdrawn(gone), "A queued task could not be withdrawn");
        queued.delete(gone);
      } else if (dice < 0.9) endLease();
      else if (dice < 0.92) {
        for (const pipeline of queue.pipelines) {
          if (random() < 0.2) pipeline.isClosing = true;
        }
      } else if (requestCount > 0 && random() < 0.6) answerRequest();
      else if (queue.requestsWanted(isUnstarted) > 0) {
        queue.requested();
        requestCount++;
      }
    }
    function validate(): void {
      queue.validate();
      assert(queue.queuedCount === queued.size, "A task was lost or doubled");
      let flyingCount = 0;
      for (const pipeline of queue.pipelines) {
        flyingCount += pipeline.inFlight.size;
        for (const one of pipeline.inFlight) {
          assert(flying.get(one) === pipeline, "In flight elsewhere");
        }
      }
      assert(flyingCount === flying.size, "A task in flight was lost");
    }

    for (let step = 0; step < 40_000; step++) {
      randomEvent(step % 200 < 100);
      validate();
    }
    const least = {
      push: 4_000,
      ride: 500,
      back: 20,
      lost: 100,
      renew: 100,
      done: 1_000,
    };
    for (const [what, count] of Object.entries(least)) {
      const reached = counts[what as keyof typeof counts];
      assert(reached >= count, `Only ${reached} of ${what} in the walk`);
    }
  }));
