import { assert, assertEquals } from "@std/assert";
import type {
  DurableAnswer,
  DurableAsk,
  DurableCommit,
} from "../../src/base/durable.ts";
import type { ActorId, JobId } from "../../src/base/ids.ts";
import * as rules from "../../src/state/durable.ts";
import { LineageLog } from "../../src/store/lineage_log.ts";
import { forgetRun } from "../../src/store/program_end.ts";

const jobId = "00000000000000aa" as JobId;
const script = "file:///main.ts";

/** A file in a folder of its own. */
class Bench implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "mt-" });
  readonly path = `${this.folder}/lineage.db`;
  log = this.opened();

  opened(forgetsCallsOf?: string): LineageLog {
    return new LineageLog(this.path, {
      rules,
      ...(forgetsCallsOf === undefined ? {} : { forgetsCallsOf }),
    });
  }

  ask(...asks: DurableAsk[]): DurableAnswer[] {
    return this.log.write([], undefined, { asks });
  }

  open(actor: string, name?: string) {
    const actorId = actor as ActorId;
    const identity = { actorId, jobId, className: "Account", namespace: "n" };
    const [answer] = this.ask({
      kind: "open",
      identity: name === undefined ? identity : { ...identity, name },
    });
    assert(answer?.kind === "opened", answer?.kind);
    return answer;
  }

  [Symbol.dispose](): void {
    this.log.close();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

function bytes(...of: number[]): ArrayBuffer {
  return Uint8Array.from(of).buffer;
}

function commit(
  more: Pick<DurableCommit<ArrayBuffer>, "durableId" | "epoch" | "seq">,
  callId?: string,
): DurableAsk {
  const { seq } = more;
  const call = { what: "add", jobId, script, isError: false };
  return {
    kind: "commit",
    commit: {
      ...more,
      state: bytes(seq),
      spec: bytes(99),
      ...(callId === undefined
        ? {}
        : { call: { ...call, callId, result: bytes(seq, seq) } }),
    },
  };
}

Deno.test("DurableLog keeps state and outcome together, by name, for the next one that opens it", () => {
  using bench = new Bench();
  const { durableId, epoch, seq, state } = bench.open("a", "anna");
  assertEquals([epoch, seq, state], [1, 0, undefined]);
  const [first, again, second] = bench.ask(
    commit({ durableId, epoch, seq: 1 }, "main/0"),
    commit({ durableId, epoch, seq: 1 }, "main/0"),
    commit({ durableId, epoch, seq: 2 }, "main/1"),
  );
  assertEquals([first, again, second], Array(3).fill({ kind: "done" }));
  bench.log.close();
  bench.log = bench.opened();
  const next = bench.open("b", "anna");
  assertEquals(next, {
    kind: "opened",
    durableId,
    epoch: 2,
    seq: 2,
    state: bytes(2),
    callIds: ["main/0", "main/1"],
    isComplete: true,
  });
  const [result, none, found] = bench.ask(
    { kind: "result", durableId, callId: "main/0" },
    { kind: "result", durableId, callId: "main/2" },
    { kind: "find", namespace: "n", name: "anna" },
  );
  assertEquals(result, {
    kind: "result",
    what: "add",
    isError: false,
    result: bytes(1, 1),
  });
  assertEquals(none, { kind: "none" });
  assertEquals(found, { kind: "found", spec: bytes(99) });
});

Deno.test("DurableLog refuses an old incarnation, and nothing of what it sent is there", () => {
  using bench = new Bench();
  const old = bench.open("a", "anna");
  bench.open("a", "anna");
  const { durableId, epoch } = old;
  const [refused, result] = bench.ask(
    commit({ durableId, epoch, seq: 1 }, "main/0"),
    { kind: "result", durableId, callId: "main/0" },
  );
  assertEquals(refused?.kind, "refused");
  assertEquals(result?.kind, "none");
});

Deno.test("DurableLog refuses a call that is there already, and leaves the state and other asks alone", () => {
  using bench = new Bench();
  const { durableId, epoch } = bench.open("a", "anna");
  const answers = bench.ask(
    commit({ durableId, epoch, seq: 1 }, "main/0"),
    commit({ durableId, epoch, seq: 2 }, "main/0"),
    commit({ durableId, epoch, seq: 2 }, "main/1"),
  );
  assertEquals(answers.map(({ kind }) => kind), ["done", "refused", "done"]);
  const { seq, callIds } = bench.open("a", "anna");
  assertEquals([seq, callIds], [2, ["main/0", "main/1"]]);
});

Deno.test("DurableLog forgets an actor that was killed, and keeps one that only ended", () => {
  using bench = new Bench();
  const { durableId, epoch } = bench.open("a", "anna");
  bench.ask(commit({ durableId, epoch, seq: 1 }, "main/0"));
  const leave = { kind: "leave", actorId: "a" as ActorId } as const;
  bench.ask({ ...leave, isForgotten: false });
  assertEquals(bench.open("a", "anna").seq, 1);
  bench.ask({ ...leave, isForgotten: true });
  const [late, found] = bench.ask(
    commit({ durableId, epoch: epoch + 1, seq: 2 }, "main/1"),
    { kind: "find", namespace: "n", name: "anna" },
  );
  assertEquals([late?.kind, found?.kind], ["refused", "none"]);
  assertEquals(bench.open("b", "anna").callIds, []);
});

Deno.test("DurableLog forgets what a program's calls came to when it begins anew or has succeeded, and the state stays", () => {
  for (const way of ["begin", "success"]) {
    using bench = new Bench();
    const { durableId, epoch } = bench.open("a", "anna");
    bench.ask(commit({ durableId, epoch, seq: 1 }, "main/0"));
    bench.log.close();
    if (way === "success") {
      forgetRun(bench.path, { jobId: "j", script, isInUse: false });
    }
    bench.log = bench.opened(way === "begin" ? script : "file:///other.ts");
    const { seq, callIds } = bench.open("a", "anna");
    assertEquals([seq, callIds], [1, []], way);
  }
});

Deno.test("DurableLog removes actors without a name whose program is gone", () => {
  using bench = new Bench();
  const { durableId, epoch } = bench.open("a");
  bench.ask(commit({ durableId, epoch, seq: 1 }, "main/0"));
  assertEquals(bench.open("a").seq, 1);
  bench.log.close();
  bench.log = bench.opened();
  assertEquals(bench.open("a").seq, 0);
});
