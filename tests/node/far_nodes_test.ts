import { assertEquals } from "@std/assert";
import type { NodeTag, ProcessId } from "../../src/base/ids.ts";
import type { NodeView } from "../../src/base/nodes.ts";
import { FarNodes } from "../../src/node/far_nodes.ts";
import type { Link } from "../../src/wire/link.ts";
import { nodeView } from "../support/cluster_rooms.ts";
import { until } from "../support/notes.ts";

const tag = "bbbbbbbb" as NodeTag;
const process = `${tag}00000001` as ProcessId;

const link = {
  remote: { tag, role: "node" },
  closed: new Promise(() => {}),
  isClosed: false,
  open: (to: string) => `a stream to ${to}`,
} as unknown as Link;

/** The far nodes of one that knows nobody yet. */
function alone() {
  const views = new Map<NodeTag, NodeView>();
  let askedCount = 0;
  const far = new FarNodes({
    self: "aaaaaaaa" as NodeTag,
    dial: () => Promise.resolve(link),
    find: (tag) => views.get(tag),
    headTag: () => undefined,
    askFor: () => askedCount++,
    arrived: () => {},
    lost: () => {},
  });
  const opened = () => far.open(process) as Promise<unknown>;
  return { far, views, opened, askedCount: () => askedCount };
}

Deno.test("FarNodes asks again for a link that nobody makes: the head may not have heard it", async () => {
  const { far, opened, askedCount } = alone();
  const stream = opened();
  await until(() => askedCount() >= 2, "it is asked for twice");
  far.linked(link);
  assertEquals(await stream, `a stream to ${process}`);
});

Deno.test("FarNodes makes a link itself once it hears where a node listens", async () => {
  const { views, opened, askedCount } = alone();
  const stream = opened();
  await until(() => askedCount() >= 1, "it is asked for");
  views.set(tag, nodeView(tag, { address: "h:1" }));
  let got: unknown;
  stream.then((stream) => got = stream);
  await until(() => got !== undefined, "a stream");
  assertEquals(got, `a stream to ${process}`);
});
