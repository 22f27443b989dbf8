/**
 * A soak: mixed work over a cluster of four nodes while nodes, workers and the
 * head are killed at random; each result is compared with the expected one, and
 * at the end what is left over is counted.
 *
 * deno task soak --minutes 15 --seed 1
 *
 * @module
 */
import { parseArgs } from "@std/cli";
import { get, init, put, remote, shutdown } from "../../mod.ts";
import { TestCluster, type TestNode } from "../support/cluster.ts";
import { seeded } from "../support/random.ts";

const flags = parseArgs(Deno.args, { string: ["minutes", "seed"] });
const minutes = Number(flags.minutes ?? 15);
const seed = Number(flags.seed ?? Math.floor(Math.random() * 1e9));
const random = seeded(seed);
const counts: Record<string, number> = {};
const wrong: string[] = [];
const count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;

const nap = remote(async (ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return ms;
}, { maxRetries: -1 });
const filled = remote(
  (length: number, value: number) => new Float64Array(length).fill(value),
  { maxRetries: -1 },
);
const sum = remote((xs: Float64Array) => xs.reduce((a, b) => a + b, 0), {
  maxRetries: -1,
});
const tree = remote(async (depth: number): Promise<number> => {
  if (depth === 0) return 1;
  const parts = await get([tree.remote(depth - 1), tree.remote(depth - 1)]);
  return parts[0]! + parts[1]!;
}, { maxRetries: -1 });

class Adder {
  add(a: number, b: number) {
    return a + b;
  }
}
const Actor = remote(Adder, { maxRestarts: -1, maxTaskRetries: -1 });

/** One piece of work: what it gave, and what it should give. */
const works: Record<string, () => Promise<[unknown, unknown]>> = {
  naps: async () => {
    const ms = Array.from({ length: 8 }, () => Math.floor(random() * 40));
    return [await get(ms.map((each) => nap.remote(each))), ms];
  },
  arrays: async () => {
    const length = 10_000 + Math.floor(random() * 100_000);
    return [await get(sum.remote(filled.remote(length, 3))), 3 * length];
  },
  puts: async () => {
    const array = put(new Float64Array(50_000).fill(2));
    const sums = await get([sum.remote(array), sum.remote(array)]);
    return [sums, [100_000, 100_000]];
  },
  trees: async () => [await get(tree.remote(4)), 16],
  actors: async () => {
    const actor = Actor.remote();
    const calls = Array.from(
      { length: 10 },
      (_, at) => actor.add.remote(at, 1),
    );
    return [await get(calls), calls.map((_, at) => at + 1)];
  },
};

async function work(until: () => boolean): Promise<void> {
  const names = Object.keys(works);
  while (!until()) {
    const name = names[Math.floor(random() * names.length)]!;
    try {
      const [was, expected] = await works[name]!();
      const isRight = JSON.stringify(was) === JSON.stringify(expected);
      count(isRight ? `${name} right` : `${name} WRONG`);
      if (!isRight) wrong.push(`${name}: ${JSON.stringify(was)}`);
    } catch (error) {
      count(`${name} FAILED`);
      wrong.push(`${name}: ${error}`);
    }
  }
}

async function trouble(cluster: TestCluster, until: () => boolean) {
  const living = new Set<TestNode>(cluster.nodes);
  while (!until()) {
    await new Promise((done) => setTimeout(done, 2000 + random() * 6000));
    const dice = random();
    if (dice < 0.45) {
      const all = cluster.processes().filter(({ command }) =>
        /(worker|host)_entry\.ts/.test(command)
      );
      const victim = all[Math.floor(random() * all.length)];
      if (victim === undefined) continue;
      try {
        Deno.kill(victim.pid, "SIGKILL");
        count("processes killed");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    } else if (dice < 0.8) {
      const [node] = [...living].sort(() => random() - 0.5);
      living.delete(node!);
      await node!.kill();
      count("nodes killed");
      living.add(await cluster.join());
    } else {
      await cluster.head.kill();
      count("heads killed");
      await new Promise((done) => setTimeout(done, random() * 1500));
      await cluster.startHead();
    }
  }
}

const endMs = performance.now() + minutes * 60_000;
const isOver = () => performance.now() > endMs;
console.log(`seed ${seed}, ${minutes} minutes`);
const cluster = await TestCluster.start(3);
await init({ address: cluster.address, token: cluster.token });
const before = Deno.memoryUsage().rss;
await Promise.all([
  trouble(cluster, isOver),
  ...[1, 2, 3].map(() => work(isOver)),
]);
const grownMiB = Math.round((Deno.memoryUsage().rss - before) / (1 << 20));
await shutdown();
const { folder } = cluster;
await cluster[Symbol.asyncDispose](); // Throws where a process stays.
const left =
  [...Deno.readDirSync("/tmp")].filter(({ name }) => folder.endsWith(name))
    .length;
console.log(counts);
console.log(
  `memory of the driver grew by ${grownMiB} MiB; ${left} folders left`,
);
for (const line of wrong.slice(0, 20)) console.log(line.slice(0, 300));
Deno.exit(wrong.length + left === 0 ? 0 : 1);
