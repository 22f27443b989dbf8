/**
 * A counter: a class becomes an actor, a process-wide thing that remembers.
 * Whoever holds its handle calls it; its methods run one at a time.
 *
 * `deno run -A examples/counter.ts`
 *
 * @module
 */
import { type ActorHandle, get, remote, shutdown } from "@manta/manta";

class Counter {
  #count: number;

  constructor(start: number) {
    this.#count = start;
  }

  add(n: number): number {
    return this.#count += n;
  }
}

const counter = remote(Counter).remote(100);

// Calls of one caller run in the order sent.
console.log(
  `100, then adding 1 thrice: ${
    (await get([1, 1, 1].map((n) => counter.add.remote(n)))).join(", ")
  }`,
);

// A handle may travel: ten tasks add to the same counter, and none is lost.
const addTen = remote(async (shared: ActorHandle<Counter>) => {
  for (let i = 0; i < 10; i++) await get(shared.add.remote(1));
});
await get(Array.from({ length: 10 }, () => addTen.remote(counter)));
console.log(
  `after ten tasks added ten each: ${await get(counter.add.remote(0))}`,
);

await shutdown();
