/**
 * The head of a simulated cluster: who is a member, who is gone, and everybody
 * told of it. Mirrors `src/head/members.ts`.
 *
 * What it declared dead is on its disk, and outlives it.
 *
 * @module
 */
import type { NodeTag } from "../../../src/base/ids.ts";
import type { NodeView } from "../../../src/base/nodes.ts";
import type { Machine } from "./machine.ts";
import type { ClusterWorld } from "./world.ts";

/** How long one that came back waits for nodes that others knew. */
const rejoinGraceMs = 120;

/** Keeps the members. */
export class ClusterHead {
  readonly #world: ClusterWorld;
  readonly #machine: Machine;
  readonly #peers = new Set<Machine>();
  readonly #known = new Set<NodeTag>();
  readonly #changed = new Set<NodeTag>();
  #isGraceOver = false;
  #isTelling = false;

  constructor(world: ClusterWorld, machine: Machine) {
    this.#world = world;
    this.#machine = machine;
    world.after(machine, rejoinGraceMs, () => this.#graceIsOver());
  }

  /** A machine joins, and tells whom it knew before. */
  joined(
    machine: Machine,
    view: NodeView,
    known: readonly NodeTag[],
  ): NodeView[] | "fenced" {
    if (this.#world.dead.has(view.tag)) return "fenced";
    this.#peers.add(machine);
    this.#updated(view);
    for (const tag of known) this.#knownOf(machine, tag);
    return [...this.#machine.view.all()];
  }

  /** A machine knows of another: it may be gone, or be about to join. */
  #knownOf(machine: Machine, tag: NodeTag): void {
    if (this.#machine.view.get(tag) !== undefined) return;
    if (this.#world.dead.has(tag)) {
      this.#world.kernel.reach("told late of a death");
      this.#world.net.tell(
        this.#machine,
        machine,
        "nodes.gone",
        () => machine.nodeGone(tag),
      );
    } else if (this.#isGraceOver) this.#bury(tag);
    else this.#known.add(tag);
  }

  load(view: NodeView): void {
    if (this.#machine.view.get(view.tag) !== undefined) this.#updated(view);
  }

  /** The link to a machine is no more, and so is the machine. */
  lost(tag: NodeTag): void {
    if (this.#machine.view.get(tag) === undefined) return;
    this.#bury(tag);
  }

  #updated(view: NodeView): void {
    this.#machine.view.updated(view);
    this.#changed.add(view.tag);
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#world.after(this.#machine, 5, () => {
      this.#isTelling = false;
      const nodes = [...this.#changed].map((tag) => this.#machine.view.get(tag))
        .filter((one) => one !== undefined);
      this.#changed.clear();
      for (const peer of this.#peers) {
        this.#world.net.stream(
          this.#machine,
          peer,
          "nodes.changed",
          () => peer.nodesChanged(nodes),
        );
      }
    });
  }

  #bury(tag: NodeTag): void {
    this.#world.kernel.reach("node declared dead");
    this.#world.kernel.say(`${tag} is declared dead`);
    this.#world.dead.add(tag);
    this.#changed.delete(tag);
    for (const peer of this.#peers) {
      if (peer.tag === tag) this.#peers.delete(peer);
      else {
        this.#world.net.tell(
          this.#machine,
          peer,
          "nodes.gone",
          () => peer.nodeGone(tag),
        );
      }
    }
    this.#machine.nodeGone(tag);
  }

  /** Whoever was known before, and has not joined by now, does not come back. */
  #graceIsOver(): void {
    this.#isGraceOver = true;
    for (const tag of this.#known) {
      const isHere = this.#machine.view.get(tag) !== undefined;
      if (isHere || this.#world.dead.has(tag)) continue;
      this.#world.kernel.reach("node did not come back");
      this.#bury(tag);
    }
  }
}
