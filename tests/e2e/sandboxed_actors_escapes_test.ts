/**
 * What a hostile actor tries in its sandbox, from its constructor and from its
 * methods: each attempt that succeeds in an actor without limits is denied, by
 * its own error. What it says in place of the runtime ends it, or fails its
 * call, and nothing else.
 *
 * @module
 */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { ActorDiedError, get, ProtocolError, put, remote } from "../../mod.ts";
import { SandboxFrame } from "../../src/wire/sandbox_frames.ts";
import {
  denial,
  escapes,
  HuntingGround,
  type Prey,
} from "../support/escapes.ts";
import { rejection } from "../support/notes.ts";

/** A value of its own, so that the attempts go along with the class. */
const attempts = { ...escapes };
const names = Object.keys(attempts);
const none = { runtimeEnv: { permissions: "none" as const } };

class Prisoner {
  readonly #born: Promise<Record<string, string>>;

  constructor(names: string[], prey: Prey) {
    this.#born = this.try(names, prey);
  }

  born(): Promise<Record<string, string>> {
    return this.#born;
  }

  async try(names: string[], prey: Prey): Promise<Record<string, string>> {
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
  }

  /** Leaves marks wherever an actor could, and says which were there. */
  async visit(mark: string): Promise<unknown[]> {
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
    return seen;
  }
}

class Forger {
  /** Its constructor is its sandbox's first run. */
  #runNo = 0;

  /** Says something in place of this call's answer. */
  async speak(kind: number, bytes: number[], count = 1): Promise<void> {
    const { Socket } = await import("node:net");
    const frame = new Uint8Array(5 + bytes.length);
    new DataView(frame.buffer).setUint32(0, bytes.length + 1, true);
    frame[4] = kind;
    frame.set(bytes, 5);
    const { write } = Socket.prototype;
    Socket.prototype.write = function (this: unknown) {
      Socket.prototype.write = write;
      for (let said = 0; said < count; said++) {
        Reflect.apply(write, this, [frame]);
      }
      return true;
    };
  }

  /** Says a value in place of this call's. */
  async say(value: number[], count = 1): Promise<unknown> {
    const no = new Uint8Array(new Float64Array([++this.#runNo]).buffer);
    const length = [value.length, 0, 0, 0];
    await this.speak(7, [...no, ...length, ...value, 0, 0, 0, 0], count);
    return undefined;
  }

  tick(): number {
    return ++this.#runNo;
  }
}

Deno.test("a hostile actor in a sandbox", async (t) => {
  await using ground = await HuntingGround.open();
  const { folder, prey } = ground;
  const Prisoners = remote(Prisoner);

  await t.step("each attempt succeeds where nothing is limited", async () => {
    const outcomes = await get(
      Prisoners.remote([], prey).try.remote(names, prey),
    );
    const failed = names.filter((name) =>
      outcomes[name] !== "done" && name !== "connects by TCP" &&
      name !== "changes its folder"
    );
    assertEquals(failed.map((name) => [name, outcomes[name]]), []);
    for (const left of ["left", "left.db"]) {
      Deno.removeSync(`${folder}/${left}`);
    }
  });

  const Bound = Prisoners.options(none);
  const prisoner = Bound.remote(names, prey);
  const born = await get(prisoner.born.remote());
  const denied = await get(prisoner.try.remote(names, prey));
  for (const name of names) {
    await t.step(`${name}, in its constructor and in a method`, () => {
      assertMatch(born[name]!, denial);
      assertMatch(denied[name]!, denial);
    });
  }
  await t.step("and nothing of it is left", () => {
    assertEquals(ground.left(), []);
  });
  await t.step("with all files and the net, not the session's", async () => {
    const permissions = { read: true, write: true, net: true };
    const reader = Prisoners.options({ runtimeEnv: { permissions } })
      .remote([], prey);
    const some = [
      "lists the session's folder",
      "connects to the node's socket",
      "connects to the node's socket by node:net",
      "makes a socket in the session's folder",
      "links to a folder",
      "reads the driver's environment",
      "reads its own descriptors",
      "sends a signal",
      "opens a library",
      "runs a command",
    ];
    const outcomes = await get(
      reader.try.remote([...some, "reads a file"], prey),
    );
    assertEquals(outcomes["reads a file"], "done");
    for (const name of some) assertMatch(outcomes[name]!, denial, name);
  });
  await t.step("sees nothing of another, or of its own past life", async () => {
    const Lasting = Bound.options({ maxRestarts: 1 });
    const first = Lasting.remote([], prey);
    const nothing = [null, null, null, null];
    assertEquals(await get(first.visit.remote("first")), nothing);
    assertEquals(
      await get(first.visit.remote("first")),
      ["first", "cached", "first", "first"],
    );
    const second = Lasting.remote([], prey);
    assertEquals(await get(second.visit.remote("second")), nothing);
  });

  const no = (run: number) => [
    ...new Uint8Array(new Float64Array([run]).buffer),
  ];
  const text = (it: string) => [
    192 + it.length,
    ...new TextEncoder().encode(it),
  ];
  const values: Record<string, number[]> = {
    "a value that is none": [255, 1],
    "a function": [17, 0],
    "a foreign ref": [74, ...text("ref"), 34, 3, ...text("00"), 129, 128],
    "an actor's handle": [74, ...text("handle"), 128],
  };
  const lasting = remote(Forger, none).remote();
  for (const [what, value] of Object.entries(values)) {
    await t.step(`forges ${what}: its call fails`, async () => {
      await assertRejects(
        () => get(lasting.say.remote(value)),
        ProtocolError,
        "Cannot",
      );
    });
  }
  await t.step("and it goes on", async () => {
    const count = Object.keys(values).length;
    assertEquals(await get(lasting.tick.remote()), count + 1);
  });
  const { ready, enter, run, value, item, exiting, left } = SandboxFrame;
  const words: Record<string, [kind: number, bytes: number[], why: string]> = {
    "its beginning": [ready, [], "Cannot read"],
    "a frame of the runtime's own": [enter, [0, 0, 0, 0], "Cannot read"],
    "an answer of a call that is over": [value, no(0), "unasked"],
    "an answer of a call that is to come": [item, no(2), "unasked"],
    "a call": [run, no(7), "unasked"],
    "a length beyond all bounds": [
      value,
      [...no(1), 255, 255, 255, 255],
      "",
    ],
  };
  for (const [what, [kind, bytes, why]] of Object.entries(words)) {
    await t.step(`forges ${what}`, async () => {
      const forger = remote(Forger, none).remote();
      const error = await rejection(get(forger.speak.remote(kind, bytes)));
      if (why === "") {
        // Its pipe is sound: only that call is of no use.
        assert(error instanceof ProtocolError);
      } else {
        assert(error instanceof ActorDiedError);
        assertStringIncludes(error.reason, "its sandbox was ended: Cannot");
        assertStringIncludes(error.reason, why);
      }
    });
  }
  await t.step("says more than it was asked", async () => {
    const forger = remote(Forger, none).remote();
    // Its first word is its value, or the next one its end.
    const said = await get(forger.say.remote([129], 10_000))
      .catch((error: unknown) => error);
    assert(said === 1 || said instanceof ActorDiedError);
    const error = await rejection(get(forger.tick.remote()));
    assert(error instanceof ActorDiedError);
    assertStringIncludes(error.reason, "said unasked");
  });
  await t.step("leaves in another's name, or twice", async () => {
    for (const [kind, bytes] of [[left, no(1)], [exiting, []]] as const) {
      const forger = remote(Forger, none).remote();
      const call = forger.speak.remote(kind, [...bytes], 2);
      const error = await rejection(get(call));
      assert(error instanceof ActorDiedError, `${error}`);
    }
  });
  await t.step("the runtime goes on", async () => {
    assertEquals(await get(remote(() => 5).remote()), 5);
    const fresh = remote(Forger, none).remote();
    assertEquals(await get(fresh.tick.remote()), 1);
    assertEquals(await get(put("whole")), "whole");
  });
});
