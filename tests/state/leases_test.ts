import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { assert } from "../../src/base/errors.ts";
import type { LeaseId, ProcessId } from "../../src/base/ids.ts";
import type { LeaseNeeds } from "../../src/base/spec.ts";
import { ResourcePool } from "../../src/state/resources.ts";
import type { LeaseCommand } from "../../src/state/lease_events.ts";
import { LeaseTable } from "../../src/state/leases.ts";
import { leaseNeeds } from "../support/cluster_rooms.ts";
import { withSeed } from "../support/random.ts";

const lease = (n: number) => `lease-${n}` as LeaseId;
const process = (n: number) => `process-${n}` as ProcessId;
const driver = process(0);

function request(more: Partial<LeaseNeeds> = {}, ownerId = driver) {
  return { ownerId, needs: leaseNeeds(more) };
}

/** A table whose kept workers have started, as processes of the same number. */
function started(workersKept: number, resources = { CPU: workersKept }) {
  const limits = { waitingMax: 8, workersMax: 16, workersKept };
  const table = new LeaseTable(new ResourcePool(resources), limits);
  for (const command of table.prestarted()) {
    assert(command.kind === "start_worker", "Something else than a start");
    table.workerStarted(command.workerNo, process(command.workerNo));
  }
  return table;
}

const grant = (n: number, workerNo: number): LeaseCommand => ({
  kind: "grant",
  leaseId: lease(n),
  workerNo,
});
const company = { depth: 0, isAlone: false, isImpatient: false };

Deno.test("LeaseTable starts its workers in advance, once", () => {
  const table = new LeaseTable(new ResourcePool({ CPU: 2 }), {
    waitingMax: 8,
    workersMax: 4,
    workersKept: 2,
  });
  deepStrictEqual(table.prestarted(), [
    { kind: "start_worker", workerNo: 1 },
    { kind: "start_worker", workerNo: 2 },
  ]);
  deepStrictEqual(table.prestarted(), []);
});

Deno.test("LeaseTable grants an idle worker, and answers a retry the same", () => {
  const table = started(2);
  deepStrictEqual(table.requested(lease(1), request()), [grant(1, 1)]);
  deepStrictEqual(table.requested(lease(1), request()), [grant(1, 1)]);
  deepStrictEqual(table.requested(lease(2), request()), [grant(2, 2)]);
});

Deno.test("LeaseTable answers a retry that waits with nothing new", () => {
  const table = started(1);
  table.requested(lease(1), request());
  deepStrictEqual(table.requested(lease(2), request()), []);
  deepStrictEqual(table.requested(lease(2), request()), []);
  strictEqual(table.waitingCount, 1);
  deepStrictEqual(table.returned(lease(1)), [grant(2, 1)]);
});

Deno.test("LeaseTable grants nothing to a retry that comes when its lease has ended", () => {
  const table = started(1);
  table.requested(lease(1), request());
  table.returned(lease(1));
  deepStrictEqual(table.returned(lease(1)), []);
  deepStrictEqual(table.requested(lease(1), request()), [
    { kind: "reject", leaseId: lease(1), reason: "ended" },
  ]);
  deepStrictEqual(table.requested(lease(2), request()), [grant(2, 1)]);
});

Deno.test("LeaseTable grants nothing to an owner that gave up waiting", () => {
  const table = started(1);
  table.requested(lease(1), request());
  table.requested(lease(2), request());
  table.returned(lease(2));
  deepStrictEqual(table.returned(lease(1)), []);
});

Deno.test("LeaseTable rejects a request over the bound, and what can never be", () => {
  const table = new LeaseTable(new ResourcePool({ CPU: 1 }), {
    waitingMax: 1,
    workersMax: 1,
    workersKept: 0,
  });
  table.requested(lease(1), request());
  deepStrictEqual(table.requested(lease(2), request()), [
    { kind: "reject", leaseId: lease(2), reason: "queue_full" },
  ]);
  deepStrictEqual(
    table.requested(lease(3), request({ resources: { CPU: 2 } })),
    [{ kind: "unschedulable", leaseId: lease(3), resource: "CPU" }],
  );
});

Deno.test("LeaseTable serves the more deeply nested first, then who came first", () => {
  const table = started(1);
  table.requested(lease(1), request());
  for (const [n, depth] of [[2, 0], [3, 1], [4, 2], [5, 1]] as const) {
    table.requested(lease(n), request({ depth }));
  }
  const order: string[] = [];
  for (let last = lease(1); order.length < 4;) {
    const [command] = table.returned(last);
    assert(command?.kind === "grant", "Nothing granted");
    order.push(last = command.leaseId);
  }
  deepStrictEqual(order, [4, 3, 5, 2].map(lease));
});

Deno.test("LeaseTable gives a waiting worker's CPU to its own tasks", () => {
  const table = started(1);
  table.requested(lease(1), request());
  table.requested(lease(2), request({ depth: 1 }, process(1)));
  deepStrictEqual(table.workerBlocked(1, company), [grant(2, 1)]);
  deepStrictEqual(table.workerBlocked(1, company), []);
  table.validate();
  deepStrictEqual(table.leasesOf(1), [lease(1), lease(2)]);
  table.returned(lease(2));
  table.workerUnblocked(1);
  table.workerUnblocked(1);
  deepStrictEqual(table.pool.available(), { CPU: 0 });
  table.returned(lease(1));
  deepStrictEqual(table.pool.available(), { CPU: 1 });
});

Deno.test("LeaseTable starts no further worker for nested tasks while one waits", () => {
  const table = started(2);
  table.requested(lease(1), request());
  table.requested(lease(2), request());
  table.workerBlocked(1, { depth: 2, isAlone: false, isImpatient: false });
  const commands = table.requested(lease(3), request({ depth: 1 }, process(2)));
  deepStrictEqual(commands.filter(({ kind }) => kind !== "reclaim"), []);
  deepStrictEqual(table.workerBlocked(2, company), [grant(3, 2)]);
});

Deno.test("LeaseTable lets no stranger into the company of a task that wants none", () => {
  const table = started(1);
  table.requested(lease(1), request());
  table.workerBlocked(1, { depth: 0, isAlone: true, isImpatient: false });
  const commands = table.requested(lease(2), request({ isShort: true }));
  deepStrictEqual(
    commands.map((command) => command.kind),
    [
      "start_worker",
      "reclaim",
    ].slice(0, commands.length),
  );
  strictEqual(table.leasesOf(1).length, 1);
});

Deno.test("LeaseTable asks holders of other work to give way, once", () => {
  const table = started(1);
  table.requested(lease(1), request());
  const commands = table.requested(lease(2), request({ classKey: "two" }));
  deepStrictEqual(commands, [{ kind: "reclaim", leaseId: lease(1) }]);
  deepStrictEqual(table.requested(lease(3), request({ classKey: "two" })), []);
});

Deno.test("LeaseTable starts another for a worker that ended, and ends its leases", () => {
  const table = started(1);
  table.requested(lease(1), request());
  table.requested(lease(2), request());
  deepStrictEqual(table.workerEnded(1), [{
    kind: "start_worker",
    workerNo: 2,
  }]);
  deepStrictEqual(table.workerEnded(1), []);
  deepStrictEqual(table.requested(lease(1), request()), [
    { kind: "reject", leaseId: lease(1), reason: "ended" },
  ]);
  deepStrictEqual(table.workerStarted(2, process(2)), [grant(2, 2)]);
});

Deno.test("LeaseTable keeps its number of workers when one ends that nobody waits for", () => {
  const table = started(2);
  deepStrictEqual(table.workerEnded(1), [{
    kind: "start_worker",
    workerNo: 3,
  }]);
});

Deno.test("LeaseTable forgets what a gone owner waited for, and names what it held", () => {
  const table = started(1);
  table.requested(lease(1), request());
  table.requested(lease(2), request());
  deepStrictEqual(table.ownerEnded(driver), { orphans: [lease(1)] });
  strictEqual(table.waitingCount, 0);
  deepStrictEqual(table.returned(lease(1)), []);
  deepStrictEqual(table.ownerEnded(driver), { orphans: [] });
});

// Method: play owners that retry late and return twice, workers that block,
// go on and die at any moment, and let validate() judge. What was reached is
// counted: a walk that grants little proves little.
Deno.test("LeaseTable keeps its invariants under any order of events", () =>
  withSeed((random) => {
    const pick = <T>(from: T[]): T | undefined =>
      from[Math.floor(random() * from.length)];
    const total = { CPU: 3, red: 1 };
    const table = new LeaseTable(new ResourcePool(total), {
      waitingMax: 12,
      workersMax: 8,
      workersKept: 3,
    });
    const open: LeaseId[] = [];
    const ended: LeaseId[] = [];
    const asked = new Map<LeaseId, ReturnType<typeof request>>();
    const grantedTo = new Map<LeaseId, number>();
    const starting: number[] = [];
    let workers: number[] = [];
    const counts = {
      grant: 0,
      guest: 0,
      start: 0,
      reclaim: 0,
      reject: 0,
      end: 0,
      stay: 0,
    };
    const staying: number[] = [];
    let leaseCount = 0;

    function carryOut(commands: LeaseCommand[]): void {
      for (const command of commands) {
        switch (command.kind) {
          case "grant": {
            const before = grantedTo.get(command.leaseId);
            assert(
              before === undefined || before === command.workerNo,
              "Granted twice",
            );
            assert(!ended.includes(command.leaseId), "Granted to nobody");
            assert(workers.includes(command.workerNo), "Granted a dead worker");
            if (before === undefined) {
              counts.grant++;
              if (table.leasesOf(command.workerNo).length > 1) counts.guest++;
            }
            grantedTo.set(command.leaseId, command.workerNo);
            break;
          }
          case "start_worker":
            counts.start++;
            starting.push(command.workerNo);
            break;
          case "stop_worker":
            workers = workers.filter((no) => no !== command.workerNo);
            if (random() < 0.3) staying.push(command.workerNo);
            break;
          case "reject":
          case "unschedulable":
            counts.reject++;
            if (ended.includes(command.leaseId)) break;
            open.splice(open.indexOf(command.leaseId), 1);
            break;
          case "reclaim":
            counts.reclaim++;
            assert(
              grantedTo.has(command.leaseId),
              "Reclaimed what is not held",
            );
        }
      }
    }
    function close(id: LeaseId): void {
      const at = open.indexOf(id);
      if (at >= 0) open.splice(at, 1);
      ended.push(id);
      if (ended.length > 200) ended.shift();
    }
    function newRequest(): void {
      const id = lease(++leaseCount);
      const isNested = random() < 0.5 && workers.length > 0;
      const more = {
        classKey: pick(["one", "two"])!,
        resources: pick([{ CPU: 1 }, { CPU: 0.5 }, { red: 1 }, {}, {
          CPU: 9,
        }])!,
        depth: isNested ? 1 + Math.floor(random() * 3) : 0,
        isShort: random() < 0.3,
        isAlone: random() < 0.1,
      } as Partial<LeaseNeeds>;
      const owner = isNested ? process(pick(workers)!) : driver;
      asked.set(id, request(more, owner));
      open.push(id);
      carryOut(table.requested(id, asked.get(id)!));
    }
    function endWorker(no: number): void {
      counts.end++;
      workers = workers.filter((other) => other !== no);
      for (const id of table.leasesOf(no)) close(id);
      carryOut(table.workerEnded(no));
      for (const { ownerId } of [{ ownerId: process(no) }]) {
        for (const id of [...open]) {
          const isWaiting = asked.get(id)!.ownerId === ownerId &&
            !grantedTo.has(id);
          if (isWaiting) close(id);
        }
        const { orphans } = table.ownerEnded(ownerId);
        for (const id of orphans) {
          close(id);
          carryOut(table.returned(id));
        }
      }
    }
    function randomEvent(): void {
      const dice = random();
      const id = pick(open);
      const no = pick(workers);
      if (starting.length > 0 && dice < 0.15) {
        const next = starting.splice(Math.floor(random() * starting.length), 1);
        workers.push(next[0]!);
        carryOut(table.workerStarted(next[0]!, process(next[0]!)));
      } else if (staying.length > 0 && random() < 0.1) {
        const stays = staying.pop()!;
        counts.stay++;
        workers.push(stays);
        carryOut(table.workerStayed(stays, process(stays)));
        if (random() < 0.5) carryOut(table.workerStayed(stays, process(stays)));
      } else if (id === undefined || dice < 0.4) newRequest();
      else if (dice < 0.5) carryOut(table.requested(id, asked.get(id)!));
      else if (dice < 0.7) {
        close(id);
        carryOut(table.returned(id));
      } else if (dice < 0.75) {
        const late = pick(ended);
        if (late === undefined) return;
        carryOut(
          random() < 0.5
            ? table.returned(late)
            : table.requested(late, asked.get(late)!),
        );
      } else if (no === undefined) return;
      else if (dice < 0.83) {
        if (table.leasesOf(no).length === 0) return;
        const isAlone = random() < 0.2;
        const depth = Math.floor(random() * 4);
        const isImpatient = random() < 0.2;
        carryOut(table.workerBlocked(no, { depth, isAlone, isImpatient }));
      } else if (dice < 0.9) carryOut(table.workerUnblocked(no));
      else if (dice < 0.93) carryOut(table.rested(id));
      else if (dice < 0.95) carryOut(table.trimmed());
      else if (dice < 0.97) endWorker(no);
      else carryOut(table.resourcesGiven());
    }

    carryOut(table.prestarted());
    for (let step = 0; step < 60_000; step++) {
      randomEvent();
      table.validate();
    }
    for (const id of [...open]) {
      close(id);
      carryOut(table.returned(id));
      table.validate();
    }
    // What the dead owners' tasks held was returned as the walk went on.
    deepStrictEqual(table.pool.available(), total);
    strictEqual(table.waitingCount, 0);
    const least = {
      grant: 5_000,
      guest: 300,
      start: 300,
      reclaim: 300,
      reject: 300,
      end: 300,
    };
    for (const [what, count] of Object.entries(least)) {
      const reached = counts[what as keyof typeof counts];
      assert(reached >= count, `Only ${reached} of ${what} in the walk`);
    }
  }));

Deno.test("LeaseTable starts so many workers in advance, the others it keeps on demand", () => {
  const table = new LeaseTable(new ResourcePool({ CPU: 1e9 }), {
    waitingMax: 8,
    workersMax: 4,
    workersKept: 4,
    workersPrestarted: 2,
  });
  strictEqual(table.prestarted().length, 2);
  deepStrictEqual(table.prestarted(), []);
});
