/**
 * Durable actors: their state after each call is in the lineage file, whatever
 * is killed. Real processes, real signals.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  ActorDiedError,
  type ActorOptions,
  exitActor,
  get,
  getActor,
  init,
  kill,
  MantaError,
  put,
  remote,
  restoreState,
  runtimeContext,
  saveState,
  SerializationError,
  TaskError,
} from "../../mod.ts";
import { rejection } from "../support/notes.ts";
import { seeded } from "../support/random.ts";

class Counter {
  count: number;
  log: string[] = [];

  constructor(start = 0) {
    this.count = start;
  }

  add(n: number): number {
    this.count += n;
    return this.count;
  }

  pid(): number {
    return Deno.pid;
  }

  read(): { count: number; log: string[] } {
    return { count: this.count, log: this.log };
  }

  note(line: string): void {
    this.log.push(line);
  }

  addAndThrow(n: number): never {
    this.count += n;
    throw new RangeError(`added ${n}`);
  }
}

const durable: ActorOptions = { durable: true };

Deno.test("A durable actor has its state again after its host was killed", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const counter = remote(Counter, durable).remote(100);
  assertEquals(await get(counter.add.remote(1)), 101);
  await get(counter.note.remote("hello"));
  const pid = await get(counter.pid.remote());
  Deno.kill(pid, "SIGKILL");
  assertEquals(await get(counter.read.remote()), {
    count: 101,
    log: ["hello"],
  });
  assert(await get(counter.pid.remote()) !== pid);
});

Deno.test("Calls of several callers to a durable actor count once each, however often its host is killed", async () => {
  await using _runtime = await init({ numCpus: 2 });
  const counter = remote(Counter, durable).remote();
  const addMany = remote(async (shared: typeof counter, times: number) => {
    for (let at = 0; at < times; at++) await get(shared.add.remote(1));
    return times;
  });
  const random = seeded(7);
  const callers = [addMany.remote(counter, 100), addMany.remote(counter, 100)];
  const own: Promise<number>[] = [];
  for (let killCount = 0; killCount < 12; killCount++) {
    const pid = await get(counter.pid.remote());
    // Some are answered, one is between its commit and its reply, some wait.
    for (let at = random() * 20; at > 0; at--) {
      own.push(get(counter.add.remote(1)));
      if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
    }
    Deno.kill(pid, "SIGKILL");
  }
  assertEquals(await get(callers), [100, 100]);
  const seen = await Promise.all(own);
  assertEquals(new Set(seen).size, seen.length, "each call left another count");
  const { count } = await get(counter.read.remote());
  assertEquals(count, 200 + own.length);
});

Deno.test("A task that runs again repeats its calls to a durable actor, and none counts twice", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const counter = remote(Counter, durable).remote();
  const transfer = remote(async (
    shared: typeof counter,
    isHostKilled: boolean,
  ) => {
    const first = await get(shared.add.remote(1));
    const second = await get(shared.add.remote(10));
    if (runtimeContext().attempt === 1) {
      // Also the actor's next incarnation must know what is committed.
      if (isHostKilled) Deno.kill(await get(shared.pid.remote()), "SIGKILL");
      Deno.kill(Deno.pid, "SIGKILL");
    } else if (isHostKilled) await get(shared.pid.remote());
    return [first, second, await get(shared.add.remote(100))];
  });
  assertEquals(await get(transfer.remote(counter, false)), [1, 11, 111]);
  assertEquals(await get(transfer.remote(counter, true)), [112, 122, 222]);
  assertEquals((await get(counter.read.remote())).count, 222);
});

Deno.test("What a method changed before it threw is kept, and so is its error", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const counter = remote(Counter, durable).remote();
  const failed = await rejection(get(counter.addAndThrow.remote(5)));
  assert(failed instanceof TaskError && failed.cause instanceof RangeError);
  Deno.kill(await get(counter.pid.remote()), "SIGKILL");
  assertEquals((await get(counter.read.remote())).count, 5);
  const repeat = remote(async (shared: typeof counter) => {
    const error = await get(shared.addAndThrow.remote(7)).then(
      () => "none",
      (error) => error.cause.message,
    );
    if (runtimeContext().attempt === 1) Deno.kill(Deno.pid, "SIGKILL");
    return error;
  });
  assertEquals(await get(repeat.remote(counter)), "added 7");
  assertEquals((await get(counter.read.remote())).count, 12);
});

class Vault {
  #secret: string;
  #openedCount = 0;

  constructor(secret: string) {
    this.#secret = secret;
  }

  open(): string {
    return `${this.#secret} ${++this.#openedCount}`;
  }

  pid(): number {
    return Deno.pid;
  }

  [saveState](): unknown {
    return { secret: this.#secret, openedCount: this.#openedCount };
  }

  [restoreState](state: { secret: string; openedCount: number }): void {
    this.#secret = state.secret;
    this.#openedCount = state.openedCount;
  }
}

Deno.test("saveState and restoreState keep what is private", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const vault = remote(Vault, durable).remote("a");
  assertEquals(await get(vault.open.remote()), "a 1");
  Deno.kill(await get(vault.pid.remote()), "SIGKILL");
  assertEquals(await get(vault.open.remote()), "a 2");
});

Deno.test("A durable actor with private fields and no saveState is refused, and the field named", async () => {
  await using _runtime = await init({ numCpus: 1 });
  class Hidden {
    #count = 0;
    add(): number {
      return ++this.#count;
    }
  }
  class Heir extends Hidden {}
  for (const Refused of [Hidden, Heir]) {
    const error = await rejection(
      get(remote(Refused, durable).remote().add.remote()),
    );
    assertStringIncludes(error.message, "#count is private");
    assertStringIncludes(error.message, "[saveState]()");
  }
  class Helped {
    count = 0;
    add(): number {
      return this.#more();
    }
    #more(): number {
      return ++this.count;
    }
  }
  assertEquals(await get(remote(Helped, durable).remote().add.remote()), 1);
});

class Holder {
  fine = 1;
  nested: unknown = { list: [0] };

  set(value: unknown): number {
    this.fine++;
    this.nested = { list: [1, value] };
    return this.fine;
  }

  socket(): void {
    this.fine++;
    this.nested = { list: [1, Promise.resolve()] };
  }

  hide(): void {
    class Hidden {
      #value = 1;
      read(): number {
        return this.#value;
      }
    }
    this.nested = { hidden: new Hidden() };
  }

  handler(): void {
    this.nested = { on: () => 1 };
  }

  read(): unknown {
    return [this.fine, this.nested];
  }
}

Deno.test("A state that can't be kept fails its call with the way to it, and the actor goes on from the state before", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const holder = remote(Holder, durable).remote();
  const before = [2, { list: [1, "a"] }];
  assertEquals(await get(holder.set.remote("a")), 2);
  const refused: [Promise<unknown>, string][] = [
    [get(holder.socket.remote()), '"state.nested.list[1]"'],
    [get(holder.set.remote([put(1)])), '"state.nested.list[1][0]"'],
    [get(holder.set.remote({ other: holder })), '"state.nested.list[1].other"'],
    [get(holder.handler.remote()), '"state.nested.on"'],
    [get(holder.hide.remote()), '"state.nested.hidden"'],
  ];
  const after = get(holder.read.remote());
  for (const [call, path] of refused) {
    const error = await rejection(call);
    assert(error instanceof SerializationError, String(error));
    assertStringIncludes(error.message, path);
  }
  assertEquals(await after, before);
});

Deno.test("A class whose state can't be kept from the start says so at each call, with the field's path", async () => {
  await using _runtime = await init({ numCpus: 1 });
  class Connected {
    socket = Promise.resolve();
    ping(): string {
      return "pong";
    }
  }
  const connected = remote(Connected, durable).remote();
  for (let call = 0; call < 2; call++) {
    const error = await rejection(get(connected.ping.remote()));
    assert(error instanceof SerializationError, String(error));
    assertStringIncludes(error.message, '"state.socket"');
  }
});

Deno.test("A durable actor whose class extends a built-in, or saves and does not restore, is refused", async () => {
  await using _runtime = await init({ numCpus: 1 });
  class Table extends Map<string, number> {
    put(key: string): number {
      return this.set(key, 1).size;
    }
  }
  const table = await rejection(
    get(remote(Table, durable).remote().put.remote("a")),
  );
  assertStringIncludes(table.message, "extends a built-in");
  class Half {
    ping(): void {}
    [saveState](): number {
      return 1;
    }
  }
  const half = await rejection(
    get(remote(Half, durable).remote().ping.remote()),
  );
  assertStringIncludes(half.message, "and not the other");
});

Deno.test("What a durable actor's call does to another counts once, though the call is cut short and runs again", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const counter = remote(Counter, durable).remote();
  const Teller = remote(
    class Teller {
      count = 0;
      async add(to: typeof counter, notes: string): Promise<number> {
        await get(to.add.remote(1));
        Deno.writeTextFileSync(notes, "ran\n", { append: true });
        const runs = Deno.readTextFileSync(notes).length / 4;
        if (runs < 3) Deno.kill(Deno.pid, "SIGKILL");
        this.count++;
        return await get(to.add.remote(10));
      }
      read(): number {
        return this.count;
      }
    },
    durable,
  );
  const teller = Teller.remote();
  const notes = Deno.makeTempFileSync();
  assertEquals(await get(teller.add.remote(counter, notes)), 11);
  assertEquals(Deno.readTextFileSync(notes), "ran\n".repeat(3));
  assertEquals(await get(teller.read.remote()), 1);
  assertEquals((await get(counter.read.remote())).count, 11);
  Deno.removeSync(notes);
});

Deno.test("kill() that lets a durable actor restart leaves it its state, and exitActor() ends it with its state", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const Leaver = remote(
    class Leaver {
      count = 0;
      add(): number {
        return ++this.count;
      }
      leave(): never {
        return exitActor();
      }
    },
    { durable: true, name: "leaver" },
  );
  const leaver = Leaver.remote();
  assertEquals(await get(leaver.add.remote()), 1);
  await kill(leaver, { noRestart: false });
  assertEquals(await get(leaver.add.remote()), 2);
  await rejection(get(leaver.leave.remote()));
  await rejection(get(leaver.add.remote()));
  assertEquals(await get(Leaver.remote().add.remote()), 1);
});

Deno.test("Large arrays and class instances are kept in the state and in results", async () => {
  await using _runtime = await init({ numCpus: 1 });
  class Point {
    constructor(readonly x: number) {}
    double(): number {
      return this.x * 2;
    }
  }
  const Keeper = remote(
    class Keeper {
      data = new Float64Array(0);
      point = new Point(0);
      fill(length: number): Float64Array {
        this.data = new Float64Array(length).fill(0.5);
        this.point = new Point(length);
        return this.data;
      }
      sum(): number {
        return this.data.reduce((sum, one) => sum + one, 0);
      }
      double(): number {
        return this.point.double();
      }
      pid(): number {
        return Deno.pid;
      }
    },
    durable,
  );
  const keeper = Keeper.remote();
  const repeat = remote(async (shared: typeof keeper) => {
    const filled = await get(shared.fill.remote(100_000));
    if (runtimeContext().attempt === 1) Deno.kill(Deno.pid, "SIGKILL");
    return filled.length;
  });
  assertEquals(await get(repeat.remote(keeper)), 100_000);
  Deno.kill(await get(keeper.pid.remote()), "SIGKILL");
  assertEquals(await get(keeper.sum.remote()), 50_000);
  assertEquals(await get(keeper.double.remote()), 200_000);
});

Deno.test("A generator of a durable actor is kept with its items when it ends", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const Feed = remote(
    class Feed {
      drawn = 0;
      async *draw(count: number): AsyncGenerator<number> {
        for (let at = 0; at < count; at++) {
          await Promise.resolve();
          yield ++this.drawn;
        }
      }
      pid(): number {
        return Deno.pid;
      }
    },
    durable,
  );
  const feed = Feed.remote();
  const drawThree = remote(async (shared: typeof feed) => {
    const items: number[] = [];
    for await (const ref of shared.draw.remote(3)) items.push(await get(ref));
    if (runtimeContext().attempt === 1) Deno.kill(Deno.pid, "SIGKILL");
    return items;
  });
  assertEquals(await get(drawThree.remote(feed)), [1, 2, 3]);
  Deno.kill(await get(feed.pid.remote()), "SIGKILL");
  assertEquals(await get(drawThree.remote(feed)), [4, 5, 6]);
});

Deno.test("A durable actor's name finds its state again in a later program, until it is killed", async () => {
  const lineage = `${Deno.makeTempDirSync({ prefix: "mt-" })}/bank.db`;
  const Named = remote(Counter, { durable: true, name: "visits" });
  {
    await using _runtime = await init({ numCpus: 1, lineage });
    assertEquals(await get(Named.remote(10).add.remote(1)), 11);
  }
  {
    await using _runtime = await init({ numCpus: 1, lineage });
    // By its name alone: class and arguments are in the file.
    const found = await getActor<Counter>("visits");
    assertEquals(await get(found.add.remote(1)), 12);
  }
  {
    await using _runtime = await init({ numCpus: 1, lineage });
    // Its constructor runs, and its fields are as they were left.
    const made = Named.remote(1000);
    assertEquals(await get(made.add.remote(1)), 13);
    await kill(made);
    const gone = await rejection(getActor("visits"));
    assertStringIncludes(gone.message, "none of that name is alive");
    assertEquals(await get(Named.remote(5).add.remote(1)), 6);
  }
  {
    await using _runtime = await init({ numCpus: 1, lineage });
    class Other {
      ping(): number {
        return 1;
      }
    }
    const other = remote(Other, { durable: true, name: "visits" }).remote();
    const refused = await rejection(get(other.ping.remote()));
    assert(refused.cause instanceof MantaError);
    assertStringIncludes(refused.cause.message, "which is a Counter");
  }
  await Deno.remove(lineage.slice(0, -"/bank.db".length), { recursive: true });
});

Deno.test("A durable actor whose restarts are used up rejects its calls with the reason", async () => {
  await using _runtime = await init({ numCpus: 1 });
  const counter = remote(Counter, { durable: true, maxRestarts: 1 }).remote();
  Deno.kill(await get(counter.pid.remote()), "SIGKILL");
  Deno.kill(await get(counter.pid.remote()), "SIGKILL");
  const error = await rejection(get(counter.add.remote(1)));
  assert(error instanceof ActorDiedError);
  assertStringIncludes(error.message, "SIGKILL");
});

Deno.test("A durable actor runs one call at a time, and says so at the call that asks for more", () => {
  const told = "one at a time";
  const asked = { durable: true, maxConcurrency: 2 };
  assertThrows(() => remote(Counter, asked), RangeError, told);
  const One = remote(Counter, { durable: true });
  assertThrows(() => One.options({ maxConcurrency: 2 }), RangeError, told);
  assertThrows(() => remote(Counter, { durable: 1 } as never), TypeError);
});
