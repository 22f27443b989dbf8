/**
 * The host of a durable actor is killed at one exact moment: while its commit
 * waits for the file, or between its commit and its reply. A lock on the file
 * holds the moment.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { get, init, remote } from "../../mod.ts";
import { currentSession } from "../../src/owner/current.ts";
import { Notes } from "../support/notes.ts";

class Counter {
  count = 0;

  add(path: string): number {
    this.count++;
    Deno.writeTextFileSync(path, `${this.count}\n`, { append: true });
    return this.count;
  }

  pid(): number {
    return Deno.pid;
  }
}

/** A runtime, an actor in it, and the file that can be locked. */
async function withActor(
  test: (bench: {
    counter: ReturnType<typeof Actor.remote>;
    notes: Notes;
    file: DatabaseSync;
  }) => Promise<void>,
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "mt-" });
  const lineage = `${folder}/lineage.db`;
  {
    await using _runtime = await init({ numCpus: 1, lineage });
    using notes = new Notes();
    using file = new DatabaseSync(lineage, { timeout: 10_000 });
    await test({ counter: Actor.remote(), notes, file });
  }
  await Deno.remove(folder, { recursive: true });
}

const Actor = remote(Counter, { durable: true, name: "counter" });

/** All that came to the file's thread before is in the file. */
async function flushed(): Promise<void> {
  await currentSession()!.node.request("lineage.flush", {});
}

function committedCount(file: DatabaseSync): number {
  const row = file.prepare(
    "SELECT count(*) AS count FROM durable_calls WHERE call = 'add'",
  ).get();
  return Number(row?.count);
}

Deno.test("A host that is killed between commit and reply: the call is answered from the file, and has run once", async () => {
  await withActor(async ({ counter, notes, file }) => {
    const pid = await get(counter.pid.remote());
    const answers: Promise<number>[] = [];
    for (let isHeld = false; !isHeld;) {
      const before = committedCount(file);
      file.exec("BEGIN IMMEDIATE");
      answers.push(get(counter.add.remote(notes.path)));
      await notes.reach(answers.length);
      // Stopped, it can't reply; its commit may have left before, or not yet.
      Deno.kill(pid, "SIGSTOP");
      file.exec("COMMIT");
      await flushed();
      isHeld = committedCount(file) > before;
      if (!isHeld) {
        Deno.kill(pid, "SIGCONT");
        await answers.at(-1);
      }
    }
    Deno.kill(pid, "SIGKILL");
    const counts = await Promise.all(answers);
    assertEquals(counts, answers.map((_, at) => at + 1));
    assertEquals(notes.lines(), counts.map(String));
    assertEquals(await get(counter.add.remote(notes.path)), counts.length + 1);
  });
});

Deno.test("A host that is killed while its commit waits for the file: the call counts once", async () => {
  await withActor(async ({ counter, notes, file }) => {
    const pid = await get(counter.pid.remote());
    file.exec("BEGIN IMMEDIATE");
    const answer = get(counter.add.remote(notes.path));
    await notes.reach(1);
    Deno.kill(pid, "SIGKILL");
    file.exec("COMMIT");
    assertEquals(await answer, 1);
    assertEquals(await get(counter.add.remote(notes.path)), 2);
  });
});

Deno.test("No result is seen before its commit", async () => {
  await withActor(async ({ counter, notes, file }) => {
    await get(counter.pid.remote());
    file.exec("BEGIN IMMEDIATE");
    let isSeen = false;
    const answer = get(counter.add.remote(notes.path));
    answer.then(() => isSeen = true);
    const further = get(counter.add.remote(notes.path));
    // The second one runs although the first one's commit waits.
    await notes.reach(2);
    assertEquals([isSeen, committedCount(file)], [false, 0]);
    file.exec("COMMIT");
    assertEquals([await answer, await further], [1, 2]);
    assertEquals(committedCount(file), 2);
  });
});
