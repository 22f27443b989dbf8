/**
 * Workers that can't be started: who waits is told, and goes on once they can.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { Program } from "../support/program.ts";

Deno.test("Each task asked for while no worker can be started fails, and runs once one can", async () => {
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(`
    import { get, init, remote, shutdown } from "@manta/manta";
    await init({ numCpus: 1, logToDriver: false });
    const pid = remote(() => Deno.pid, { maxRetries: 0 });
    const first = await get(pid.remote());
    const folder = import.meta.dirname!;
    // The workers' configuration is gone, and the worker with it.
    Deno.renameSync(folder, folder + ".away");
    Deno.kill(first, "SIGKILL");
    for (let round = 0; round < 3; round++) {
      await get(pid.remote()).catch((error) => console.log(error.name));
    }
    const both = await Promise.allSettled([get(pid.remote()), get(pid.remote())]);
    for (const { reason } of both as PromiseRejectedResult[]) {
      console.log(reason.message.replaceAll("\\n", " "));
    }
    Deno.renameSync(folder + ".away", folder);
    const second = await get(pid.remote());
    console.log(first !== second, await get(pid.remote()) === second);
    await shutdown();
  `);
  assertEquals(code, 0, stderr);
  const lines = stdout.trim().split("\n");
  assertEquals(lines.pop(), "true true");
  // The first may have been on its way to the worker that was killed.
  for (const name of lines.slice(1, 3)) {
    assertEquals(name, "TaskUnschedulableError");
  }
  for (const message of lines.slice(3)) {
    assertStringIncludes(message, "no worker could be started");
    assertStringIncludes(message, "deno.json");
  }
  await program.gone();
});

Deno.test("A session whose folder was removed goes on with the workers it has, and fails what needs others", async () => {
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(`
    import { get, init, remote } from "@manta/manta";
    await init({ numCpus: 2, logToDriver: false });
    const pid = remote(() => Deno.pid);
    const first = await get(pid.remote());
    const sessions = Deno.env.get("TMPDIR") + "/manta-" + Deno.uid();
    const folder = [...Deno.readDirSync(sessions)]
      .find(({ name }) => name.startsWith("manta-" + Deno.pid))!.name;
    Deno.removeSync(sessions + "/" + folder, { recursive: true });
    console.log(await get(pid.remote()) === first);
    Deno.kill(first, "SIGKILL");
    // The other worker lives, but nobody can find it any more.
    for (let round = 0; round < 2; round++) {
      const error = await get(pid.remote()).catch((error) => error);
      console.log(error.name, error.message.includes(folder + '" is gone'));
    }
  `);
  assertEquals(code, 0, stderr);
  assertEquals(
    stdout,
    "true\n" + "TaskUnschedulableError true\n".repeat(2),
    stderr,
  );
  await program.gone();
});

Deno.test("A program that asks for any number of CPUs gets no more processes than the machine can use", async () => {
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(`
    import { get, init, remote, shutdown } from "@manta/manta";
    await init({ numCpus: 1e9 });
    const pid = remote(() => Deno.pid);
    const pids = await get(Array.from({ length: 50 }, () => pid.remote()));
    const children = [...Deno.readDirSync("/proc")].filter(({ name }) => {
      try {
        return Deno.readTextFileSync("/proc/" + name + "/cmdline")
          .includes("worker_entry.ts") &&
          Deno.readTextFileSync("/proc/" + name + "/stat")
            .split(") ").at(-1)!.split(" ")[1] === String(Deno.pid);
      } catch {
        return false; // It is no process, or ended just now.
      }
    });
    const cores = navigator.hardwareConcurrency;
    // Those started in advance, and at most one for each task.
    console.log(pids.length, children.length >= 1, children.length <= cores + 50);
    await shutdown();
  `);
  assertEquals([code, stdout, stderr], [0, "50 true true\n", ""]);
  await program.gone();
});
