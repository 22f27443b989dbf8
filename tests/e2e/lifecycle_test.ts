import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  get,
  init,
  isInitialized,
  MantaError,
  put,
  remote,
  shutdown,
} from "../../mod.ts";
import { Program } from "../support/program.ts";

const squares = `
import { get, remote } from "@manta/manta";
const square = remote((x: number) => { console.log("worker says", x); return x * x; });
console.log("got", await get([1, 2, 3].map((x) => square.remote(x))));
`;

const spinning = `
import { get, remote } from "@manta/manta";
const spin = remote(() => { console.log("spinning"); for (;;); });
class Spinner { spin() { console.log("turning"); for (;;); } }
const refs = [spin.remote(), remote(Spinner).remote().spin.remote()];
await get(refs);
`;

Deno.test("A second init is refused, unless it says to ignore it; shutdown can be called twice, init again", async () => {
  assertEquals(isInitialized(), false);
  const runtime = await init({ numCpus: 1 });
  await assertRejects(() => init(), MantaError, "a runtime is up already");
  const same = await init({ ignoreReinit: true });
  assertEquals(await same.clusterResources(), await runtime.clusterResources());
  assertEquals((await runtime.clusterResources())["CPU"], 1);
  await shutdown();
  await shutdown();
  assertEquals(isInitialized(), false);
  put(1);
  assert(isInitialized());
  await shutdown();
});

Deno.test("While a runtime ends it takes nothing, and init waits for its end", async () => {
  const runtime = await init({ numCpus: 1 });
  const one = remote(() => 1);
  await get(one.remote());
  const ended = shutdown();
  assertEquals(isInitialized(), false);
  assertThrows(() => one.remote(), MantaError, "is shutting down");
  assertThrows(() => put(1), MantaError, "is shutting down");
  const [next] = await Promise.allSettled([init({ numCpus: 1 }), ended]);
  assertEquals(next!.status, "fulfilled");
  await assertRejects(() => runtime.nodes(), MantaError, "was shut down");
  assertEquals(await get(one.remote()), 1);
  const two = await Promise.allSettled([shutdown(), init(), init()]);
  assertEquals(two.map(({ status }) => status), [
    "fulfilled",
    "fulfilled",
    "rejected",
  ]);
  await shutdown();
});

Deno.test("A program ends although a task of its heeds no cancel", async () => {
  await using program = new Program();
  const { code, stderr } = await program.run(`
    import { cancel, get, init, remote } from "@manta/manta";
    await init({ numCpus: 3 });
    const never = remote(() => new Promise<never>(() => {}));
    const spins = remote(() => { for (;;); });
    const items = remote(async function* () { yield 1; await new Promise(() => {}); });
    const refs = [never.remote(), spins.remote()];
    for await (const _item of items.remote()) break;
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const ref of refs) await cancel(ref);
    await Promise.allSettled(refs.map((ref) => get(ref)));
  `);
  assertEquals([code, stderr], [0, ""]);
  await program.gone();
});

Deno.test("A program ends although cancels meet crashes and retries", async () => {
  await using program = new Program();
  const { code } = await program.run(`
    import { cancel, get, init, remote } from "@manta/manta";
    await init({ numCpus: 2, logToDriver: false });
    const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const dies = remote(async () => {
      await pause(5);
      Deno.kill(Deno.pid, "SIGKILL");
    }, { maxRetries: 0 });
    class Rich extends Error { data = new Float64Array(20_000); }
    const fails = remote(async () => {
      await pause(2);
      throw new Rich("again");
    }, { retryExceptions: true, maxRetries: 5 });
    for (let round = 0; round < 12; round++) {
      const refs = [dies.remote(), fails.remote()];
      const settled = Promise.allSettled(refs.map((ref) => get(ref)));
      await pause(4 + round % 8);
      for (const ref of refs) cancel(ref);
      await settled;
    }
  `);
  assertEquals(code, 0);
  await program.gone();
});

Deno.test("A program that forgets shutdown prints all its workers printed, ends by itself and leaves nothing", async () => {
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(squares);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "got [ 1, 4, 9 ]");
  for (const x of [1, 2, 3]) {
    assert(
      new RegExp(`^\\(.* pid=\\d+\\) worker says ${x}$`, "m").test(stdout),
      stdout,
    );
  }
  await program.gone();
});

Deno.test("A stream that nobody waits for does not keep a program alive, one that is waited for does", async () => {
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(`
import { remote } from "@manta/manta";
const endless = remote(async function* () {
  for (let n = 0;; n++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    yield n;
  }
}, { backpressure: 4 });
class Feed { async *endless() { for (;;) { await new Promise(() => {}); yield 1; } } }
const dropped = [endless.remote(), remote(Feed).remote().endless.remote()];
let count = 0;
for await (const _ref of endless.remote()) if (++count === 3) break;
console.log("counted", count, dropped.length);
`);
  assertEquals([code, stdout, stderr], [0, "counted 3 2\n", ""]);
  await program.gone();
});

Deno.test("A constructor that throws in an actor that nobody calls is told of, also where shutdown is forgotten", async () => {
  await using program = new Program();
  const orderly = `
actors.push(remote(Unborn).remote(never.remote()));
await get(remote(Born).remote().ping.remote());
await shutdown();`;
  for (const end of ["", orderly]) {
    const { code, stderr } = await program.run(`
import { get, init, remote, shutdown } from "@manta/manta";
class Unborn { constructor(text: string) { throw new TypeError(text); } }
class Born { ping() {} }
const never = remote(() => new Promise<string>(() => {}), { numCpus: 0 });
await init({ numCpus: 1 });
const actors = [
  remote(Unborn).remote("not today"),
  remote(Born).remote(),
];
${end}`);
    assertEquals(code, 0);
    assertEquals(stderr.split("Cannot call actor").length, 2, stderr);
    assertStringIncludes(stderr, "Unborn");
    assertStringIncludes(stderr, "TypeError: not today");
    await program.gone();
  }
});

Deno.test("A program that leaves while its runtime starts leaves nothing and says nothing", async () => {
  await using program = new Program();
  for (const leave of ["Deno.exit(0)", "await shutdown()", ""]) {
    for (let round = 0; round < 4; round++) {
      const { code, stdout, stderr } = await program.run(`
import { init, put, shutdown } from "@manta/manta";
${round % 2 === 0 ? "await init({ numCpus: 2 });" : "put(shutdown);"}
${leave};`);
      assertEquals([code, stdout, stderr], [0, "", ""], leave);
      await program.gone();
    }
  }
});

Deno.test("What an actor prints says which class and name it is of", async () => {
  await using program = new Program();
  const { stdout } = await program.run(`
import { get, remote } from "@manta/manta";
class Clock { say() { console.log("tick"); } }
await get(remote(Clock).remote().say.remote());
await get(remote(Clock, { name: "big" }).remote().say.remote());
`);
  assert(/^\(Clock pid=\d+\) tick$/m.test(stdout), stdout);
  assert(/^\(Clock:big pid=\d+\) tick$/m.test(stdout), stdout);
});

Deno.test("An error of the driver's own ends it with status 1, and Deno.exit with its own; nothing is left", async () => {
  await using program = new Program();
  const thrown = await program.run(`${squares}\nthrow new Error("mine");`);
  assertEquals(thrown.code, 1);
  assertStringIncludes(thrown.stderr, "mine");
  await program.gone();
  const left = await program.run(`${squares}\nDeno.exit(7);`);
  assertEquals(left.code, 7);
  await program.gone();
});

Deno.test("A killed driver leaves nothing, also while a task and an actor compute without end", async () => {
  await using program = new Program();
  const running = program.start([
    "run",
    "-A",
    program.write("main.ts", spinning),
  ]);
  await running.said("spinning");
  await running.said("turning");
  running.kill("SIGKILL");
  assertEquals((await running.ended).signal, "SIGKILL");
  await program.gone();
});

Deno.test("A driver killed together with its reaper leaves no process, and its folder goes with the next program", async () => {
  await using program = new Program();
  const running = program.start([
    "run",
    "-A",
    program.write("main.ts", spinning),
  ]);
  await running.said("spinning");
  await running.said("turning");
  for (const { pid, command } of program.processes()) {
    if (command.includes("manta-reaper")) Deno.kill(pid, "SIGKILL");
  }
  running.kill("SIGKILL");
  await running.ended;
  const { code } = await program.run(squares);
  assertEquals(code, 0);
  await program.gone();
});

Deno.test("Ctrl-C ends a program and its workers without a word from them", async () => {
  await using program = new Program();
  const path = program.write(
    "main.ts",
    `
import { get, remote } from "@manta/manta";
const sleep = remote(async () => { console.log("sleeping"); await new Promise((r) => setTimeout(r, 60_000)); });
await get(sleep.remote());
`,
  );
  const running = program.start(["run", "-A", path]);
  await running.said("sleeping");
  // A terminal sends it to the whole group.
  for (const { pid } of program.processes()) Deno.kill(pid, "SIGINT");
  running.kill("SIGINT");
  const { signal, stderr } = await running.ended;
  assertEquals([signal, stderr], ["SIGINT", ""]);
  await program.gone();
});

Deno.test("It works from stdin, from deno eval and in a folder whose name has spaces and other letters", async () => {
  await using program = new Program("größe 数 x");
  const stdin = await program.start(["run", "-A", "-"], { stdin: squares })
    .ended;
  assertStringIncludes(stdin.stdout, "got [ 1, 4, 9 ]", stdin.stderr);
  const evaluated = await program.start(["eval", squares]).ended;
  assertStringIncludes(evaluated.stdout, "got [ 1, 4, 9 ]", evaluated.stderr);
  const script = await program.run(squares);
  assertStringIncludes(script.stdout, "got [ 1, 4, 9 ]", script.stderr);
  await program.gone();
});

Deno.test("A temporary folder whose path is too long for sockets is passed over", async () => {
  await using program = new Program();
  const long = `${program.temporary}/${"x".repeat(90)}`;
  Deno.mkdirSync(long);
  const { code, stdout, stderr } = await program.run(squares, {
    env: { TMPDIR: long },
  });
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "got [ 1, 4, 9 ]");
  assertEquals([...Deno.readDirSync(long)], []);
});

Deno.test("Workers see the program's own import map, and hold no permission that it lacks", async () => {
  await using program = new Program();
  program.write("named.ts", "export const name = 'mapped';");
  const config = JSON.parse(
    Deno.readTextFileSync(`${program.folder}/deno.json`),
  );
  config.imports["its-name"] = "./named.ts";
  program.write("deno.json", JSON.stringify(config));
  const { stdout, stderr } = await program.run(
    `
import { get, remote } from "@manta/manta";
import { name } from "its-name";
const look = remote(async () => [
  name,
  (await Deno.permissions.query({ name: "net", host: "example.com" })).state,
  (await Deno.permissions.query({ name: "env", variable: "HOME" })).state,
]);
console.log(await get(look.remote()));
`,
    { flags: ["-A", "--deny-env=HOME"] },
  );
  assertStringIncludes(stdout, '[ "mapped", "granted", "denied" ]', stderr);
});

Deno.test("A worker that can't start is no hang: the refs say why", async () => {
  await using program = new Program();
  const { code, stderr } = await program.run(squares, {
    flags: [
      "--allow-read",
      "--allow-write",
      "--allow-env",
      "--allow-sys",
      "--allow-net",
    ],
  });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "--allow-run");
  await program.gone();
});

Deno.test("Without --allow-ffi values go through sockets, and all is right", async () => {
  await using program = new Program();
  const { stdout, stderr } = await program.run(
    `
import { get, put, remote } from "@manta/manta";
const sum = remote((xs: Float64Array) => xs.reduce((a, b) => a + b));
const made = remote((n: number) => new Float64Array(n).fill(2));
console.log(await get(sum.remote(put(new Float64Array(100_000).fill(1)))), (await get(made.remote(50_000))).length);
`,
    {
      flags: [
        "--allow-read",
        "--allow-write",
        "--allow-env",
        "--allow-sys",
        "--allow-net",
        "--allow-run",
      ],
    },
  );
  assertStringIncludes(stdout, "100000 50000", stderr);
});

Deno.test("A lineage path that is a folder, or can't be written, is refused by its name, and a later init works", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    await assertRejects(() => init({ lineage: folder }), MantaError, folder);
    assertEquals(isInitialized(), false);
    await assertRejects(
      () => init({ lineage: `${folder}/none/run.db` }),
      MantaError,
      "none/run.db",
    );
    await using runtime = await init({
      numCpus: 1,
      lineage: `${folder}/run.db`,
    });
    assertEquals((await runtime.nodes()).length, 1);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("What is still being captured at shutdown() ends quietly", async () => {
  await using program = new Program();
  const { code, stdout, stderr } = await program.run(`
import { get, init, put, remote, shutdown } from "@manta/manta";
class Q {
  answer() {
    return 1;
  }
}
remote(Q).remote();
await shutdown();
await init({ numCpus: 1 });
const call = get(remote(Q).remote().answer.remote());
const task = get(remote(() => 5).remote());
const value = get(put({ f: () => 2 }));
const all = Promise.allSettled([call, task, value]);
await shutdown();
for (const one of await all) console.log(one.status, one.reason?.message);
`);
  assertEquals(stderr, "");
  assertEquals(code, 0);
  const outcomes = stdout.trim().split("\n");
  assertEquals(outcomes.length, 3);
  for (const outcome of outcomes) {
    assertMatch(outcome, /^rejected .*the runtime was shut down$/);
  }
});
