import { assertEquals } from "@std/assert";
import { frameBytes, FrameConn } from "../../src/wire/link_conn.ts";

Deno.test("FrameConn.send() leaves nothing lying, whenever the write before it ends", async () => {
  const frame = frameBytes(
    { kind: 2, channel: 1, seq: 1, confirmedSeq: 0 },
    new Uint8Array(8),
  );
  for (let turns = 0; turns < 30; turns++) {
    let writtenBytes = 0;
    const closed = Promise.withResolvers<null>();
    const conn = new FrameConn({
      read: () => closed.promise,
      write: (bytes) => {
        writtenBytes += bytes.length;
        return Promise.resolve(bytes.length);
      },
      close: () => closed.resolve(null),
    }, { frame: () => {}, broken: () => {} });
    conn.send(frame);
    for (let turn = 0; turn < turns; turn++) await undefined;
    conn.send(frame);
    // All that is under way by itself is over by then.
    await new Promise((resolve) => setTimeout(resolve, 0));
    assertEquals(writtenBytes, 2 * frame.length, `after ${turns} turns`);
    await conn.finish();
    await conn.ended();
  }
});
