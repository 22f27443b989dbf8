import { assertEquals } from "@std/assert";
import { limits } from "../../src/base/limits.ts";
import type { Peer } from "../../src/wire/peer.ts";
import { Answered, RunPace } from "../../src/worker/run_pace.ts";

/** A pace of a function whose runs took so long. */
function paceOf(...runsMs: number[]): RunPace {
  const pace = new RunPace();
  for (const runMs of runsMs) pace.ran(runMs);
  return pace;
}

const brief = new Array(limits.briefRunsMin).fill(limits.briefRunMs / 2);

Deno.test("RunPace takes a function to be brief after some runs, until one is not", () => {
  assertEquals(paceOf().isBrief, false);
  assertEquals(paceOf(...brief.slice(1)).isBrief, false);
  assertEquals(paceOf(...brief).isBrief, true);
  assertEquals(paceOf(...brief, limits.briefRunMs).isBrief, false);
});

Deno.test("Answered holds a run back that may be long, once for each answer that has not left", () => {
  const answered = new Answered();
  const peer = { isUnsent: true };
  assertEquals(answered.isBefore(paceOf()), false);
  answered.to(peer as Peer);
  assertEquals(answered.isBefore(paceOf(...brief)), false);
  assertEquals(answered.isBefore(undefined), true);
  // Whoever does not listen keeps nobody for ever.
  assertEquals(answered.isBefore(undefined), false);
  answered.to(peer as Peer);
  peer.isUnsent = false;
  assertEquals(answered.isBefore(paceOf()), false);
});
