/**
 * manta's side of the bench: the rows as `ray/_private/ray_perf.py` defines
 * them, with smaller batches where the bench asks for a scale under 1.
 *
 * @module
 */
import {
  type ActorHandle,
  get,
  init,
  kill,
  placementGroup,
  put,
  remote,
  removePlacementGroup,
  shutdown,
  wait,
} from "../../mod.ts";
import config from "../../deno.json" with { type: "json" };
import { memoryOfGroup } from "./memory.mjs";
import { besideRows } from "../rows.ts";
import { serve } from "./serve.mjs";

type Row = import("./serve.mjs").Row;
type Server = ActorHandle<Actor> | ActorHandle<AsyncActor>;

const half = Math.max(1, navigator.hardwareConcurrency >> 1);
const mebi = 1024 * 1024;

function times<T>(n: number, make: (index: number) => T): T[] {
  return Array.from({ length: n }, (_, index) => make(index));
}

const smallValue = remote(() => "ok");

class Actor {
  smallValue() {
    return "ok";
  }

  smallValueArg(_x: number) {
    return "ok";
  }

  async smallValueBatch(n: number) {
    await get(times(n, () => smallValue.remote()));
  }
}

class AsyncActor {
  // deno-lint-ignore require-await -- async is what is measured
  async smallValue() {
    return "ok";
  }

  // deno-lint-ignore require-await
  async smallValueWithArg(_x: number) {
    return "ok";
  }
}

class Client {
  readonly servers: Server[];

  constructor(servers: Server[]) {
    this.servers = servers;
  }

  async smallValueBatch(n: number) {
    await get(
      this.servers.flatMap((server) =>
        times(n, () => server.smallValue.remote())
      ),
    );
  }

  async smallValueBatchArg(n: number) {
    const x = put(0);
    const servers = this.servers as ActorHandle<Actor>[];
    await get(
      servers.flatMap((server) =>
        times(n, () => server.smallValueArg.remote(x))
      ),
    );
  }
}

const RemoteActor = remote(Actor);
// Ray runs up to 1,000 calls of an async actor at once.
const RemoteAsyncActor = remote(AsyncActor, { maxConcurrency: 1000 });
const RemoteClient = remote(Client);

const putSmall = remote(() => {
  for (let i = 0; i < 100; i++) put(0);
});

/** Stores an array to the end, and lets it go: as Python's count of references does. */
async function putAndDrop(array: Float64Array) {
  using ref = put(array);
  await wait([ref]);
}

const putLarge = remote(async () => {
  for (let i = 0; i < 10; i++) await putAndDrop(new Float64Array(10 * mebi));
});
const manyRefs = remote(() => times(10_000, () => put(1)));
const work = remote(async (servers: Server[], n: number) => {
  await get(times(n, (i) => servers[i % servers.length]!.smallValue.remote()));
});

const fib = remote(fibonacci);
async function fibonacci(n: number): Promise<number> {
  if (n < 2) return n;
  const [a, b] = await get([fib.remote(n - 1), fib.remote(n - 2)] as const);
  return a + b;
}

const countArgs = remote((...args: number[]) => args.length);
const manyReturns = remote(() => times(3000, (i) => i), { numReturns: 3000 });

async function placementGroups() {
  const groups = times(100, () => placementGroup([{ custom: 0.001 }]));
  await get(groups.map((group) => group.ready()));
  await Promise.all(groups.map((group) => removePlacementGroup(group)));
}

/** Seconds a run. */
function duration(run: () => unknown): Row {
  return { run, isDuration: true };
}

/** So many actors that have answered. */
async function startActors(n: number): Promise<ActorHandle<Actor>[]> {
  const actors = times(n, () => RemoteActor.remote());
  await get(actors.map((actor) => actor.smallValue.remote()));
  return actors;
}

/** Starts 200 actors, looks at them, and ends them. */
async function withManyActors(look: () => number): Promise<number> {
  const actors = await startActors(200);
  const figure = look();
  await Promise.all(actors.map((actor) => kill(actor)));
  return figure;
}

const batch = () => get(times(1000, () => smallValue.remote()));

async function waitRefs() {
  let left = times(1000, () => smallValue.remote());
  for (let i = 0; i < 1000; i++) left = (await wait(left))[1];
}

/** A row about actors, which go when it ends. */
function withActors<Handle extends object>(
  actors: Handle[],
  row: Row,
): Row {
  const end = async () => {
    await Promise.all(actors.map((one) => kill(one)));
    await row.end?.();
  };
  return { ...row, end };
}

function callsSync(actor: Server): Row {
  return withActors([actor], { run: () => get(actor.smallValue.remote()) });
}

function callsAsync(actor: Server): Row {
  const run = () => get(times(1000, () => actor.smallValue.remote()));
  return withActors([actor], { run, count: 1000 });
}

function callsAsyncWithArgs(): Row {
  const actor = RemoteAsyncActor.remote();
  const run = () => get(times(1000, (i) => actor.smallValueWithArg.remote(i)));
  return withActors([actor], { run, count: 1000 });
}

function multiTask(scale: number): Row {
  const n = Math.round(10_000 * scale);
  const actors = times(4, () => RemoteActor.remote());
  const run = () => get(actors.map((actor) => actor.smallValueBatch.remote(n)));
  return withActors(actors, { run, count: n * actors.length });
}

function oneToMany(servers: Server[], scale: number): Row {
  const n = Math.round(5000 * scale);
  const client = RemoteClient.remote(servers);
  const run = () => get(client.smallValueBatch.remote(n));
  return withActors([client, ...servers], { run, count: n * servers.length });
}

function manyToMany(servers: Server[], scale: number): Row {
  const n = Math.round(5000 * scale);
  const run = () => get(times(4, () => work.remote(servers, n)));
  return withActors(servers, { run, count: 4 * n });
}

function manyToManyWithArg(): Row {
  const n = 1000;
  const servers = times(half, () => RemoteActor.remote());
  const clients = servers.map((server) => RemoteClient.remote([server]));
  const run = () => get(clients.map((one) => one.smallValueBatchArg.remote(n)));
  return withActors([...clients, ...servers], { run, count: n * half });
}

function queued(n: number): Row {
  return duration(() => get(times(n, () => smallValue.remote())));
}

/** Batches of tasks while all this is there. */
function beside(kept: object[]): Row {
  return { run: batch, count: 1000, end: () => kept.length = 0 };
}

/** Batches beside this many of each. */
const besides: Record<string, (n: number) => Row | Promise<Row>> = {
  objects: (n) => beside(times(n, (i) => put(i))),
  async functions(n) {
    const functions = times(n, (i) => remote(() => i));
    await get(functions.map((one) => one.remote()));
    return beside(functions);
  },
  async actors(n) {
    const actors = await startActors(n);
    return withActors(actors, beside(actors));
  },
};

/** How long the way of one task is at a time: this share of them is no longer. */
function latency(share: number, scale: number): Row {
  const roundMs = 1000 * scale;
  return {
    run: () => {},
    async figure() {
      const took: number[] = [];
      const startMs = performance.now();
      for (let atMs = startMs; atMs - startMs < roundMs;) {
        await get(smallValue.remote());
        const endMs = performance.now();
        took.push(endMs - atMs);
        atMs = endMs;
      }
      took.sort((a, b) => a - b);
      return 1000 * took[Math.floor(share * took.length)]!;
    },
  };
}

const actors = () => times(half, () => RemoteActor.remote());
const asyncActors = () => times(half, () => RemoteAsyncActor.remote());

const rows: Record<string, (scale: number) => Row | Promise<Row>> = {
  "single client get calls (Plasma Store)": () => {
    const value = put(0);
    return { run: () => get(value) };
  },
  "single client put calls (Plasma Store)": () => ({
    run: () => {
      put(0);
    },
  }),
  "multi client put calls (Plasma Store)": () => ({
    run: () => get(times(10, () => putSmall.remote())),
    count: 1000,
  }),
  "single client put gigabytes": () => {
    const array = new Float64Array(100 * mebi);
    return { run: () => putAndDrop(array), count: 8 * 0.1 };
  },
  "single client tasks and get batch": () => ({ run: batch }),
  "multi client put gigabytes": (scale) => {
    const tasks = Math.max(1, Math.round(10 * scale));
    return {
      run: () => get(times(tasks, () => putLarge.remote())),
      count: tasks * 8 * 0.1,
    };
  },
  "single client get object containing 10k refs": () => {
    const ref = manyRefs.remote();
    return { run: () => get(ref) };
  },
  "single client wait 1k refs": () => ({ run: waitRefs }),
  "single client tasks sync": () => ({ run: () => get(smallValue.remote()) }),
  "single client tasks async": () => ({ run: batch, count: 1000 }),
  "multi client tasks async": multiTask,
  "1:1 actor calls sync": () => callsSync(RemoteActor.remote()),
  "1:1 actor calls async": () => callsAsync(RemoteActor.remote()),
  "1:1 actor calls concurrent": () =>
    callsAsync(RemoteActor.options({ maxConcurrency: 16 }).remote()),
  "1:n actor calls async": (scale) => oneToMany(actors(), scale),
  "n:n actor calls async": (scale) => manyToMany(actors(), scale),
  "n:n actor calls with arg async": manyToManyWithArg,
  "1:1 async-actor calls sync": () => callsSync(RemoteAsyncActor.remote()),
  "1:1 async-actor calls async": () => callsAsync(RemoteAsyncActor.remote()),
  "1:1 async-actor calls with args async": callsAsyncWithArgs,
  "1:n async-actor calls async": (scale) => oneToMany(asyncActors(), scale),
  "n:n async-actor calls async": (scale) => manyToMany(asyncActors(), scale),
  "placement group create/removal": () => ({
    run: placementGroups,
    count: 100,
  }),
  "fib(20)": () => duration(() => get(fib.remote(20))),
  "a task of 10,000 arguments": () => {
    const args = times(10_000, (i) => put(i));
    return duration(() => get(countArgs.remote(...args)));
  },
  "a task of 3,000 returns": () => duration(() => get(manyReturns.remote())),
  "get of 10,000 objects": () => {
    const refs = times(10_000, (i) => put(i));
    return duration(() => get(refs));
  },
  "100,000 queued tasks": (scale) => queued(100_000 * scale),
  "1,000,000 queued tasks": (scale) => queued(1_000_000 * scale),
  "start of 200 actors": () => ({
    run: () => {},
    figure() {
      const startMs = performance.now();
      return withManyActors(() => (performance.now() - startMs) / 1000);
    },
  }),
  "memory of 200 actors": () => ({
    run: () => {},
    figure() {
      const before = memoryOfGroup();
      return withManyActors(() => (memoryOfGroup() - before) / 1e6);
    },
  }),
  "single client tasks sync, p50": (scale) => latency(0.5, scale),
  "single client tasks sync, p99": (scale) => latency(0.99, scale),
  "a new function's first task": () => ({
    run: () => {},
    async figure() {
      const count = 50;
      const startMs = performance.now();
      for (let i = 0; i < count; i++) await get(remote(() => i).remote());
      return (performance.now() - startMs) / count;
    },
  }),
  "tasks async of a closure": () => {
    const word = "ok";
    const closure = remote(() => word);
    const run = () => get(times(1000, () => closure.remote()));
    return { run, count: 1000 };
  },
  ...Object.fromEntries(
    besideRows.map(({ name, what, n }) => [name, () => besides[what]!(n)]),
  ),
};

await serve({
  async start() {
    await init({ resources: { custom: 100 } });
    return `manta ${config.version} (Deno ${Deno.version.deno})`;
  },
  async firstResult() {
    await init();
    await get(smallValue.remote());
  },
  rows,
  end: shutdown,
});
