/**
 * What a sandbox that may read every file must not see all the same: tokens,
 * and what other tasks were given.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { get, init, remote } from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";

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

Deno.test("a sandbox that may read all files sees no named lineage file", async () => {
  const folder = await Deno.makeTempDir();
  const lineage = `${folder}/named.db`;
  {
    await using _runtime = await init({ numCpus: 1, lineage });
    const files = filesIn(folder);
    assert(files.includes(lineage));
    for (const outcome of await get(reading.remote(files))) {
      assertMatch(`${outcome}`, /^Requires read/);
    }
  }
  await Deno.remove(folder, { recursive: true });
});
