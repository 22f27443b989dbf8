import { assertEquals, assertStringIncludes } from "@std/assert";
import type { DurableRow } from "../../src/base/durable.ts";
import {
  CallCounter,
  CommittedCalls,
  committing,
  opening,
} from "../../src/state/durable.ts";
import { withSeed } from "../support/random.ts";

const row: DurableRow = {
  durableId: 1,
  className: "Account",
  epoch: 3,
  seq: 7,
};
const account = { className: "Account", name: "anna" };

Deno.test("opening() grants the first incarnation epoch 1, and each further one the next", () => {
  const first = opening(undefined, account, undefined);
  assertEquals(first, { kind: "grant", epoch: 1 });
  assertEquals(opening(row, account, undefined), { kind: "grant", epoch: 4 });
});

Deno.test("opening() refuses a state of another class, and one that another program has", () => {
  const other = opening(row, { ...account, className: "Clock" }, undefined);
  assertEquals(other.kind, "refuse");
  const held = opening(row, account, "the program a.ts (process 12)");
  assertEquals(held.kind, "refuse");
  assertStringIncludes(
    held.kind === "refuse" ? held.reason : "",
    "the program a.ts (process 12)",
  );
});

Deno.test("committing() takes the next state of the present epoch, and knows one that comes twice", () => {
  assertEquals(committing(row, { epoch: 3, seq: 8 }), { kind: "commit" });
  assertEquals(committing(row, { epoch: 3, seq: 7 }), { kind: "again" });
});

Deno.test("committing() refuses an old incarnation, a gap, and an actor that is gone", () => {
  const refused = [
    committing(row, { epoch: 2, seq: 8 }),
    committing(row, { epoch: 2, seq: 7 }),
    committing(row, { epoch: 3, seq: 9 }),
    committing(row, { epoch: 3, seq: 6 }),
    committing(undefined, { epoch: 3, seq: 8 }),
  ];
  assertEquals(refused.map(({ kind }) => kind), Array(5).fill("refuse"));
});

Deno.test("Incarnations that overlap leave the states of each epoch in turn, whatever comes late or twice", () => {
  const reached = { commit: 0, again: 0, refuse: 0 };
  withSeed((random) => {
    const now = { ...row, epoch: 0, seq: 0 };
    const lives: { epoch: number; seq: number }[] = [];
    const sent: { epoch: number; seq: number }[] = [];
    for (let step = 0; step < 5000; step++) {
      const choice = random();
      if (choice < 0.1 || lives.length === 0) {
        const verdict = opening(now, account, undefined);
        if (verdict.kind !== "grant") throw new Error("Not granted");
        now.epoch = verdict.epoch;
        lives.push({ epoch: now.epoch, seq: now.seq });
      } else if (choice < 0.6) {
        // Any life that was granted an epoch goes on, also an old one.
        const life = lives[Math.floor(random() * lives.length)]!;
        const newest = lives.at(-1)!;
        const chosen = random() < 0.7 ? newest : life;
        sent.push({ epoch: chosen.epoch, seq: ++chosen.seq });
      }
      if (sent.length === 0) continue;
      const isAgain = random() < 0.2;
      const commit = isAgain ? sent[0]! : sent.shift()!;
      const verdict = committing(now, commit);
      reached[verdict.kind]++;
      if (verdict.kind !== "commit") continue;
      assertEquals(commit.epoch, now.epoch);
      assertEquals(commit.seq, now.seq + 1);
      now.seq = commit.seq;
    }
    for (const [kind, count] of Object.entries(reached)) {
      if (count < 10) throw new Error(`Only ${count} verdicts were ${kind}`);
    }
  });
});

Deno.test("CommittedCalls is certain of new calls until it had to forget some", () => {
  const known = ["a/0", "a/1"];
  const calls = new CommittedCalls(known, { isComplete: true, countMax: 3 });
  assertEquals(["a/0", "a/2"].map((id) => calls.isNew(id)), [false, true]);
  calls.committed("a/2");
  assertEquals(["a/2", "a/3"].map((id) => calls.isNew(id)), [false, true]);
  calls.committed("a/3");
  assertEquals(["a/0", "a/9"].map((id) => calls.isNew(id)), [false, false]);
  const partial = new CommittedCalls([], { isComplete: false, countMax: 3 });
  assertEquals(partial.isNew("a/0"), false);
});

Deno.test("CallCounter numbers a caller's calls to each actor from 0", () => {
  const run = () => {
    const counter = new CallCounter();
    return [
      counter.next("main", "anna"),
      counter.next("main", "bela"),
      counter.next("main", "anna"),
    ];
  };
  assertEquals(run(), ["main/0", "main/0", "main/1"]);
  assertEquals(run(), run());
});
