import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  type ActorHandle,
  free,
  get,
  init,
  ObjectLostError,
  type ObjectRef,
  ObjectStoreFullError,
  put,
  remote,
  wait,
} from "../../mod.ts";
import { Program } from "../support/program.ts";
import { seeded } from "../support/random.ts";
import { SessionRoot, until } from "../support/spilled.ts";

const MiB = 1 << 20;

/** An array of 32 MiB of which each page names it and itself. */
function numbered(no: number): Uint32Array<ArrayBuffer> {
  const array = new Uint32Array(8 << 20).fill(no);
  for (let page = 0; page < 8192; page++) array[page * 1024] = no ^ page << 8;
  return array;
}

/** Which array it is; fails if a page is not its own. */
function numberOf(array: Uint32Array): number {
  const no = array[1]!;
  for (let page = 0; page < 8192; page++) {
    const at = page * 1024;
    const isWhole = array[at] === (no ^ page << 8) && array[at + 1023] === no;
    if (!isWhole) throw new Error(`Page ${page} of array ${no} is not its own`);
  }
  return array.length === 8 << 20 ? no : -1;
}

function start(mebibytes: number) {
  return init({ numCpus: 2, objectStoreMemory: mebibytes * MiB });
}

/** Puts one after the other, as one does who heeds the store. */
async function putAll(nos: number[]): Promise<ObjectRef<Uint32Array>[]> {
  const refs: ObjectRef<Uint32Array>[] = [];
  for (const no of nos) {
    const ref = put(numbered(no));
    await wait([ref]);
    refs.push(ref);
  }
  return refs;
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, at) => from + at);

Deno.test("4 GiB of objects pass through a store of 256 MiB, and every page is kept", async (t) => {
  using root = new SessionRoot();
  await using _runtime = await start(256);
  const seed = Number(Deno.env.get("SEED") ?? Date.now() % 1e9);
  const random = seeded(seed);
  const refs: ObjectRef<Uint32Array>[] = [];
  let peakBytes = 0;
  const look = () => peakBytes = Math.max(peakBytes, root.memoryBytes());

  await t.step("half of them put here", async () => {
    for (const no of range(0, 64)) {
      refs.push(...await putAll([no]));
      if (no % 4 === 3) look();
    }
  });
  await t.step("and half made by tasks", async () => {
    const make = remote(numbered);
    for (let no = 64; no < 128; no += 2) {
      const two = [make.remote(no), make.remote(no + 1)];
      await wait(two, { numReturns: 2 });
      refs.push(...two);
      if (no % 8 === 0) look();
    }
  });
  const order = range(0, 128).sort(() => random() - 0.5);
  await t.step(`read here, in any order (SEED=${seed})`, async () => {
    for (const no of order.slice(0, 64)) {
      assertEquals(numberOf(await get(refs[no]!)), no);
      if (no % 4 === 3) look();
    }
  });
  await t.step("and given to tasks", async () => {
    const read = remote(numberOf);
    const nos = order.slice(64);
    const read64 = nos.map((no) => read.remote(refs[no]!));
    assertEquals(await get(read64), nos);
    look();
  });
  assertEquals(refs.length, 128);
  const mebibytes = Math.round(peakBytes / MiB);
  // What is being written or given back just now comes on top.
  assert(mebibytes > 200 && mebibytes < 420, `${mebibytes} MiB in memory`);
});

Deno.test("what is on disk comes back wherever it is wanted", async (t) => {
  using root = new SessionRoot();
  await using _runtime = await start(128);

  await t.step("arrays inside nested values", async () => {
    const values = range(0, 12).map((no) => ({
      name: `value ${no}`,
      parts: new Map([["a", [numbered(no), { no }]], [
        "b",
        [numbered(no + 1).subarray(0, 1 << 20), { no }],
      ]]),
    }));
    const refs: ObjectRef<typeof values[0]>[] = [];
    for (const value of values) {
      refs.push(put(value));
      await wait(refs.slice(-1));
    }
    assert(root.spilled().length > 5);
    for (const no of [3, 0, 11, 7]) {
      const { name, parts } = await get(refs[no]!);
      assertEquals(name, `value ${no}`);
      const [a] = parts.get("a")!;
      const [b, last] = parts.get("b")!;
      assertEquals(numberOf(a as Uint32Array), no);
      assertEquals((b as Uint32Array)[2048], (no + 1) ^ 2 << 8);
      assertEquals(last, { no });
    }
    free(refs);
  });

  await t.step("an argument of a task, and of an actor", async () => {
    class Reader {
      read(array: Uint32Array): number {
        return array[1]!;
      }
      async readInside({ ref }: { ref: ObjectRef<Uint32Array> }) {
        return (await get(ref))[1]!;
      }
    }
    const refs = await putAll(range(0, 10));
    await until(() => root.spilled().length >= 6);
    const read = remote(numberOf);
    assertEquals(await get(read.remote(refs[0]!)), 0);
    const reader: ActorHandle<Reader> = remote(Reader).remote();
    assertEquals(await get(reader.read.remote(refs[1]!)), 1);
    assertEquals(await get(reader.readInside.remote({ ref: refs[2]! })), 2);
    free(refs);
  });

  await t.step("more at once than the store could hold", async () => {
    const refs = await putAll(range(0, 12));
    const arrays = await get(refs);
    assertEquals(arrays.map(numberOf), range(0, 12));
    arrays[11]![0] = 77; // A reader's write stays its own.
    assertEquals((await get(refs[11]!))[0], 11);
    free(refs);
  });

  await t.step("freed objects leave no file, whoever owned them", async () => {
    await until(() => root.spilled().length === 0);
    const refs = await putAll(range(0, 8));
    await until(() => root.spilled().length >= 4);
    free(refs);
    await until(() => root.spilled().length === 0);
    const own = remote(async (make: typeof numbered) => {
      const refs: ObjectRef<Uint32Array>[] = [];
      for (let no = 0; no < 7; no++) {
        refs.push(put(make(no)));
        await wait(refs.slice(-1));
      }
      return { pid: Deno.pid, refs };
    });
    const { pid, refs: theirs } = await get(own.remote(numbered));
    await until(() => root.spilled().length >= 3);
    assertEquals(numberOf(await get(theirs[0]!)), 0);
    Deno.kill(pid, "SIGKILL");
    await until(() => root.spilled().length === 0);
  });

  await t.step("one larger than the store is refused", async () => {
    const error = await assertRejects(
      () => get(put(new Uint8Array(160 * MiB))),
      ObjectStoreFullError,
    );
    assertEquals(error.capacityBytes, 128 * MiB);
  });
});

Deno.test("a spill file that was changed or removed loses its object, and no other", async () => {
  using root = new SessionRoot();
  await using _runtime = await start(128);
  const refs = await putAll(range(0, 12));
  await until(() => root.spilled().length >= 8);
  const [changed, removed, cut] = root.spilled();
  const modes = [changed!, changed!.slice(0, changed!.lastIndexOf("/"))]
    .map((path) => Deno.statSync(path).mode! & 0o777);
  assertEquals(modes, [0o600, 0o700]);
  {
    using file = Deno.openSync(changed!, { write: true });
    file.seekSync(20 * MiB, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array([1, 2, 3]));
  }
  Deno.removeSync(removed!);
  Deno.truncateSync(cut!, 5 * MiB);
  const reasons = ["checksum", "is gone", "has 5242880 of 33554432 bytes"];
  for (const [at, reason] of reasons.entries()) {
    for (let time = 0; time < 2; time++) {
      const error = await assertRejects(() => get(refs[at]!), ObjectLostError);
      assertStringIncludes(error.message, reason);
      assertStringIncludes(error.message, `${root.path}/manta-`);
      assertStringIncludes(error.message, `object ${refs[at]!.id}: `);
      assertEquals(error.objectId, refs[at]!.id);
    }
  }
  const read = remote(numberOf);
  await assertRejects(() => get(read.remote(refs[1]!)), ObjectLostError);
  for (const no of range(3, 12)) {
    assertEquals(numberOf(await get(refs[no]!)), no);
  }
  free(refs);
  await until(() => root.spilled().length === 0);
  assertEquals(root.openSpills(), []);
});

const isRoot = Deno.uid() === 0 && Deno.build.os === "linux";

Deno.test({
  name:
    "a full disk refuses who needs room, names itself, and nothing else breaks",
  ignore: !isRoot, // Mounting a small disk needs it.
  fn: async () => {
    const path = Deno.makeTempDirSync({ prefix: "mt-" });
    await command("mount", "-t", "tmpfs", "-o", "size=90m", "tmpfs", path);
    try {
      const root = new SessionRoot(path);
      {
        await using _runtime = await start(128);
        const refs = await putAll(range(0, 6)); // Four in memory, two on disk.
        const error = await assertRejects(
          () => get(put(numbered(6))),
          ObjectStoreFullError,
        );
        assertStringIncludes(error.message, "the disk of the spill folder");
        assertStringIncludes(error.message, `${path}/manta-`);
        assertStringIncludes(error.message, "is full");
        assertEquals(root.spilled().length, 2);
        const make = remote(numbered);
        await assertRejects(() => get(make.remote(7)), ObjectStoreFullError);
        const small = remote((n: number) => n + 1);
        assertEquals(await get(small.remote(1)), 2);
        free(refs.slice(0, 1));
        const further = put(numbered(8));
        await wait([further]);
        assertEquals(numberOf(await get(further)), 8);
        assertEquals(numberOf(await get(refs[5]!)), 5);
        free([...refs.slice(1), further]);
        await until(() => root.spilled().length === 0);
        assertEquals(root.openSpills(), []);
      }
      assertEquals([...Deno.readDirSync(path)], []);
    } finally {
      Deno.env.delete("TMPDIR");
      // The thread of the lineage file may still be closing it.
      await command("umount", "--lazy", path);
      Deno.removeSync(path);
    }
  },
});

async function command(name: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(name, { args }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

const spilling = `
import { init, put, shutdown, wait } from "@manta/manta";
await init({ numCpus: 1, objectStoreMemory: 64 << 20 });
const refs = [];
for (let no = 0; no < 6; no++) {
  refs.push(put(new Uint8Array(16 << 20).fill(no)));
  await wait(refs.slice(-1));
}
for (let no = 0; no < 4; no++) refs.push(put(new Uint8Array(16 << 20)));
`;

Deno.test("a program that ends while it spills leaves nothing behind, however it ends", async () => {
  await using program = new Program();
  const inOrder = await program.run(`${spilling} await shutdown();`);
  assertEquals([inOrder.code, program.leftovers()], [0, []], inOrder.stderr);
  const atOnce = await program.run(`${spilling} Deno.exit(3);`);
  assertEquals(atOnce.code, 3);
  await program.gone();
  const path = program.write(
    "main.ts",
    `${spilling} console.log("spilling"); setInterval(() => {
      refs.push(put(new Uint8Array(16 << 20)));
    }, 1);`,
  );
  const killed = program.start(["run", "-A", path]);
  await killed.said("spilling");
  killed.kill("SIGKILL");
  await killed.ended;
  await program.gone();
});
