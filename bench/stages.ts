/**
 * Where a task's time goes: µs by stage, in its owner and in its worker.
 *
 *     deno run -A bench/stages.ts [--seconds N]
 *
 * V8's own profiler samples both while empty tasks run: in batches of 1,000,
 * then one at a time. A sample belongs to the innermost function on its stack
 * that `stages` names; what lies under none is "other". One worker only, so
 * each side has a core where there are two.
 *
 * @module
 */
import { Session } from "node:inspector";
import type { Profiler } from "node:inspector";
import { parseArgs } from "@std/cli";
import { get, init, remote, shutdown } from "../mod.ts";

/** Functions by file, and the stage that begins with each. */
const stages: Readonly<Record<string, string>> = {
  "remote remote.ts": "submit",
  "store values.ts": "encode",
  "#pump submitter.ts": "choose a worker",
  "writeTaskTo lease_link.ts": "write",
  "#pour ring_transport.ts": "write",
  "#drain socket.ts": "write",
  "#look ring_transport.ts": "wake and read",
  "receive socket.ts": "wake and read",
  "readReply task_frames.ts": "decode",
  "readTask task_frames.ts": "decode",
  "openArguments arguments.ts": "decode",
  "onReply submitter.ts": "resolve",
  "get get.ts": "resolve",
  "flush lineage_feed.ts": "lineage",
  "settled lineage_feed.ts": "lineage",
  "#run executor.ts": "run",
  "finished executor.ts": "run",
  "#storeResults invocation.ts": "encode",
  "#write invocation.ts": "reply",
  "(garbage collector) ": "collect garbage",
  "(idle) ": "idle",
};
const order = [...new Set(Object.values(stages)), "other"];

type Budget = ReadonlyMap<string, number>;

const { seconds } = parseArgs(Deno.args, {
  string: ["seconds"],
  default: { seconds: "3" },
});
const empty = remote(() => "ok");

/** Profiles the process that it runs in, from its first call to its second. */
const profileWorker = remote(toggleProfile);

async function toggleProfile(): Promise<string | undefined> {
  const shared = globalThis as { benchSession?: Session };
  if (shared.benchSession === undefined) {
    shared.benchSession = await startProfile();
    return undefined;
  }
  return JSON.stringify(await stopProfile(shared.benchSession));
}

async function startProfile(): Promise<Session> {
  const session = new Session();
  session.connect();
  await post(session, "Profiler.enable");
  await post(session, "Profiler.setSamplingInterval", { interval: 100 });
  await post(session, "Profiler.start");
  return session;
}

async function stopProfile(session: Session): Promise<Profiler.Profile> {
  const { profile } = await post(session, "Profiler.stop") as {
    profile: Profiler.Profile;
  };
  session.disconnect();
  delete (globalThis as { benchSession?: Session }).benchSession;
  return profile;
}

function post(
  session: Session,
  method: string,
  params: object = {},
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    session.post(
      method,
      params,
      (error, result) => error === null ? resolve(result) : reject(error),
    );
  });
}

/** Runs for so long; what each task took of its owner and of its worker. */
async function budgetsOf(
  run: () => Promise<number>,
): Promise<{ owner: Budget; worker: Budget; perSecond: number }> {
  const warmUntilMs = performance.now() + 1000;
  while (performance.now() < warmUntilMs) await run();
  await get(profileWorker.remote());
  const session = await startProfile();
  const startMs = performance.now();
  let count = 0;
  while (performance.now() - startMs < Number(seconds) * 1000) {
    count += await run();
  }
  const elapsedMs = performance.now() - startMs;
  const own = await stopProfile(session);
  const text = await get(profileWorker.remote());
  return {
    owner: budgetOf(own, count),
    worker: budgetOf(JSON.parse(text!), count),
    perSecond: count / elapsedMs * 1000,
  };
}

/** Microseconds a task, by stage. */
function budgetOf(profile: Profiler.Profile, count: number): Budget {
  const stageOf = new Map<number, string>();
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const visit = (id: number, outer: string) => {
    const { callFrame, children = [] } = nodes.get(id)!;
    const file = callFrame.url.slice(callFrame.url.lastIndexOf("/") + 1);
    const stage = stages[`${callFrame.functionName} ${file}`] ?? outer;
    stageOf.set(id, stage);
    for (const child of children) visit(child, stage);
  };
  visit(profile.nodes[0]!.id, "other");
  const budget = new Map<string, number>();
  profile.samples?.forEach((id, at) => {
    const stage = stageOf.get(id)!;
    const tookUs = profile.timeDeltas![at]! / count;
    budget.set(stage, (budget.get(stage) ?? 0) + tookUs);
  });
  return budget;
}

const ways = {
  "in batches of 1,000": async () => {
    await get(Array.from({ length: 1000 }, () => empty.remote()));
    return 1000;
  },
  "one at a time": async () => {
    await get(empty.remote());
    return 1;
  },
};

await init({ numCpus: 1 });
try {
  for (const [way, run] of Object.entries(ways)) {
    const { owner, worker, perSecond } = await budgetsOf(run);
    console.log(`Empty tasks ${way}, ${perSecond.toFixed(0)} a second\n`);
    console.log("| stage | owner, µs | worker, µs |\n| --- | ---: | ---: |");
    for (const stage of order) {
      const cells = [owner, worker].map((one) => one.get(stage)?.toFixed(2));
      if (cells.every((cell) => cell === undefined)) continue;
      console.log(
        `| ${stage} | ${cells.map((cell) => cell ?? "").join(" | ")} |`,
      );
    }
    console.log();
  }
} finally {
  await shutdown();
}
