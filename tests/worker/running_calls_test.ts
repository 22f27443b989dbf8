import { assertEquals } from "@std/assert";
import type { ProcessId } from "../../src/base/ids.ts";
import {
  RunningCalls,
  runningCallsMemory,
} from "../../src/worker/running_calls.ts";

const one = "00000000ffffffff" as ProcessId;
const other = "ffffffff00000001" as ProcessId;

Deno.test("RunningCalls tells a host which calls run, by caller and number", () => {
  const memory = runningCallsMemory(2);
  const calls = new RunningCalls(memory);
  const seen = new RunningCalls(memory);
  const large = 2 ** 40 + 2 ** 32 - 1;
  const first = calls.started(one, 1);
  const second = calls.started(other, large);
  assertEquals(seen.has(one, 1), true);
  assertEquals(seen.has(other, large), true);
  assertEquals([seen.has(other, 1), seen.has(one, large)], [false, false]);
  calls.ended(first);
  assertEquals([seen.has(one, 1), seen.has(other, large)], [false, true]);
  calls.ended(second);
  assertEquals(seen.has(other, large), false);
  assertEquals([first, second].includes(calls.started(one, 3)), true);
});

Deno.test("RunningCalls says of any call that it may run while more run than it can tell apart", () => {
  const calls = new RunningCalls(runningCallsMemory(1_000_000));
  const places = Array.from(
    { length: 300 },
    (_, n) => calls.started(one, n + 1),
  );
  assertEquals(calls.has(other, 1), true);
  for (const place of places) calls.ended(place);
  assertEquals(calls.has(other, 1), false);
  assertEquals(calls.has(one, 1), false);
});
