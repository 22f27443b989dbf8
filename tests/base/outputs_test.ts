import { assertEquals } from "@std/assert";
import { limits } from "../../src/base/limits.ts";
import { PatientStream } from "../../src/base/outputs.ts";
import { until } from "../support/notes.ts";

/** A reader of so much room at a time. */
class Reader {
  room = 0;
  text = "";
  error: Error = new Deno.errors.WouldBlock("full");

  readonly write = (bytes: Uint8Array): number => {
    const count = Math.min(this.room, bytes.length);
    if (count === 0) throw this.error;
    this.room -= count;
    this.text += new TextDecoder().decode(bytes.subarray(0, count));
    return count;
  };
}

Deno.test("PatientStream keeps lines for a slow reader, whole and in order", async () => {
  const reader = new Reader();
  const stream = new PatientStream("stdout", reader.write);
  stream.print("one\n");
  stream.print("two\n");
  assertEquals(reader.text, "");
  reader.room = 6;
  await until(() => reader.text === "one\ntw", "a part");
  reader.room = 100;
  await until(() => reader.text === "one\ntwo\n", "the rest");
});

Deno.test("PatientStream keeps no more than its bound, and goes on after it", async () => {
  const reader = new Reader();
  const stream = new PatientStream("stdout", reader.write);
  const line = "x".repeat(limits.printBytesMax / 4 - 1) + "\n";
  for (let no = 0; no < 10; no++) stream.print(line);
  reader.room = Infinity;
  await until(() => reader.text.length === 4 * line.length, "what was kept");
  stream.print("last\n");
  assertEquals(reader.text.endsWith("\nlast\n"), true);
});

Deno.test("PatientStream gives up on a stream that fails, and throws nothing", () => {
  for (const error of [new Deno.errors.BrokenPipe(), new Error("disk full")]) {
    const reader = new Reader();
    reader.error = error;
    const stream = new PatientStream("stdout", reader.write);
    stream.print("one\n");
    reader.room = 100;
    stream.print("two\n");
    assertEquals(reader.text, "");
  }
});
