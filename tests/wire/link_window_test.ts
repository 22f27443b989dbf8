import { assert, assertEquals, assertThrows } from "@std/assert";
import { ProtocolError } from "../../src/base/errors.ts";
import { LinkWindow } from "../../src/wire/link_window.ts";
import { withSeed } from "../support/random.ts";

Deno.test("LinkWindow refuses a frame after a missing one, and a confirmation of what was never sent", () => {
  const window = new LinkWindow();
  assertEquals([window.received(1), window.received(1)], [true, false]);
  assertThrows(() => window.received(3), ProtocolError, "frame 3 came after 1");
  assertThrows(() => window.confirmed(1), ProtocolError, "never sent");
  window.validate();
});

Deno.test("LinkWindow brings each frame once and in order, however often the connection breaks", () =>
  withSeed((random) => {
    const [near, far] = [new LinkWindow(), new LinkWindow()];
    /** What this connection carries; frames one way, confirmations the other. */
    let frames: number[] = [];
    let confirmations: number[] = [];
    let sentCount = 0;
    const came: number[] = [];
    const counts = { broken: 0, again: 0 };

    function take(): void {
      const seq = frames.shift();
      if (seq === undefined) return;
      if (far.received(seq)) came.push(seq);
      else counts.again++;
      if (random() < 0.3) confirmations.push(far.receivedSeq);
    }

    for (let step = 0; step < 20_000; step++) {
      const dice = random();
      if (dice < 0.4) {
        const seq = near.next();
        near.sent({ seq, bytes: new Uint8Array(seq % 7) });
        frames.push(seq);
        sentCount++;
      } else if (dice < 0.8) take();
      else if (dice < 0.95) {
        const seq = confirmations.shift();
        if (seq !== undefined) near.confirmed(seq);
      } else {
        counts.broken++;
        confirmations = [];
        frames = near.again().map(({ seq }) => seq);
      }
      near.validate();
      far.validate();
    }
    while (frames.length > 0) take();
    assertEquals(came, Array.from({ length: sentCount }, (_, at) => at + 1));
    near.confirmed(far.receivedSeq);
    assertEquals([near.again().length, near.unconfirmedBytes], [0, 0]);
    assert(counts.broken > 500 && counts.again > 100, JSON.stringify(counts));
  }));
