/**
 * What a sandbox that may read every file must not see all the same: tokens,
 * and what other tasks were given.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { get, init, remote, TaskError } from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";
import { rejection } from "../support/notes.ts";

const reading = remote(
  (paths: string[]) =>
    paths.map((path) => {
      try {
        return Deno.readFileSync(path).length;
      } catch (error) {
        return (error as Error).message;
      }
    }),
  { runtimeEnv: { permissions: { read: true } }, maxRetries: 0 },
);

/** All files of a folder. */
function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(`${folder}/${name}`) : [`${folder}/${name}`]
  );
}

Deno.test("a sandbox that may read all files sees no secrets of a cluster's node", async () => {
  await using cluster = await TestCluster.start(2);
  const { address, token, head } = cluster;
  await using runtime = await init({ address, token });
  const nodes = await runtime.nodes();
  assertEquals(nodes.length, 3);
  const mine = filesIn(head.dir);
  assert(mine.includes(`${head.dir}/token`));
  assert(mine.includes(`${head.dir}/jobs/.token`));
  const open = new URL(import.meta.url).pathname;
  for (
    const { nodeId, address: at } of nodes.filter(({ resources }) =>
      resources["CPU"]
    )
  ) {
    // Another node of this machine was only told the file with the token.
    const hidden = at === address ? mine : [`${head.dir}/token`];
    const there = reading.options({ schedulingStrategy: { nodeId } });
    const [own, ...seen] = await get(there.remote([open, ...hidden]));
    assert(typeof own === "number");
    for (const outcome of seen) assertMatch(`${outcome}`, /^Requires read/);
  }
});

Deno.test("a sandbox that may read all files neither sees nor spoils a named lineage file", async () => {
  const folder = await Deno.makeTempDir();
  const lineage = `${folder}/named.db`;
  {
    await using _runtime = await init({ numCpus: 1, lineage });
    const files = filesIn(folder);
    assert(files.includes(lineage));
    for (const outcome of await get(reading.remote(files))) {
      assertMatch(`${outcome}`, /^Requires read/);
    }
    // What it can't read it can't spoil by what is no text either.
    const odd = remote((message: unknown) => {
      throw Object.assign(new Error("odd"), { message, name: message });
    }, { runtimeEnv: { permissions: "none" }, maxRetries: 0 });
    for (const message of [5, {}]) {
      assert(await rejection(get(odd.remote(message))) instanceof TaskError);
    }
  }
  using database = new DatabaseSync(lineage, { readOnly: true });
  const rows = database.prepare(
    "select error_message from tasks where error_message is not null",
  ).all();
  assertEquals(rows.map((row) => row["error_message"]), [
    "5",
    "{}",
  ]);
  await Deno.remove(folder, { recursive: true });
});
