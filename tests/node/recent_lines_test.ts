import { assertEquals } from "@std/assert";
import type { JobId } from "../../src/base/ids.ts";
import { KeptLog, RecentLines } from "../../src/node/recent_lines.ts";

const jobId = "00000000" as JobId;
const line = (text: string) => ({
  pid: 1,
  name: "worker",
  line: text,
  stream: "stdout" as const,
  jobId,
});

async function texts(lines: RecentLines, afterSeq: number) {
  const { lines: read } = await lines.read({ afterSeq, waitMs: 0 });
  return read.map(({ line }) => line);
}

Deno.test("RecentLines.read() gives what came after a line, whatever was dropped", async () => {
  const lines = new RecentLines({ bytesMax: 1000, linesMax: 3 });
  for (let at = 1; at <= 10; at++) {
    lines.add(line(`${at}`));
    const kept = Array.from({ length: Math.min(at, 3) }, (_, back) => at - back)
      .reverse();
    for (let afterSeq = 0; afterSeq <= at; afterSeq++) {
      assertEquals(
        await texts(lines, afterSeq),
        kept.filter((seq) => seq > afterSeq).map(String),
      );
    }
  }
});

Deno.test("RecentLines bounds what it keeps by bytes too", async () => {
  const lines = new RecentLines({ bytesMax: 10, linesMax: 100 });
  for (const text of ["aaaa", "bbbb", "cccc"]) lines.add(line(text));
  assertEquals(await texts(lines, 0), ["bbbb", "cccc"]);
  lines.add(line("far too long a line"));
  assertEquals(await texts(lines, 0), []);
});

Deno.test("RecentLines.read() waits for the next line, for any number of readers", async () => {
  const lines = new RecentLines();
  lines.add(line("old"));
  const waiting = [1, 2].map(() => lines.read({ afterSeq: 1, waitMs: 60_000 }));
  lines.add(line("new"));
  for (const { lines: read, nextSeq } of await Promise.all(waiting)) {
    assertEquals(read.map(({ line }) => line), ["new"]);
    assertEquals(nextSeq, 3);
  }
  // A question keeps no program alive.
  const hold = setTimeout(() => {}, 60_000);
  const none = await lines.read({ afterSeq: 2, waitMs: 1 });
  clearTimeout(hold);
  assertEquals([none.lines.length, none.nextSeq], [0, 3]);
});

Deno.test("KeptLog keeps each line with its process's name, and passes it on", async () => {
  const lines = new RecentLines();
  const passed: string[] = [];
  const log = new KeptLog(lines, {
    jobId,
    next: ({ pid, name, line }) => passed.push(`${name} ${pid}: ${line}`),
  });
  log.print(7, { line: "early", stream: "stdout" });
  log.name(7, "Counter:bob");
  log.print(7, { line: "late", stream: "stderr" });
  log.forget(7);
  log.print(7, { line: "of another", stream: "stdout" });
  const read = await lines.read({ afterSeq: 0, waitMs: 0 });
  assertEquals(
    read.lines.map(({ name, line, stream }) => [name, line, stream]),
    [
      ["worker", "early", "stdout"],
      ["Counter:bob", "late", "stderr"],
      ["worker", "of another", "stdout"],
    ],
  );
  assertEquals(passed, [
    "worker 7: early",
    "Counter:bob 7: late",
    "worker 7: of another",
  ]);
});
