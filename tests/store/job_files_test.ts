import { assertEquals } from "@std/assert";
import { JobFiles } from "../../src/store/job_files.ts";
import { markOf } from "../../src/store/process_mark.ts";

const start = {
  id: "job-00000001",
  script: "/a.ts",
  args: [],
  cwd: "/",
  submittedAtMs: 1,
};

Deno.test("JobFiles tells by its files how a program stands", async () => {
  const folder = await Deno.makeTempDir();
  const files = new JobFiles(`${folder}/job-00000001`);
  assertEquals(files.state(), undefined);
  assertEquals([files.make(), files.make()], [true, false]);
  assertEquals(files.state(), undefined);
  files.started({ ...start, watcherMark: markOf(Deno.pid)! });
  assertEquals([files.state()?.state, files.pid()], ["running", undefined]);
  assertEquals(files.output(0, 10).length, 0);

  const ended = new Deno.Command("/bin/sh", {
    args: ["-c", "read -r line"],
    stdin: "piped",
  }).spawn();
  const mark = markOf(ended.pid)!;
  await ended.stdin.close();
  await ended.status;
  files.started({ ...start, watcherMark: mark });
  assertEquals(files.state()?.state, "lost");

  const exited = (status: string) => {
    Deno.writeTextFileSync(`${files.path}/exit`, status);
    const { state, exitCode } = files.state()!;
    return [state, exitCode];
  };
  assertEquals(exited("0\n"), ["finished", 0]);
  assertEquals(exited("3\n"), ["failed", 3]);
  files.stopAsked();
  assertEquals(exited("143\n"), ["stopped", 143]);

  Deno.writeTextFileSync(files.outputPath, "abcdef");
  const text = new TextDecoder().decode(files.output(2, 3));
  assertEquals(text, "cde");
  files.remove();
  assertEquals(files.state(), undefined);
  await Deno.remove(folder, { recursive: true });
});
