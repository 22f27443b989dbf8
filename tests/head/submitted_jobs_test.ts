import { assert, assertEquals } from "@std/assert";
import { SubmittedJobs } from "../../src/head/submitted_jobs.ts";
import type { Requests } from "../../src/wire/messages.ts";
import type { Peer } from "../../src/wire/peer.ts";
import { until } from "../support/notes.ts";

/** Asks as whoever is connected would. */
function deskOf(jobs: SubmittedJobs) {
  const handlers = jobs.requests();
  return async <K extends "job.submit" | "job.list" | "job.read" | "job.stop">(
    kind: K,
    ask: Requests[K]["ask"],
  ): Promise<Requests[K]["answer"]> =>
    await handlers[kind]!(ask as never, undefined as unknown as Peer) as never;
}

Deno.test("SubmittedJobs runs a program once, however often it is asked, and stops all that runs", async () => {
  const folder = await Deno.makeTempDir();
  const script = `${folder}/job.ts`;
  Deno.writeTextFileSync(
    script,
    `console.log("began", Deno.env.get("MANTA_ADDRESS"), Deno.args.join());
    const ms = Number(Deno.args[0]);
    await new Promise((resolve) => setTimeout(resolve, ms));`,
  );
  const options = { folder: `${folder}/jobs`, address: "h:1", token: "secret" };
  const jobs = new SubmittedJobs(options);
  const ask = deskOf(jobs);
  const job = (digit: number, ...args: string[]) => ({
    id: `job-0000000${digit}`,
    script,
    args,
    cwd: folder,
  });
  const quick = job(1, "0", "x y");
  assertEquals(await ask("job.submit", quick), {});
  assertEquals(await ask("job.submit", quick), {});
  const hold = setTimeout(() => {}, 60_000); // A watcher holds nobody.
  const read = { id: quick.id, from: 0, waitMs: 5000 };
  await until(
    async () => (await ask("job.read", read)).isOver,
    "the end of its output",
  );
  const { bytes } = await ask("job.read", read);
  assertEquals(new TextDecoder().decode(bytes), "began h:1 0,x y\n");

  const long = job(2, "60000");
  await ask("job.submit", long);
  const stopping = [1, 2].map(() => ask("job.stop", { id: long.id }));
  assertEquals(await Promise.all(stopping), [{}, {}]);
  await ask("job.submit", job(3, "60000"));
  await jobs.close();
  assert((await ask("job.submit", job(4))).refusal?.includes("ending"));
  assertEquals(
    (await ask("job.list", {})).jobs.map(({ id, state }) => [id, state]),
    [
      ["job-00000001", "finished"],
      ["job-00000002", "stopped"],
      ["job-00000003", "stopped"],
    ],
  );
  for (const id of ["job-00000009", "../jobs", ""]) {
    assertEquals((await ask("job.read", { ...read, id })).isUnknown, true);
    assert((await ask("job.stop", { id })).refusal?.includes("no job"));
  }
  clearTimeout(hold);
  await Deno.remove(folder, { recursive: true });
});
