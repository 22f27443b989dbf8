import { assert, assertEquals, assertRejects } from "@std/assert";
import { MessageChannel } from "node:worker_threads";
import { MantaError } from "../../src/base/errors.ts";
import { LineagePort } from "../../src/node/lineage_port.ts";
import { startLineage } from "../../src/node/lineage_start.ts";
import { openLineage } from "../../src/store/lineage_reader.ts";
import { batchOf, taskRow } from "../support/lineage.ts";

async function withFile(use: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(`${folder}/lineage.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const rows = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => taskRow(from + n));

Deno.test("LineagePort has all rows in the file after a flush, and after closing", async () => {
  await withFile(async (path) => {
    const port = await LineagePort.open(path);
    for (let n = 0; n < 10; n++) {
      port.send(batchOf(rows(n * 100, n * 100 + 100)));
    }
    assertEquals(await port.flush(), { lostCount: 0 });
    assertEquals(port.waitingCount, 0);
    using reader = openLineage(path);
    assertEquals(reader.tasks().length, 1000);
    port.send(batchOf(rows(1000, 1001)));
    await port.close();
    await port.close();
    assertEquals(reader.tasks().length, 1001);
    await assertRejects(() => port.flush(), MantaError, "has ended");
  });
});

Deno.test("LineagePort counts rows over its bound instead of keeping them", async () => {
  await withFile(async (path) => {
    await using port = await LineagePort.open(path, { rowsMax: 150 });
    // The thread can't have answered before this turn of the loop ends.
    port.send(batchOf(rows(0, 100)));
    port.send(batchOf(rows(100, 200)));
    port.send(batchOf(rows(200, 250)));
    assertEquals(await port.flush(), { lostCount: 100 });
    using reader = openLineage(path);
    assertEquals(reader.tasks().length, 150);
    assertEquals(reader.gaps().map((gap) => gap.rowCount), [100]);
  });
});

Deno.test("LineagePort goes on after the disk was full", async () => {
  await withFile(async (path) => {
    const fileBytesMax = 40 * 4096;
    await using port = await LineagePort.open(path, { fileBytesMax });
    port.send(batchOf(rows(0, 5000)));
    const { lostCount } = await port.flush();
    assertEquals(lostCount, 5000);
    port.send(batchOf(rows(0, 10)));
    await port.flush();
    using reader = openLineage(path);
    assertEquals(reader.tasks().length, 10);
    assertEquals(reader.gaps().map((gap) => gap.rowCount), [5000]);
  });
});

Deno.test("LineagePort.open() rejects with the file's name and what to do", async () => {
  await withFile(async (path) => {
    await Deno.writeTextFile(path, "my notes");
    const error = await assertRejects(() => LineagePort.open(path), MantaError);
    assert(
      error.message.includes(path) && error.message.includes("another file"),
    );
    assertEquals(await Deno.readTextFile(path), "my notes");
  });
});

Deno.test("LineagePort.over() talks to a thread that another started, and says why the file is refused", async () => {
  await withFile(async (path) => {
    const { port1, port2 } = new MessageChannel();
    startLineage(path, port2);
    const port = await LineagePort.over(port1, path);
    port.send(batchOf(rows(0, 10)));
    await port.close();
    using reader = openLineage(path);
    assertEquals(reader.tasks().length, 10);
    const other = new MessageChannel();
    startLineage(`${path}/none`, other.port2);
    const opening = LineagePort.over(other.port1, `${path}/none`);
    await assertRejects(() => opening, MantaError, "can't be written");
  });
});

Deno.test("LineagePort rejects who waits when its thread ends without a word, and goes on quietly", async () => {
  const { port1, port2 } = new MessageChannel();
  port2.postMessage({ kind: "opened" });
  const port = await LineagePort.over(port1, "a.db");
  const flushed = assertRejects(() => port.flush(), MantaError, "has ended");
  port2.close();
  await flushed;
  port.send(batchOf(rows(0, 1)));
  await port.close();
});

Deno.test("LineagePort.abandon() closes the file at once", async () => {
  await withFile(async (path) => {
    const port = await LineagePort.open(path, { isTemporary: true });
    port.send(batchOf(rows(0, 10)));
    await port.abandon();
    const files = [...Deno.readDirSync(path.replace(/\/[^/]*$/, ""))];
    assertEquals(files.map(({ name }) => name), ["lineage.db"]);
  });
});

Deno.test("The lineage thread writes what it has and leaves when the other end of its line is gone", async () => {
  await withFile(async (path) => {
    const { port1, port2 } = new MessageChannel();
    const thread = startLineage(path, port2);
    const left = new Promise((resolve) => thread.once("exit", resolve));
    thread.ref();
    const port = await LineagePort.over(port1, path);
    port.send(batchOf(rows(0, 10)));
    port1.close();
    await left;
    await port.close();
    const files = [...Deno.readDirSync(path.replace(/\/[^/]*$/, ""))];
    assertEquals(files.map(({ name }) => name), ["lineage.db"]);
    using reader = openLineage(path);
    assertEquals(reader.tasks().length, 10);
  });
});

Deno.test("A program that forgets to close its LineagePort ends by itself, and a killed one loses no committed row", async () => {
  await withFile(async (path) => {
    const source = (name: string) =>
      JSON.stringify(new URL(`../../${name}`, import.meta.url).href);
    const program = `
      import { LineagePort } from ${source("src/node/lineage_port.ts")};
      import { batchOf, taskRow } from ${source("tests/support/lineage.ts")};
      const port = await LineagePort.open(${JSON.stringify(path)});
      port.send(batchOf([taskRow(Number(Deno.args[0]))]));
      await port.flush();
      if (Deno.args[1]) Deno.kill(Deno.pid, "SIGKILL");
    `;
    const file = `${path}.ts`;
    await Deno.writeTextFile(file, program);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const run = (...args: string[]) =>
      new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--config", config, file, ...args],
        stderr: "inherit",
      }).output();
    assertEquals((await run("1")).code, 0);
    assertEquals((await run("2", "killed")).signal, "SIGKILL");
    using reader = openLineage(path);
    assertEquals(reader.tasks().length, 2);
  });
});
