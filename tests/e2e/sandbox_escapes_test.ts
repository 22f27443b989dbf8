/**
 * What a hostile task tries in a sandbox. Each row is one attempt: in a worker
 * without limits it succeeds, in a sandbox it is denied, by its own error.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  get,
  MantaError,
  ProtocolError,
  remote,
  type TaskError,
} from "../../mod.ts";
import { SandboxFrame } from "../../src/wire/sandbox_frames.ts";
import {
  denial,
  escapes,
  HuntingGround,
  type Prey,
} from "../support/escapes.ts";
import { rejection } from "../support/notes.ts";

/** A value of its own, so that the attempts go along with the task. */
const attempts = { ...escapes };

const trySome = remote(
  async (names: string[], prey: Prey): Promise<Record<string, string>> => {
    const outcomes: Record<string, string> = {};
    for (const name of names) {
      try {
        await attempts[name]!(prey);
        outcomes[name] = "done";
      } catch (error) {
        outcomes[name] = (error as Error).message;
      }
    }
    return outcomes;
  },
  { maxRetries: 0 },
);

const none = { runtimeEnv: { permissions: "none" as const } };
const names = Object.keys(attempts);

Deno.test("a hostile task in a sandbox", async (t) => {
  await using ground = await HuntingGround.open();
  const { folder, prey } = ground;

  await t.step("each attempt succeeds where nothing is limited", async () => {
    const outcomes = await get(trySome.remote(names, prey));
    const failed = names.filter((name) =>
      outcomes[name] !== "done" && name !== "connects by TCP"
    );
    assertEquals(failed.map((name) => [name, outcomes[name]]), []);
    for (const left of ["left", "left.db"]) {
      Deno.removeSync(`${folder}/${left}`);
    }
  });

  const denied = await get(trySome.options(none).remote(names, prey));
  for (const name of names) {
    await t.step(name, () => assertMatch(denied[name]!, denial));
  }
  await t.step("and nothing of it is left", () => {
    assertEquals(ground.left(), []);
  });

  await t.step("with all files and the net, not the session's", async () => {
    const permissions = { read: true, write: true, net: true };
    const outcomes = await get(
      trySome.options({ runtimeEnv: { permissions } }).remote([
        "lists the session's folder",
        "connects to the node's socket",
        "connects to the node's socket by node:net",
        "makes a socket in the session's folder",
        "links to a folder",
        "reads a file",
        "runs a command",
      ], prey),
    );
    assertEquals(outcomes["reads a file"], "done");
    delete outcomes["reads a file"];
    assertEquals(Object.keys(outcomes).length, 6);
    for (const [name, outcome] of Object.entries(outcomes)) {
      assertMatch(outcome, denial, name);
    }
  });

  await t.step("leaves nothing for the next: stores, globals", async () => {
    const permissions = "none" as const;
    const visit = remote(async (mark: string) => {
      const globals = globalThis as unknown as Record<string, unknown>;
      const cache = await caches.open("c");
      const seen = [
        localStorage.getItem("mark"),
        await cache.match("http://mark/") === undefined ? null : "cached",
        globals["mark"] ?? null,
        Reflect.get(Array.prototype, "mark") ?? null,
      ];
      localStorage.setItem("mark", mark);
      await cache.put("http://mark/", new Response(mark));
      globals["mark"] = mark;
      Reflect.set(Array.prototype, "mark", mark);
      return { seen, pid: Deno.pid };
    }, { runtimeEnv: { permissions } });
    const first = await get(visit.remote("first"));
    const second = await get(visit.remote("second"));
    assertEquals(second.seen, [null, null, null, null]);
    assert(first.pid !== second.pid);
  });

  /** Speaks on its own connection, in place of the runtime. */
  const speak = remote(
    async (kind: number, bytes: number[]) => {
      const { Socket } = await import("node:net");
      const frame = new Uint8Array(5 + bytes.length);
      new DataView(frame.buffer).setUint32(0, bytes.length + 1, true);
      frame[4] = kind;
      frame.set(bytes, 5);
      const { write } = Socket.prototype;
      Socket.prototype.write = function (this: unknown) {
        return Reflect.apply(write, this, [frame]);
      };
    },
    { ...none, maxRetries: 0 },
  );
  /** The number of a task's one run. */
  const no = new Array(8).fill(0);
  const data = (
    bytes: number[],
  ) => [...no, bytes.length, 0, 0, 0, ...bytes, 0, 0, 0, 0];
  const { enter, cancel, value, exiting, left } = SandboxFrame;
  const text = (it: string) => [
    192 + it.length,
    ...new TextEncoder().encode(it),
  ];
  const words: Record<string, [kind: number, bytes: number[]]> = {
    "a frame of the runtime's own": [enter, [0, 0, 0, 0]],
    "a cancel": [cancel, [1, 2, 3]],
    "a value that is none": [value, data([255, 1])],
    "a value with bytes left over": [value, [...data([128]), 1]],
    "a function": [value, data([17, 0])],
    "a foreign ref": [
      value,
      data([74, ...text("ref"), 34, 3, ...text("00"), 129, 128]),
    ],
    "an actor's handle": [value, data([74, ...text("handle"), 128])],
    "a length beyond all bounds": [value, [...no, 255, 255, 255, 255]],
    "an answer of another run": [value, [1, ...data([128])]],
    "an actor's last word": [exiting, []],
    "a method's last word": [left, no],
  };
  for (const [what, [kind, bytes]] of Object.entries(words)) {
    await t.step(`forges ${what}`, async () => {
      await assertRejects(
        () => get(speak.remote(kind, bytes)),
        ProtocolError,
        "Cannot",
      );
    });
  }
  await t.step("says more than it was asked", async () => {
    const flood = remote(async () => {
      const { Socket } = await import("node:net");
      const answer = new Uint8Array(22);
      // Its length, its kind (a value), the run's number, one byte of value.
      answer.set([18, 0, 0, 0, 7]);
      answer.set([1, 0, 0, 0, 129], 13);
      const { write } = Socket.prototype;
      Socket.prototype.write = function (this: unknown) {
        for (let count = 0; count < 10_000; count++) {
          Reflect.apply(write, this, [answer]);
        }
        return true;
      };
    }, { ...none, maxRetries: 0 });
    // Its first word is its value, or the next one its end.
    const outcome = await get(flood.remote()).catch((error: unknown) => error);
    assert(outcome === 1 || outcome instanceof MantaError);
  });
  await t.step("an error that names files to be looked at", async () => {
    const lure = remote(() => {
      const error = new Error("lure");
      // Between a file that never ends and its mark: one that is the task's own.
      const [own] = /file:\S*#v8-[0-9a-f]{8}/.exec(error.stack!)!;
      error.stack = `Error: lure\n    at f (file:///dev/zero?(${own}:1:1)`;
      throw error;
    }, { ...none, maxRetries: 0 });
    const { cause } = await rejection(get(lure.remote())) as TaskError;
    const { stack } = cause as Error;
    assertMatch(
      stack!,
      /^Error: lure\n {4}at f \(file:\/\/\/dev\/zero\?\(\S*:1:1\)$/,
    );
    assertEquals(stack!.includes("#v8-"), false);
  });
  await t.step("the runtime goes on", async () => {
    assertEquals(await get(remote(() => 5).remote()), 5);
    assertEquals(await get(remote(() => 6, none).remote()), 6);
  });
});
