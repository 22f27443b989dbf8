/**
 * `deno task test [--jobs=N] [FLAGS] [PATHS]`: runs the tests, N processes at a
 * time, and closes with one line like that of `deno test`.
 *
 * Each file that starts programs has a process of its own, because tests change
 * what a process has only one of: the folder for temporary files, the working
 * directory, V8's flags. FLAGS (`--name=value`) go on to `deno test`; PATHS
 * choose files by the beginning of their path.
 *
 * @module
 */
import { assert } from "@std/assert";

/** What the closing line of `deno test` counts. */
interface Counts {
  passed: number;
  steps: number;
  failed: number;
  ignored: number;
}

/** Files that take longest, which begin first, so that none is left to the end. */
const longest = [
  "spill",
  "actors_many",
  "cluster",
  "resume",
  "examples",
  "memory",
  "tasks",
  "notebook",
  "command_line",
  "lifecycle",
  "durable",
  "cluster_head",
].map((name) => `tests/e2e/${name}_test.ts`);
/** How often those that still run are named. */
const patienceMs = 60_000;

const flags = Deno.args.filter((arg) => arg.startsWith("-"));
const paths = Deno.args.filter((arg) => !arg.startsWith("-"))
  .map((path) => path.replace(/^\.\//, ""));
// One more than there are cores: much of a test is waiting.
const jobCount = takeJobs(flags) ??
  Math.min(navigator.hardwareConcurrency, 4) + 1;

const began = performance.now();
const total: Counts = { passed: 0, steps: 0, failed: 0, ignored: 0 };
const broken: string[] = [];
const running = new Map<string, Deno.ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    for (const child of running.values()) child.kill("SIGTERM");
    Deno.exit(130);
  });
}
const patience = setInterval(() => {
  console.log(`... still running: ${[...running.keys()].join(", ")}`);
}, patienceMs);

const waiting = jobs();
if (waiting.length === 0) {
  console.error(`Cannot run: no test file begins with ${paths.join(", ")}`);
  Deno.exit(2);
}
const types = checkTypes(waiting.flat());
await Promise.all(Array.from({ length: jobCount }, async (_, at) => {
  // It takes a core, as a test does.
  if (at === 0) await types;
  for (let job = waiting.shift(); job; job = waiting.shift()) await run(job);
}));
clearInterval(patience);

if (broken.length > 0) console.log(`\nFailed: ${broken.join(", ")}\n`);
const { passed, steps, failed, ignored } = total;
const seconds = Math.round((performance.now() - began) / 1000);
console.log(
  `${broken.length === 0 ? "ok" : "FAILED"} | ${passed} passed` +
    ` (${steps} steps) | ${failed} failed | ${ignored} ignored` +
    ` (${Math.floor(seconds / 60)}m${seconds % 60}s)`,
);
Deno.exit(broken.length === 0 ? 0 : 1);

/** The files of each process. */
function jobs(): string[][] {
  const files = testFiles("tests")
    .filter((file) =>
      paths.length === 0 || paths.some((path) => file.startsWith(path))
    ).sort();
  const isAlone = (file: string) => /^tests\/(e2e|sim)\//.test(file);
  const first = longest.filter((file) => files.includes(file));
  const others = files.filter((file) => isAlone(file) && !first.includes(file));
  const together = files.filter((file) => !isAlone(file));
  return [
    ...first.map((file) => [file]),
    ...together.length > 0 ? [together] : [],
    ...others.map((file) => [file]),
  ];
}

function testFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return testFiles(path);
    return name.endsWith("_test.ts") ? [path] : [];
  });
}

/** All at once: each process would check the same modules again. */
async function checkTypes(files: string[]): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", ...files],
    stdin: "null",
  }).spawn().status;
  if (!success) broken.push("the tests' types");
}

/** Runs the tests of some files; what they print is shown once they are through. */
async function run(files: string[]): Promise<void> {
  const name = files.length === 1 ? files[0]! : `${files.length} files`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", ...flags, ...files],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  running.set(name, child);
  const startedAt = performance.now();
  const { code, stdout, stderr } = await child.output();
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  running.delete(name);
  const told = new TextDecoder().decode(stdout);
  console.log(`\n== ${name} (${seconds} s)`);
  console.log(new TextDecoder().decode(stderr).trimEnd() + told.trimEnd());
  const counts = countsOf(told);
  total.passed += counts?.passed ?? 0;
  total.steps += counts?.steps ?? 0;
  total.ignored += counts?.ignored ?? 0;
  // A process that ended otherwise has failed as a whole.
  total.failed += counts?.failed || (code === 0 ? 0 : 1);
  if (code !== 0) broken.push(name);
}

/** Of "ok | 12 passed (3 steps) | 0 failed | 1 ignored (5s)"; undefined without such a line. */
function countsOf(told: string): Counts | undefined {
  // deno-lint-ignore no-control-regex -- colours
  const plain = told.replaceAll(/\x1b\[[\d;]*m/g, "");
  const line = plain.split("\n").findLast((one) =>
    /^(ok|FAILED) \| \d+ passed/.test(one)
  );
  if (line === undefined) return undefined;
  const count = (pattern: RegExp) => Number(pattern.exec(line)?.[1] ?? 0);
  return {
    passed: count(/(\d+) passed/),
    steps: count(/passed \((\d+) steps?\)/),
    failed: count(/(\d+) failed/),
    ignored: count(/(\d+) ignored/),
  };
}

/** Takes the number of processes out of the flags. */
function takeJobs(flags: string[]): number | undefined {
  const at = flags.findIndex((flag) => flag.startsWith("--jobs"));
  if (at < 0) return undefined;
  const [flag] = flags.splice(at, 1);
  const jobs = Number(/^--jobs=(\d+)$/.exec(flag!)?.[1]);
  assert(jobs > 0, `Cannot run: ${flag}, expected --jobs=N with N from 1`);
  return jobs;
}
