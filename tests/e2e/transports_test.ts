/**
 * The same work over rings and over sockets alone, also while workers are
 * killed in the middle of it.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Program } from "../support/program.ts";

const work = `
  import { get, init, remote, shutdown } from "@manta/manta";
  await init({ numCpus: 2, logToDriver: false });
  const add = remote((a: number, b: number) => a + b, { maxRetries: -1 });
  const pid = remote(() => Deno.pid);
  const text = remote((length: number) => "x".repeat(length), { maxRetries: -1 });
  let sum = 0;
  for (let n = 0; n < 200; n++) sum = await get(add.remote(sum, n));
  console.log("one by one", sum);
  for (let round = 0; round < 5; round++) {
    const victim = await get(pid.remote());
    const many = Array.from({ length: 500 }, (_, n) => add.remote(n, round));
    // Larger than a ring, and than a socket's buffer.
    const long = [60_000, 300_000].map((length) => text.remote(length));
    Deno.kill(victim, "SIGKILL");
    const sums = await get(many);
    const lengths = (await get(long)).map(({ length }) => length);
    console.log(sums.every((it, n) => it === n + round), ...lengths);
  }
  class Counter {
    #count = 0;
    add() {
      return ++this.#count;
    }
  }
  const counter = remote(Counter).remote();
  const counts = await get(Array.from({ length: 300 }, () => counter.add.remote()));
  console.log("in order", counts.every((it, at) => it === at + 1));
  const numbers = remote(function* () {
    for (let n = 0; n < 500; n++) yield n;
  });
  let items = 0;
  for await (const ref of numbers.remote()) items += await get(ref);
  console.log("items", items);
  await shutdown();
`;

for (const transport of ["rings", "sockets"]) {
  Deno.test(`Tasks, calls and streams over ${transport} come whole and in order, whoever is killed`, async () => {
    await using program = new Program();
    const { code, stdout, stderr } = await program.run(work, {
      env: { MANTA_TRANSPORT: transport },
    });
    assertEquals(code, 0, stderr);
    assertEquals(
      stdout,
      "one by one 19900\n" + "true 60000 300000\n".repeat(5) +
        "in order true\nitems 124750\n",
      stderr,
    );
    await program.gone();
  });
}

Deno.test("A transport that there is not is named", async () => {
  await using program = new Program();
  const { code, stderr } = await program.run(work, {
    env: { MANTA_TRANSPORT: "pigeons" },
  });
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'MANTA_TRANSPORT="pigeons"');
  await program.gone();
});
