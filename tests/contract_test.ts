/**
 * Every row of the public contract names a test that is there, and nothing
 * public is without a row.
 *
 * @module
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import * as api from "../mod.ts";
import { helpOf } from "../src/cli/help.ts";
import {
  actorOptionsShown,
  asCompletedOptionsShown,
  cancelOptionsShown,
  commandsShown,
  exportsShown,
  flagsShown,
  getOptionsShown,
  groupOptionsShown,
  initOptionsShown,
  killOptionsShown,
  mapOptionsShown,
  methodOptionsShown,
  progressOptionsShown,
  queueOptionsShown,
  runtimeEnvShown,
  type Shown,
  taskOptionsShown,
  variablesShown,
  waitOptionsShown,
} from "./support/contract.ts";

const root = new URL("../", import.meta.url);
const noOption = { "no such thing": 1 } as unknown as Record<string, never>;
const tables = {
  exports: exportsShown,
  "task options": taskOptionsShown,
  "actor options": actorOptionsShown,
  "method options": methodOptionsShown,
  "options of get": getOptionsShown,
  "options of wait": waitOptionsShown,
  "options of asCompleted": asCompletedOptionsShown,
  "options of cancel": cancelOptionsShown,
  "options of kill": killOptionsShown,
  "options of map": mapOptionsShown,
  "options of placementGroup": groupOptionsShown,
  "options of Queue": queueOptionsShown,
  "options of progress": progressOptionsShown,
  "runtimeEnv of tasks": runtimeEnvShown.task,
  "runtimeEnv of actors": runtimeEnvShown.actor,
  "init options": initOptionsShown,
  variables: variablesShown,
  commands: commandsShown,
  flags: flagsShown,
};

/** The names that an error about an option lists. */
function known({ message }: Error): string[] {
  const [, names] = /known are (.*)$/.exec(message) ?? [];
  assert(names !== undefined, message);
  return names.split(", ");
}

async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(new URL(folder, root))) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory) found.push(...await sources(`${path}/`));
    else found.push(await Deno.readTextFile(new URL(path, root)));
  }
  return found;
}

function assertRows(rows: Record<string, Shown>, names: string[]): void {
  assertEquals(Object.keys(rows).sort(), names.toSorted());
}

Deno.test("The contract: every export has a row", () => {
  assertRows(exportsShown, Object.keys(api));
});

Deno.test("The contract: every option has a row", async () => {
  class Actor {}
  const task = assertThrows(() => api.remote(() => 1, noOption), TypeError);
  assertRows(taskOptionsShown, known(task));
  const actor = assertThrows(() => api.remote(Actor, noOption), TypeError);
  assertRows(actorOptionsShown, known(actor));
  const init = await assertRejects(() => api.init(noOption), TypeError);
  assertRows(initOptionsShown, known(init));
});

Deno.test("The contract: every option of a call has a row", async () => {
  class Actor {
    method(): void {}
  }
  const fn = api.remote(() => 1);
  await using _runtime = await api.init({ numCpus: 1 });
  const ref = api.put(1);
  const actor = api.remote(Actor).remote();
  const calls: [Record<string, Shown>, () => unknown][] = [
    [methodOptionsShown, () => actor.method.options(noOption)],
    [getOptionsShown, () => api.get(ref, noOption)],
    [waitOptionsShown, () => api.wait([ref], noOption)],
    [asCompletedOptionsShown, () => api.asCompleted([ref], noOption)],
    [cancelOptionsShown, () => api.cancel(ref, noOption)],
    [killOptionsShown, () => api.kill(actor, noOption)],
    [mapOptionsShown, () => api.map(fn, [1], noOption)],
    [groupOptionsShown, () => api.placementGroup([{ CPU: 1 }], noOption)],
    [queueOptionsShown, () => new api.Queue(noOption)],
    [progressOptionsShown, () => api.progress(1, noOption)],
    [runtimeEnvShown.task, () => fn.options({ runtimeEnv: noOption })],
    [
      runtimeEnvShown.actor,
      () => api.remote(Actor, { runtimeEnv: noOption }),
    ],
  ];
  for (const [rows, call] of calls) {
    const error = await assertRejects(async () => await call(), TypeError);
    assertRows(rows, known(error));
  }
});

Deno.test("The contract: every variable that is read has a row", async () => {
  const text = (await sources("src/")).join("\n");
  const read = [...text.matchAll(/"(MANTA_[A-Z_]+)"/g)].map(([, name]) =>
    name!
  );
  assertRows(variablesShown, [...new Set(read)]);
});

Deno.test("The contract: every command has a row", () => {
  const listed = [...helpOf(undefined)!.matchAll(/^ {2}([a-z]+(?: [a-z]+)?)/gm)]
    .map(([, words]) => words!)
    .filter((words) => !words.startsWith("deno"));
  assertRows(commandsShown, [...new Set(listed)]);
});

Deno.test("The contract: every flag of a command has a row", () => {
  const texts = [undefined, ...Object.keys(commandsShown)].map((command) => {
    const text = helpOf(command) ?? "";
    // What stands in examples may be a script's own.
    return text.split(/^Examples?:$/m)[0]!;
  });
  const flags = [...texts.join("\n").matchAll(/--[a-z]+(?:-[a-z]+)*/g)];
  assertRows(flagsShown, [...new Set(flags.map(([flag]) => flag))]);
});

for (const [table, rows] of Object.entries(tables)) {
  Deno.test(`The contract: the tests of its ${table} are there`, async () => {
    const missing: string[] = [];
    for (const [row, [file, test]] of Object.entries(rows)) {
      const path = new URL(`tests/${file}_test.ts`, root);
      const text = await Deno.readTextFile(path);
      const isTest = [...text.matchAll(
        /(?:Deno\.test|\.step)\(\s*(?:\{\s*name:\s*)?(["'`])(.*?)\1/gs,
      )].some(([, , name]) => name === test);
      if (!isTest) missing.push(`${row}: ${file}: no test "${test}"`);
      // "cluster status" is given word by word.
      const word = row.split(" ").at(-1)!;
      const isNamed = word.startsWith("--")
        ? text.includes(word)
        : new RegExp(`\\b${word}\\b`, "i").test(text);
      if (!isNamed) {
        missing.push(`${row}: ${file} does not name it`);
      }
    }
    assertEquals(missing, []);
  });
}
