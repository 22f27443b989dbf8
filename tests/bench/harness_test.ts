import { assert, assertEquals } from "@std/assert";
import { type ContenderCommand, replyIn } from "../../bench/contender.ts";
import { Harness, type Outcomes } from "../../bench/harness.ts";
import type { ContenderName, Row } from "../../bench/rows.ts";

const pace = {
  rounds: 3,
  roundMs: 0,
  warmupMs: 0,
  scale: 1,
  skipsSlow: false,
};

function command(
  name: ContenderName,
  { as, log }: { as: string; log: string },
): ContenderCommand {
  const path = new URL("./fake_contender.mjs", import.meta.url).href;
  return {
    name,
    program: Deno.execPath(),
    args: ["run", "-A", path, as, log],
  };
}

function row(name: string): Row {
  return { name, unit: "/s", contenders: ["manta", "ray"] };
}

function failures(outcomes: Outcomes): Record<string, string> {
  const failed: Record<string, string> = {};
  for (const [name, outcome] of outcomes) {
    if ("failure" in outcome) failed[name] = outcome.failure;
  }
  return failed;
}

Deno.test("Harness.run() lets the contenders take turns, round by round", async () => {
  const log = await Deno.makeTempFile();
  const harness = new Harness([
    command("manta", { as: "a", log }),
    command("ray", { as: "b", log }),
  ], pace);
  try {
    const outcomes = await harness.run(row("alternate"));
    assertEquals([...outcomes.keys()], ["manta", "ray"]);
    assertEquals(failures(outcomes), {});
    assertEquals(await Deno.readTextFile(log), "ababab");
    assertEquals(harness.versions, ["fake a", "fake b"]);
  } finally {
    await harness[Symbol.asyncDispose]();
    await Deno.remove(log);
  }
});

Deno.test("Harness.run() takes a row from who fails or dies at it, and no more", async () => {
  const log = await Deno.makeTempFile();
  const harness = new Harness([
    command("manta", { as: "a", log }),
    command("ray", { as: "b", log }),
  ], pace);
  try {
    for (const name of ["fail", "die"]) {
      const outcomes = await harness.run(row(name));
      assertEquals(Object.keys(failures(outcomes)), ["manta"]);
      const other = outcomes.get("ray");
      assert(other !== undefined && "median" in other);
      assertEquals(other.rounds.length, 3);
    }
    assertEquals(failures(await harness.run(row("alternate"))), {});
  } finally {
    await harness[Symbol.asyncDispose]();
    await Deno.remove(log);
  }
});

Deno.test("Harness.run() gives each round of a fresh row a process of its own", async () => {
  const log = await Deno.makeTempFile();
  const harness = new Harness([command("manta", { as: "a", log })], pace);
  try {
    const fresh = { ...row("init to first result"), isFresh: true };
    const outcome = (await harness.run(fresh)).get("manta");
    assert(outcome !== undefined && "median" in outcome);
    assertEquals(outcome.rounds.length, 3);
    assertEquals(harness.versions, []);
  } finally {
    await harness[Symbol.asyncDispose]();
    await Deno.remove(log);
  }
});

Deno.test("replyIn() reads marked lines only", () => {
  assertEquals(replyIn('@bench {"kind":"done"}'), { kind: "done" });
  assertEquals(replyIn('{"kind":"done"}'), undefined);
});
