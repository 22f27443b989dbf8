import { assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import type { CodeHash, ProcessId, SegmentId } from "../../src/base/ids.ts";
import type { StoredValue } from "../../src/base/stored.ts";
import { ByteWriter } from "../../src/wire/bytes.ts";
import {
  Outcome,
  readFunction,
  readItem,
  readReply,
  readTask,
  type TaskFrame,
  writeFunction,
  writeItem,
  writeReply,
  writeTask,
} from "../../src/wire/task_frames.ts";

const plain: StoredValue = { bytes: new Uint8Array([1, 2, 3]) };
const rich: StoredValue = {
  bytes: new Uint8Array([9]),
  buffers: [new Uint8Array([4, 5]), new Uint8Array(0)],
  segment: {
    segmentId: "0123" as SegmentId,
    byteLength: 2 ** 40,
    layout: [0, 8, 64, 2 ** 33],
  },
  code: [{ hash: "é" as CodeHash, index: 3 }, null],
  refs: [{ ownerId: "abc" as ProcessId, ordinal: 2 ** 45, index: 7 }],
};
const task: TaskFrame = {
  key: "a.0",
  ordinal: 2 ** 45 + 1,
  slot: 0xffffffff,
  generation: 5,
  leaseNo: 8,
  functionNo: 6,
  method: "añadir",
  attempt: 65535,
  returnCount: 3,
  flags: 15,
  depth: 300,
  callerNo: 12,
  backpressure: 2 ** 31,
  args: rich,
  dependencies: [{ position: 2, value: plain }],
};

function written(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter(8);
  write(out);
  return out.written().slice();
}

Deno.test("A task's frame comes back as it was written", () => {
  assertEquals(readTask(written((out) => writeTask(out, task))), task);
});

Deno.test("A reply, an item and a function come back as they were written", () => {
  const reply = {
    ordinal: 4,
    outcome: Outcome.failed,
    slot: 17,
    runMs: 0.25,
    startedAtMs: 1.5e12,
    pinToken: 3,
    values: [plain, rich],
  };
  assertEquals(readReply(written((out) => writeReply(out, reply))), reply);
  const item = {
    ordinal: 4,
    attempt: 2,
    index: 70_000,
    pinToken: 0,
    value: rich,
  };
  assertEquals(readItem(written((out) => writeItem(out, item))), item);
  const fn = {
    functionNo: 1,
    code: { hash: "h" as CodeHash, index: 0 },
    name: "größer",
    resources: "{}",
  };
  assertEquals(readFunction(written((out) => writeFunction(out, fn))), fn);
});

Deno.test("A frame that is cut short is a ProtocolError wherever it is cut", () => {
  const bytes = written((out) => writeTask(out, task));
  for (let length = 0; length < bytes.length; length++) {
    assertThrows(() => readTask(bytes.subarray(0, length)), ProtocolError);
  }
});
