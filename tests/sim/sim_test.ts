import { assert, assertEquals } from "@std/assert";
import { runSeed, walk } from "./walk.ts";

/** Each must happen in a walk, or it proves little. */
const mustReach = [
  "actor killed by kill()",
  "actor name taken",
  "actor released",
  "actor restarted",
  "answer lost",
  "argument remade first",
  "asked for and dropped",
  "call sent again",
  "call started",
  "call to a dead actor",
  "charged task started again",
  "connection broke",
  "constructor threw",
  "died before a call",
  "died before the answer",
  "died before the claim",
  "died before the reply",
  "guest of a waiting worker",
  "idle task cancelled",
  "idle worker left",
  "idle worker stayed",
  "killed: an actor",
  "killed: an owner",
  "killed: computing",
  "killed: suspended",
  "killed: unclaimed",
  "killed: unreceived",
  "lease granted",
  "lease orphaned",
  "lease reclaimed",
  "lease rejected: ended",
  "lease renewed",
  "lease request withdrawn",
  "lease rests",
  "let go while pending",
  "lost argument",
  "lost call failed",
  "lost object asked for",
  "message came twice",
  "not remade: its task may not run again",
  "not remade: nobody knows how it was made",
  "object borrowed",
  "object fetched",
  "object freed",
  "object missing",
  "object remade",
  "own error tried again",
  "owner died",
  "ref kept in an actor",
  "refs pinned",
  "request came twice",
  "run hosts its own",
  "run suspended",
  "running task cancelled",
  "running task of an ended worker: fail",
  "running task of an ended worker: requeue",
  "running task of an ended worker: retry",
  "suspended task of an ended worker: fail",
  "suspended task of an ended worker: requeue",
  "task ended: cancelled",
  "task ended: finished",
  "task ended: its function threw",
  "task ended: its worker crashed",
  "task skipped",
  "task taken back",
  "worker ended by its owner",
  "unstarted task of an ended worker: requeue",
];

Deno.test("the simulated cluster keeps every invariant, whatever is lost, doubled, late or killed", () => {
  const { reached, taskCount } = walk(1, 300);
  assert(taskCount > 5000, `Only ${taskCount} tasks`);
  const missed = mustReach.filter((what) => !reached.has(what));
  assertEquals(missed, []);
});

Deno.test("a seed of the simulation replays exactly", () => {
  const [first, second] = [7, 7].map((seed) =>
    runSeed(seed, { storyMax: Infinity }).world
  );
  assertEquals(second!.kernel.story, first!.kernel.story);
  const other = runSeed(8, { storyMax: Infinity }).world;
  assert(other.kernel.story !== first!.kernel.story, "Seeds are all the same");
});
