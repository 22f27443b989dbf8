import { assert, assertEquals } from "@std/assert";
import { type NodeTag, nodeTagOf, type ProcessId } from "../../src/base/ids.ts";
import {
  type GroupBundle,
  type GroupCommand,
  type GroupNodes,
  GroupTable,
  type KeptGroup,
} from "../../src/state/group_table.ts";
import type {
  GroupNode,
  GroupStrategy,
} from "../../src/state/placement_groups.ts";
import { withSeed } from "../support/random.ts";

const [a, b, c] = ["aaaaaaaa", "bbbbbbbb", "cccccccc"] as NodeTag[];
const owner = "dddddddd00000001" as ProcessId;

const node = (tag: NodeTag, cpus = 2): GroupNode => ({
  tag,
  resources: { CPU: cpus },
  available: { CPU: cpus },
});

function groupOf(
  strategy: GroupStrategy,
  ...cpus: number[]
): Omit<KeptGroup, "places"> {
  const bundles = cpus.map((CPU) => ({ CPU }));
  return { groupId: "g", ownerId: owner, bundles, strategy };
}

/** A command in a few words. */
function word(command: GroupCommand): string {
  switch (command.kind) {
    case "keep": {
      const { groupId, places } = command.group;
      return `keep ${groupId} at ${places.map((tag) => tag?.[0] ?? "-")}`;
    }
    case "reserve":
    case "release": {
      const { kind, tag, bundle } = command;
      return `${kind} ${bundle.groupId}:${bundle.index} ${tag[0]}`;
    }
    default:
      return `${command.kind} ${command.groupId}`;
  }
}

/** A table, told of events; what it commands comes in words. */
function table() {
  const own = new GroupTable();
  const told = (commands: GroupCommand[]) => {
    own.validate();
    return commands.map(word);
  };
  const answer = (index: number, is: boolean, nodes: GroupNodes = () => []) =>
    told(own.reserved({ groupId: "g", index }, is, nodes));
  return { own, told, answer };
}

/** One whose group of two bundles is reserved on two nodes. */
function placed(strategy: GroupStrategy = "SPREAD") {
  const made = table();
  const nodes = () => [node(a!), node(b!)];
  made.own.created(groupOf(strategy, 1, 1), nodes);
  made.answer(0, true);
  made.answer(1, true);
  return { ...made, nodes };
}

/** A head that came back with what was kept. */
function cameBack(...kept: KeptGroup[]) {
  const made = table();
  for (const group of kept) made.own.restored(group);
  return made;
}

Deno.test("GroupTable keeps a group before it asks for it, and where it lies before it tells", () => {
  const { own, told, answer } = table();
  const group = groupOf("SPREAD", 1, 1);
  assertEquals(told(own.created(group, () => [node(a!), node(b!)])), [
    "keep g at -,-",
    "reserve g:0 a",
    "reserve g:1 b",
  ]);
  assertEquals(told(own.created(group, () => [node(a!), node(b!)])), []);
  assertEquals(answer(0, true), []);
  assertEquals(answer(1, true), ["keep g at a,b", "placed g"]);
  assert(own.isPlaced("g"));
});

Deno.test("GroupTable gives back what it got where it did not get all, and asks again if there was news meanwhile", () => {
  const { own, told, answer } = table();
  const nodes = () => [node(a!), node(b!)];
  own.created(groupOf("SPREAD", 1, 1), nodes);
  answer(0, true);
  assertEquals(answer(1, false, nodes), ["release g:0 a"]);
  assertEquals(told(own.changed(nodes)), ["reserve g:0 a", "reserve g:1 b"]);
  assertEquals(told(own.changed(() => [node(c!)])), []);
  answer(0, false);
  assertEquals(answer(1, true, () => [node(c!)]), [
    "release g:1 b",
    "reserve g:0 c",
    "reserve g:1 c",
  ]);
});

Deno.test("GroupTable: a group removed while nodes are asked gives back what they then hold", () => {
  const { own, told, answer } = table();
  own.created(groupOf("PACK", 1, 1), () => [node(a!)]);
  answer(0, true);
  assertEquals(told(own.removed("g")), ["remove g"]);
  assertEquals(told(own.removed("g")), []);
  assertEquals(answer(1, true), ["release g:0 a", "release g:1 a"]);
  assertEquals(told(own.created(groupOf("PACK", 1), () => [node(a!)])), []);
  assert(own.isRemoved("g"));
});

Deno.test("GroupTable: bundles of a node that is gone are placed again, also one that had just said yes", () => {
  const { own, told, answer, nodes } = placed();
  assertEquals(told(own.nodeGone(b!, () => [node(a!), node(c!)])), [
    "keep g at a,-",
    "reserve g:1 a",
  ]);
  assertEquals(told(own.nodeGone(a!, () => [node(c!)])), ["keep g at -,-"]);
  answer(1, true);
  assertEquals(told(own.changed(nodes)), ["reserve g:0 a", "reserve g:1 b"]);
});

Deno.test("GroupTable: for groups that are placed nobody looks at the nodes again", () => {
  const { own, told } = placed();
  const nodes = () => {
    throw new Error("looked");
  };
  assertEquals(told(own.changed(nodes)), []);
  assertEquals(told(own.removed("g")), [
    "remove g",
    "release g:0 a",
    "release g:1 b",
  ]);
});

Deno.test("GroupTable: a head that came back lets a node keep what it holds, and has the rest given back", () => {
  const places = [a!, b!];
  const { own, told } = cameBack({ ...groupOf("SPREAD", 1, 1), places });
  own.restoredRemoved("old");
  const bundle = (groupId: string, index: number): GroupBundle => ({
    groupId,
    index,
    amounts: { CPU: 1 },
  });
  assert(own.isPlaced("g"));
  assertEquals(told(own.joined(a!, [bundle("g", 0)], () => [node(a!)])), []);
  const held = [bundle("g", 1), bundle("g", 0), bundle("old", 0)];
  assertEquals(told(own.joined(b!, held, () => [node(a!), node(b!)])), [
    "release g:0 b",
    "release old:0 b",
  ]);
  assertEquals(told(own.removed("g")), [
    "remove g",
    "release g:0 a",
    "release g:1 b",
  ]);
});

Deno.test("GroupTable: a head that came back places again what a node does not hold, and what waited", () => {
  const places = [a!, undefined];
  const { own, told, answer } = cameBack({
    ...groupOf("SPREAD", 1, 1),
    places,
  });
  // Half of what an earlier head asked for: it is asked for anew.
  const half = { groupId: "g", index: 1, amounts: { CPU: 1 } };
  assertEquals(told(own.joined(c!, [half], () => [])), ["release g:1 c"]);
  assertEquals(told(own.joined(a!, [], () => [node(a!), node(b!)])), [
    "release g:0 a",
    "keep g at -,-",
    "reserve g:0 a",
    "reserve g:1 b",
  ]);
  // A node that is asked and joins again will answer what it was asked.
  assertEquals(told(own.joined(b!, [half], () => [])), []);
  answer(0, true);
  assertEquals(answer(1, true), ["keep g at a,b", "placed g"]);
});

Deno.test("GroupTable: what the processes of a node made goes with it, or with the process", () => {
  for (const how of ["node", "process"]) {
    const { own, told } = placed();
    const commands = how === "node"
      ? own.nodeGone(nodeTagOf(owner), () => [])
      : own.ownerEnded(owner);
    assertEquals(told(commands), [
      "remove g",
      "release g:0 a",
      "release g:1 b",
    ]);
    assertEquals([...own.owners()], []);
  }
});

Deno.test("GroupTable: strict strategies hold when a part is placed again", () => {
  const spread = placed("STRICT_SPREAD");
  assertEquals(spread.told(spread.own.nodeGone(b!, () => [node(a!)])), [
    "keep g at a,-",
  ]);
  const { own, told } = cameBack({
    ...groupOf("STRICT_PACK", 1, 1),
    places: [a!, undefined],
  });
  assertEquals(told(own.changed(() => [node(b!)])), []);
  assertEquals(told(own.changed(() => [node(b!), node(a!)])), [
    "reserve g:1 a",
  ]);
});

/** Nodes that hold bundles, and a head that is killed now and then, with words on their way. */
class World {
  readonly kept = new Map<string, KeptGroup>();
  readonly removed: string[] = [];
  readonly held = new Map<NodeTag, Map<string, GroupBundle>>();
  readonly reached = new Map<string, number>();
  table = new GroupTable();
  /** What is on its way, in order, by node; a killed head's words may be lost. */
  #words: (() => void)[] = [];
  readonly #joined = new Set<NodeTag>();

  constructor(tags: NodeTag[]) {
    for (const tag of tags) this.held.set(tag, new Map());
    for (const tag of tags) this.#joined.add(tag);
  }

  readonly nodes = (): GroupNode[] =>
    [...this.#joined].map((tag) => {
      const free = 4 - this.held.get(tag)!.size;
      return { tag, resources: { CPU: 4 }, available: { CPU: free } };
    });

  do(commands: GroupCommand[]): void {
    const { table } = this;
    for (const command of commands) {
      const { kind } = command;
      this.reached.set(kind, (this.reached.get(kind) ?? 0) + 1);
      if (kind === "keep") {
        this.kept.set(command.group.groupId, command.group);
      } else if (kind === "remove") {
        this.kept.delete(command.groupId);
        this.removed.push(command.groupId);
      } else if (kind === "reserve" || kind === "release") {
        const { tag, bundle } = command;
        this.#words.push(() => {
          const has = this.held.get(tag);
          const key = `${bundle.groupId}:${bundle.index}`;
          if (kind === "release") return has?.delete(key);
          const isReserved = has !== undefined &&
            (has.has(key) || has.size < 4);
          if (isReserved) has.set(key, bundle);
          if (this.table !== table) return; // Who asked is no more.
          this.do(table.reserved(bundle, isReserved, this.nodes));
        });
      }
    }
    this.table.validate();
  }

  /** The next word arrives. */
  step(): boolean {
    const word = this.#words.shift();
    word?.();
    return word !== undefined;
  }

  killHead(random: () => number): void {
    this.#words = this.#words.filter(() => random() < 0.5);
    while (this.step());
    this.table = new GroupTable();
    for (const groupId of this.removed) this.table.restoredRemoved(groupId);
    for (const group of this.kept.values()) this.table.restored(group);
    this.#joined.clear();
    for (const tag of this.held.keys()) {
      this.#joined.add(tag);
      const bundles = [...this.held.get(tag)!.values()];
      this.do(this.table.joined(tag, bundles, this.nodes));
      if (random() < 0.3) this.step();
    }
  }

  killNode(tag: NodeTag): void {
    this.held.delete(tag);
    this.#joined.delete(tag);
    this.do(this.table.nodeGone(tag, this.nodes));
  }

  settle(): void {
    do while (this.step()); while (this.#again());
  }

  #again(): boolean {
    this.do(this.table.changed(this.nodes));
    return this.#words.length > 0;
  }
}

Deno.test("GroupTable, walked at random with killed heads and nodes: nodes hold what groups have, and nothing else", () =>
  withSeed((random) => {
    const reached = new Map<string, number>();
    for (let round = 0; round < 60; round++) {
      const tags = Array.from(
        { length: 5 },
        (_, at) => `0000000${at}` as NodeTag,
      );
      const world = new World(tags);
      const ids: string[] = [];
      const strategies = [
        "PACK",
        "SPREAD",
        "STRICT_PACK",
        "STRICT_SPREAD",
      ] as const;
      for (let step = 0; step < 120; step++) {
        const dice = random();
        if (dice < 0.2) {
          const groupId = `g${step}`;
          ids.push(groupId);
          const count = 1 + Math.floor(random() * 3);
          const strategy = strategies[Math.floor(random() * 4)]!;
          const bundles = Array.from({ length: count }, () => ({ CPU: 1 }));
          const group = { groupId, ownerId: owner, bundles, strategy };
          world.do(world.table.created(group, world.nodes));
        } else if (dice < 0.35 && ids.length > 0) {
          const at = Math.floor(random() * ids.length);
          world.do(world.table.removed(ids.splice(at, 1)[0]!));
        } else if (dice < 0.38) world.killHead(random);
        else if (dice < 0.4 && world.held.size > 2) {
          world.killNode([...world.held.keys()][0]!);
        } else world.step();
      }
      world.settle();
      const held = [...world.held].flatMap(([tag, bundles]) =>
        [...bundles.keys()].map((key) => `${key} ${tag}`)
      );
      const placed = [...world.kept.values()].flatMap(({ groupId, places }) =>
        places.flatMap((tag, at) => tag ? [`${groupId}:${at} ${tag}`] : [])
      );
      assertEquals(held.sort(), placed.sort());
      for (const [kind, count] of world.reached) {
        reached.set(kind, (reached.get(kind) ?? 0) + count);
      }
    }
    for (const kind of ["keep", "reserve", "release", "placed", "remove"]) {
      assert((reached.get(kind) ?? 0) > 50, `${kind}: ${reached.get(kind)}`);
    }
  }));
