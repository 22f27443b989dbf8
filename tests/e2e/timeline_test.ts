import { assert, assertEquals, assertRejects } from "@std/assert";
import { get, init, remote, shutdown } from "../../mod.ts";

Deno.test("timeline(path) is a trace of what ran: slices on workers, named, retries and errors told", async () => {
  const folder = await Deno.makeTempDir();
  const runtime = await init({ numCpus: 2, lineage: `${folder}/l.db` });
  const nap = remote(async function nap(ms: number) {
    await new Promise((resolve) => setTimeout(resolve, ms));
  });
  const flaky = remote(function flaky() {
    throw new RangeError("no");
  }, { retryExceptions: true, maxRetries: 1 });
  await get([nap.remote(30), nap.remote(30)]);
  await assertRejects(() => get(flaky.remote()));
  const path = `${folder}/trace.json`;
  await runtime.timeline(path);
  const { traceEvents } = JSON.parse(await Deno.readTextFile(path));
  const slices = traceEvents.filter((one: { ph: string }) => one.ph === "X");
  const named = (name: string) =>
    slices.filter((one: { name: string }) => one.name === name);
  assertEquals(named("nap").length, 2);
  assertEquals(named("flaky").length, 2);
  const names = traceEvents.filter((one: { ph: string }) => one.ph === "M");
  for (const slice of slices) {
    const { ts, dur, pid, tid } = slice;
    assert(Number.isInteger(ts) && Number.isInteger(dur) && dur >= 0);
    assert(Math.abs(ts / 1000 - Date.now()) < 60_000);
    assert(
      names.some((one: { pid: number; tid: number }) =>
        one.pid === pid && one.tid === tid
      ),
    );
  }
  assert(named("nap").every(({ dur }: { dur: number }) => dur >= 25_000));
  assert(JSON.stringify(named("flaky")).includes("RangeError"));
  await shutdown();
  await assertRejects(() => runtime.timeline());
  await Deno.remove(folder, { recursive: true });
});
