import { deepStrictEqual, strictEqual } from "node:assert/strict";
import type { ProcessId } from "../../src/base/ids.ts";
import { CallOrder, type Orderable } from "../../src/state/call_order.ts";

type Call = Orderable & { isAbandoned: boolean };

const first = "process-1" as ProcessId;
const second = "process-2" as ProcessId;

function alive(incarnation: number, processId: ProcessId) {
  return { phase: "alive" as const, incarnation, processId };
}

let nextOrdinal = 1;

/** An actor that is there, connected to as "one". */
function connected({ maxTaskRetries = 0 } = {}) {
  const order = new CallOrder<Call, string>(maxTaskRetries);
  order.heard(alive(0, first));
  strictEqual(order.connecting(), first);
  order.connected(first, "one");
  return order;
}

function called(
  order: CallOrder<Call, string>,
  { callerNo = 0, isPending = false } = {},
): Call {
  const call: Call = {
    ordinal: nextOrdinal++,
    callerNo,
    isAbandoned: false,
    phase: "preparing",
    attempt: 1,
  };
  order.called(call);
  if (!isPending) order.prepared(call);
  return call;
}

/** Sends all that may be sent. */
function sent(order: CallOrder<Call, string>): Call[] {
  const calls: Call[] = [];
  for (const callerNo of order.callers) {
    for (;;) {
      const call = order.next(callerNo);
      if (call === undefined) break;
      calls.push(call);
    }
  }
  order.validate();
  return calls;
}

Deno.test("CallOrder sends one caller's calls in order, once there is a connection", () => {
  const order = new CallOrder<Call, string>(0);
  const calls = [called(order), called(order), called(order)];
  deepStrictEqual(sent(order), []);
  order.heard(alive(0, first));
  order.connecting();
  strictEqual(order.connected(first, "one"), true);
  deepStrictEqual(sent(order), calls);
  deepStrictEqual(sent(order), []);
  strictEqual(order.pendingCount, 3);
  for (const call of calls) order.answered(call);
  strictEqual(order.pendingCount, 0);
});

Deno.test("CallOrder holds back later calls of a caller with a pending argument, and nobody else's", () => {
  const order = connected();
  const pending = called(order, { isPending: true });
  const behind = called(order);
  const other = called(order, { callerNo: 1 });
  deepStrictEqual(sent(order), [other]);
  order.prepared(pending);
  deepStrictEqual(sent(order), [pending, behind]);
});

Deno.test("CallOrder passes over a call that is settled, and drops one that is withdrawn", () => {
  const order = connected();
  const settled = called(order, { isPending: true });
  const withdrawn = called(order, { isPending: true });
  const last = called(order);
  settled.phase = "done";
  strictEqual(order.withdrawn(withdrawn), true);
  deepStrictEqual(sent(order), [last]);
  strictEqual(order.withdrawn(last), false);
});

Deno.test("CallOrder sends again what a death took along, before what was never sent", () => {
  const order = connected({ maxTaskRetries: 1 });
  const lost = [called(order), called(order)];
  sent(order);
  order.heard({ phase: "restarting", incarnation: 1 });
  const later = called(order);
  order.heard(alive(1, second));
  // The old connection is still there: what it took along is not known yet.
  strictEqual(order.connecting(), undefined);
  deepStrictEqual(sent(order), []);
  deepStrictEqual(order.disconnected("one", first), {
    abandoned: [],
    failed: [],
    again: lost,
  });
  strictEqual(order.connecting(), second);
  order.connected(second, "two");
  deepStrictEqual(sent(order), [...lost, later]);
  deepStrictEqual(lost.map(({ attempt }) => attempt), [2, 2]);
  deepStrictEqual(order.disconnected("two", second).failed, lost);
});

Deno.test("CallOrder sends nothing again that was answered, settled, or may not", () => {
  const order = connected();
  const [answered, settled, lost] = [
    called(order),
    called(order),
    called(order),
  ];
  sent(order);
  order.answered(answered);
  settled.isAbandoned = true;
  deepStrictEqual(order.disconnected("one", first), {
    abandoned: [settled],
    failed: [lost],
    again: [],
  });
  strictEqual(order.pendingCount, 0);
});

Deno.test("CallOrder believes no late word of an earlier incarnation, or of a process that ended", () => {
  const order = connected();
  order.disconnected("one", first);
  strictEqual(order.heard(alive(0, first)), true);
  strictEqual(order.connecting(), undefined);
  order.heard(alive(1, second));
  strictEqual(order.heard(alive(0, first)), false);
  strictEqual(order.connecting(), second);
  strictEqual(order.connecting(), undefined);
  order.heard({ phase: "restarting", incarnation: 2 });
  strictEqual(order.connected(second, "late"), false);
  strictEqual(order.connection, undefined);
});

Deno.test("CallOrder believes no word that an actor starts which lives, or lives which is dead", () => {
  const order = new CallOrder<Call, string>(0);
  order.heard(alive(1, first));
  strictEqual(order.heard({ phase: "restarting", incarnation: 1 }), false);
  strictEqual(order.connecting(), first);
  strictEqual(order.heard({ phase: "dead", incarnation: 1 }), true);
  strictEqual(order.heard(alive(2, second)), false);
  strictEqual(order.news?.phase, "dead");
});

Deno.test("CallOrder gives out all that waits for a dead actor, also what came back from its connection", () => {
  const order = connected({ maxTaskRetries: -1 });
  const lost = called(order);
  sent(order);
  const waiting = called(order, { isPending: true });
  order.heard({ phase: "dead", incarnation: 0 });
  deepStrictEqual(order.buried(), [waiting]);
  order.disconnected("one", first);
  deepStrictEqual(order.buried(), [lost]);
  deepStrictEqual(order.buried(), []);
  order.validate();
});

Deno.test("CallOrder forgets calls that were settled before they were sent, wherever they stand", () => {
  const order = new CallOrder<Call, string>(0);
  const calls = Array.from({ length: 6 }, () => called(order));
  const pending = called(order, { isPending: true });
  for (const call of [calls[0]!, calls[3]!, calls[1]!, pending]) {
    call.phase = "done";
    strictEqual(order.withdrawn(call), true);
    order.validate();
  }
  strictEqual(order.pendingCount, 3);
  order.heard(alive(0, first));
  order.connecting();
  order.connected(first, "one");
  deepStrictEqual(sent(order), [calls[2], calls[4], calls[5]]);
});

Deno.test("CallOrder gives a call that waited elsewhere its place by when it was made", () => {
  const order = connected();
  const [first, moved, last] = [0, 1, 2].map(() => called(order));
  order.withdrawn(moved!);
  moved!.phase = "preparing";
  order.called(moved!);
  order.validate();
  deepStrictEqual(sent(order), [first]);
  order.prepared(moved!);
  deepStrictEqual(sent(order), [moved, last]);
});

Deno.test("CallOrder connects anew after a failed attempt, and to what was heard during one", () => {
  const order = new CallOrder<Call, string>(0);
  const call = called(order);
  order.heard(alive(0, first));
  strictEqual(order.connecting(), first);
  order.notConnected();
  // It may live nevertheless: its connection was refused for another reason.
  strictEqual(order.connecting(), first);
  order.heard({ phase: "restarting", incarnation: 1 });
  order.heard(alive(1, second));
  strictEqual(order.connecting(), undefined);
  order.notConnected();
  strictEqual(order.connecting(), second);
  order.connected(second, "two");
  deepStrictEqual(sent(order), [call]);
});
