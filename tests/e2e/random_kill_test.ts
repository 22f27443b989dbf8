import { assert } from "@std/assert";
import { Program } from "../support/program.ts";
import { seeded } from "../support/random.ts";

const work = `
import { get, remote } from "@manta/manta";
const nap = remote(async (ms: number) => {
  await new Promise((resolve) => setTimeout(resolve, ms));
  return new Float64Array(20_000).fill(ms);
});
const both = remote(async (ms: number) => {
  const made = await get([nap.remote(ms), nap.remote(ms)]);
  return made.length;
});
class Counter {
  count = 0;
  add() {
    return ++this.count;
  }
}
const counter = remote(Counter, { maxRestarts: -1, maxTaskRetries: -1 }).remote();
console.log("working");
const found = await get(Array.from({ length: 40 }, (_, at) => both.remote(at % 20)));
for (let at = 0; at < 20; at++) await get(counter.add.remote());
console.log("sum", found.reduce((a, b) => a + b, 0));
`;

// A few by default; KILLS=50 for a longer look, SEED to repeat one.
Deno.test("Whichever process is killed at whatever moment, the program ends and leaves nothing", async () => {
  const seed = Number(Deno.env.get("SEED") ?? Math.floor(Math.random() * 2e9));
  const random = seeded(seed);
  const killCount = Number(Deno.env.get("KILLS") ?? 6);
  let survivedCount = 0;
  for (let round = 0; round < killCount; round++) {
    await using program = new Program();
    const running = program.start([
      "run",
      "-A",
      program.write("main.ts", work),
    ]);
    await running.said("working");
    await new Promise((resolve) => setTimeout(resolve, random() * 600));
    const victims = [running.pid, ...program.processes().map(({ pid }) => pid)];
    const victim = victims[Math.floor(random() * victims.length)]!;
    try {
      Deno.kill(victim, "SIGKILL");
    } catch (error) {
      // It left by itself a moment ago.
      assert(
        error instanceof Deno.errors.NotFound || error instanceof TypeError,
      );
    }
    const { code, stdout, stderr } = await running.ended;
    if (victim !== running.pid) {
      const story = `SEED=${seed} round ${round}: ${stdout}${stderr}`;
      assert(code === 0 && stdout.includes("sum 80"), story);
      survivedCount++;
    }
    await program.gone();
  }
  assert(
    killCount < 6 || survivedCount > 0,
    `No child was killed, SEED=${seed}`,
  );
});
