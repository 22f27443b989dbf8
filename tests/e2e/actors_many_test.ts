import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  ActorDiedError,
  type ActorHandle,
  get,
  init,
  kill,
  remote,
} from "../../mod.ts";
import { note, Notes } from "../support/notes.ts";

class Cell {
  readonly #no: number;
  #calls = 0;

  constructor(no: number) {
    this.#no = no;
  }

  call(): { no: number; calls: number; pid: number } {
    return { no: this.#no, calls: ++this.#calls, pid: Deno.pid };
  }

  spin(path: string): never {
    note(path, "spins");
    for (;;);
  }
}

Deno.test("100 actors share few processes", async (t) => {
  await using _runtime = await init({ numCpus: 2, logToDriver: false });
  const Cells = remote(Cell);
  const cells = Array.from({ length: 100 }, (_, no) => Cells.remote(no));
  const pidsOf = async (some: ActorHandle<Cell>[]) =>
    (await get(some.map((cell) => cell.call.remote()))).map(({ pid }) => pid);

  await t.step("each has a state of its own", async () => {
    const calls = cells.flatMap((
      cell,
    ) => [cell.call.remote(), cell.call.remote()]);
    const answers = await get(calls);
    answers.forEach(({ no, calls }, at) => {
      assertEquals([no, calls], [Math.floor(at / 2), at % 2 + 1]);
    });
    const hosts = new Set(answers.map(({ pid }) => pid));
    assert(hosts.size <= 32, `${hosts.size} host processes`);
  });

  await t.step("isolation: process gives a host of its own", async () => {
    const lone = Cells.options({ isolation: "process" }).remote(1000);
    const [own] = await pidsOf([lone]);
    assertEquals((await pidsOf(cells)).includes(own!), false);
  });

  await t.step(
    "one that spins is killed with its host, whose others are told why or start again",
    async () => {
      const lasting = Cells.options({ maxRestarts: 1 });
      const restarting = Array.from(
        { length: 32 },
        (_, no) => lasting.remote(no),
      );
      const pids = await pidsOf(cells);
      const restartingPids = await pidsOf(restarting);
      const at = pids.findIndex((pid, at) =>
        pids.indexOf(pid) < at && restartingPids.includes(pid)
      );
      const neighbour = cells[pids.indexOf(pids[at]!)]!;
      const stranger = cells[pids.findIndex((pid) => pid !== pids[at])]!;
      const restarted = restarting[restartingPids.indexOf(pids[at]!)]!;
      using notes = new Notes();
      const spinning = cells[at]!.spin.remote(notes.path);
      await notes.reach(1);
      await kill(cells[at]!);
      const own = await assertRejects(() => get(spinning), ActorDiedError);
      assertEquals(own.reason, "it was killed by kill()");
      const others = await assertRejects(
        () => get(neighbour.call.remote()),
        ActorDiedError,
      );
      assertStringIncludes(others.reason, "neighbour Cell, which did not stop");
      const again = await get(restarted.call.remote());
      assertEquals(again.calls, 1);
      assertEquals(
        (await pidsOf([stranger]))[0],
        pids[cells.indexOf(stranger)],
      );
    },
  );
});
