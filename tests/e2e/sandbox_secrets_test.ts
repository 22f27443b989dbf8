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
import { rejection, until } from "../support/notes.ts";
import { Program } from "../support/program.ts";
import { sessionFoldersIn } from "../support/sessions.ts";
import { SessionRoot } from "../support/spilled.ts";

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

Deno.test("a sandbox that may use the folder of temporary files and every socket reaches no other program", async () => {
  await using program = new Program();
  using root = new SessionRoot(await Deno.realPath(await Deno.makeTempDir()));
  await using _runtime = await init({ numCpus: 1 });
  const hunt = remote(
    async (sessions: { folder: string; socket: string }[]) => {
      const outcomes: string[] = [];
      for (const { folder, socket } of sessions) {
        const attempts = [
          () => [...Deno.readDirSync(folder)],
          () => Deno.readFileSync(`${folder}/lineage.db`),
          () => Deno.writeTextFileSync(`${folder}/evil`, ""),
          () => Deno.connect({ transport: "unix", path: socket }),
        ];
        for (const attempt of attempts) {
          try {
            await attempt();
            outcomes.push("done");
          } catch (error) {
            outcomes.push((error as Error).message);
          }
        }
      }
      return outcomes;
    },
    {
      runtimeEnv: {
        permissions: { read: true, write: [root.path], net: true },
      },
      maxRetries: 0,
    },
  );
  // Its sandbox is started before there is another program.
  await get(hunt.remote([]));
  const source = `
    import { init } from "@manta/manta";
    await init({ numCpus: 1 });
    console.log("is up");
    await new Promise((resolve) => setTimeout(resolve, 60_000));`;
  const other = program.start(
    ["run", "-A", program.write("other.ts", source)],
    { env: { TMPDIR: root.path } },
  );
  await other.said("is up");
  const sessions = sessionFoldersIn(root.path).map((folder) => ({
    folder,
    socket: filesIn(folder).find((path) => path.endsWith(".sock"))!,
  }));
  assertEquals(sessions.length, 2);
  const outcomes = await get(hunt.remote(sessions));
  assertEquals(outcomes.length, 8);
  for (const outcome of outcomes) {
    assertMatch(outcome, /^Requires (read|write|net) access/);
  }
  other.kill("SIGKILL");
  await until(
    () => sessionFoldersIn(root.path).length === 1,
    "the end of the other program's session",
  );
});
