import { assert, assertEquals } from "@std/assert";
import { type LineageCommand, LineageTable } from "../../src/state/lineage.ts";
import { seeded } from "../support/random.ts";

const roomy = { tasksMax: 1000, bytesMax: 1 << 20 };

/** A table in which task n takes one object of each of the tasks listed. */
function tableOf(
  tasks: Record<number, number[]>,
  options: { runsLeft?: number; objectCount?: number } = {},
): LineageTable {
  const table = new LineageTable(roomy);
  const { runsLeft = 3, objectCount = 1 } = options;
  for (const [ordinal, makers] of Object.entries(tasks)) {
    table.produced({
      ordinal: Number(ordinal),
      objectCount,
      dependencies: makers.map((maker) => ({ ordinal: maker, index: 0 })),
      runsLeft,
      bytes: 100,
    });
    table.validate();
  }
  return table;
}

/** Commands in short: "reopen 1.0", "rerun 1". */
function short(commands: LineageCommand[]): string[] {
  return commands.map((command) => {
    switch (command.kind) {
      case "reopen":
        return `reopen ${command.key.ordinal}.${command.key.index}`;
      case "rerun":
      case "forget":
        return `${command.kind} ${command.ordinal}`;
      case "reject":
        return `reject ${command.key.ordinal}.${command.key.index}: ${command.reason}`;
    }
  });
}

const key = (ordinal: number, index = 0) => ({ ordinal, index });

Deno.test("LineageTable makes a lost object again, once however many ask", () => {
  const table = tableOf({ 1: [] });
  assertEquals(short(table.lost(key(1))), ["reopen 1.0", "rerun 1"]);
  table.validate();
  assertEquals(table.lost(key(1)), []);
  assertEquals(table.lost(key(1)), []);
  table.produced({ ...task(1), runsLeft: 3 });
  table.validate();
  assertEquals(short(table.lost(key(1))), ["reopen 1.0", "rerun 1"]);
});

Deno.test("LineageTable makes first what the task took, as far as it is gone", () => {
  const table = tableOf({ 1: [], 2: [1], 3: [1], 4: [2, 3] });
  table.dropped(key(1));
  table.dropped(key(2));
  table.validate();
  assertEquals(short(table.lost(key(4))), [
    "reopen 1.0",
    "rerun 1",
    "reopen 2.0",
    "rerun 2",
    "reopen 4.0",
    "rerun 4",
  ]);
  table.validate();
  // What is being made is waited for, also by others.
  assertEquals(short(table.lost(key(3))), ["reopen 3.0", "rerun 3"]);
  table.validate();
});

Deno.test("LineageTable knows that what was made again for a dependent is gone with it", () => {
  const table = tableOf({ 1: [], 2: [1] });
  table.dropped(key(1));
  const again = ["reopen 1.0", "rerun 1", "reopen 2.0", "rerun 2"];
  for (let round = 0; round < 3; round++) {
    assertEquals(short(table.lost(key(2))), again);
    table.produced(task(1));
    table.produced(task(2));
    assertEquals(table.dropped(key(1)), []);
    table.validate();
  }
});

Deno.test("LineageTable runs a task once for several of its objects", () => {
  const table = tableOf({ 1: [] }, { objectCount: 3 });
  assertEquals(short(table.lost(key(1, 0))), ["reopen 1.0", "rerun 1"]);
  assertEquals(short(table.lost(key(1, 2))), ["reopen 1.2"]);
  table.validate();
});

Deno.test("LineageTable counts runs that crashed while an object was made again", () => {
  const table = tableOf({ 1: [] }, { runsLeft: 3 });
  table.lost(key(1));
  // Its worker crashed twice: three runs went, not one.
  table.produced({ ...task(1), runsLeft: 0 });
  assertEquals(short(table.lost(key(1))), [
    "reject 1.0: its task may not run again",
  ]);
});

Deno.test("LineageTable says why an object can't be made again", () => {
  const spent = tableOf({ 1: [] }, { runsLeft: 1 });
  spent.lost(key(1));
  spent.produced({ ...task(1), runsLeft: 0 });
  assertEquals(short(spent.lost(key(1))), [
    "reject 1.0: its task may not run again",
  ]);
  assertEquals(short(spent.lost(key(7))), [
    "reject 7.0: nobody knows how it was made",
  ]);
  const chain = tableOf({ 1: [], 2: [1], 3: [2] });
  chain.dropped(key(1));
  chain.freed(key(1));
  chain.dropped(key(2));
  assertEquals(short(chain.lost(key(3))), [
    "reject 3.0: an argument of its task is gone too, and an argument of its task is gone too, and the program freed it",
  ]);
  chain.validate();
  // Nothing of it has begun, and nothing was charged.
  assertEquals(short(chain.lost(key(2))), [
    "reject 2.0: an argument of its task is gone too, and the program freed it",
  ]);
});

Deno.test("LineageTable undoes what it began for a task that can't run", () => {
  const table = new LineageTable(roomy);
  for (const ordinal of [1, 2]) table.produced(task(ordinal));
  table.produced({
    ...task(3),
    dependencies: [key(1), key(2)],
  });
  table.dropped(key(1));
  table.dropped(key(2));
  table.freed(key(2));
  assertEquals(short(table.lost(key(3))), [
    "reject 3.0: an argument of its task is gone too, and the program freed it",
  ]);
  table.validate();
  assertEquals(short(table.lost(key(1))), ["reopen 1.0", "rerun 1"]);
});

Deno.test("LineageTable forgets what nobody needs, and what depended on by nobody else", () => {
  const table = tableOf({ 1: [], 2: [1], 3: [1] });
  assertEquals(table.dropped(key(1)), []);
  assertEquals(table.dropped(key(1)), []);
  assertEquals(short(table.dropped(key(2))), ["forget 2"]);
  table.validate();
  assertEquals(short(table.dropped(key(3))), ["forget 3", "forget 1"]);
  table.validate();
  assertEquals(table.size, 0);
});

Deno.test("LineageTable keeps a task that runs again until it is done", () => {
  const table = tableOf({ 1: [] });
  table.lost(key(1));
  assertEquals(table.dropped(key(1)), []);
  table.validate();
  assertEquals(short(table.failed(1)), ["forget 1"]);
});

Deno.test("LineageTable remembers so many and no more, the oldest go first", () => {
  const table = new LineageTable({ tasksMax: 3, bytesMax: 1000 });
  for (const ordinal of [1, 2, 3]) table.produced(task(ordinal));
  assertEquals(short(table.produced(task(4))), ["forget 1"]);
  assertEquals(
    short(table.produced({ ...task(5), bytes: 950 })),
    ["forget 2", "forget 3", "forget 4"],
  );
  table.validate();
});

Deno.test("LineageTable keeps its invariants under any order of events", () => {
  const counts = { reopen: 0, rerun: 0, reject: 0, forget: 0 };
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed);
    const table = new LineageTable({ tasksMax: 30, bytesMax: 4000 });
    const below = (count: number) => Math.floor(random() * count);
    const running = new Set<number>();
    let lastOrdinal = 0;
    const take = (commands: LineageCommand[]) => {
      for (const command of commands) {
        counts[command.kind]++;
        if (command.kind !== "rerun") continue;
        assert(!running.has(command.ordinal), `seed ${seed}: runs twice`);
        running.add(command.ordinal);
      }
      table.validate();
    };
    for (let step = 0; step < 500; step++) {
      const some = key(1 + below(lastOrdinal + 1), below(2));
      const dice = random();
      if (dice < 0.3) {
        const ordinal = ++lastOrdinal;
        const dependencies = Array.from(
          { length: below(3) },
          () => key(1 + below(ordinal), below(2)),
        ).filter(({ ordinal: maker }) => maker < ordinal);
        take(
          table.produced({ ...task(ordinal), objectCount: 2, dependencies }),
        );
      } else if (dice < 0.5) take(table.dropped(some));
      else if (dice < 0.7) take(table.lost(some));
      else if (dice < 0.73) {
        table.freed(some);
        table.validate();
      } else if (running.size > 0) {
        const [ordinal] = running;
        running.delete(ordinal!);
        take(
          random() < 0.2
            ? table.failed(ordinal!)
            : table.produced({ ...task(ordinal!), objectCount: 2 }),
        );
      }
    }
  }
  for (const [kind, count] of Object.entries(counts)) {
    assert(count > 100, `only ${count} ${kind}`);
  }
});

function task(ordinal: number) {
  return { ordinal, objectCount: 1, dependencies: [], runsLeft: 3, bytes: 100 };
}
