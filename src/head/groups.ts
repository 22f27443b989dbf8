/**
 * Placement groups of a cluster: reserved on nodes whole or not at all, given
 * back when they are removed, or their maker is gone.
 *
 * Which waits, and what is reserved where, is decided by
 * `state/group_table.ts`; here it is carried out, and who asked is answered.
 *
 * @module
 */
import { unreachable } from "../base/errors.ts";
import type { NodeTag, ProcessId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import {
  type GroupBundle,
  type GroupCommand,
  type GroupNodes,
  GroupTable,
  type KeptGroup,
} from "../state/group_table.ts";
import { type GroupNode, impossible } from "../state/placement_groups.ts";
import type { Bundle } from "../wire/facts.ts";
import type { RequestHandlers } from "../wire/peer.ts";

/** What keeping groups takes. */
export interface GroupsRooms {
  nodes(): GroupNode[];
  /** Takes a bundle's resources on a node; false where they are not free. */
  reserve(tag: NodeTag, bundle: Bundle): Promise<boolean>;
  release(tag: NodeTag, bundle: Bundle): void;
  /** A group is no more: what waits for it, or runs in it, is to end. */
  removed(groupId: string): void;
  /** No further node can join: what does not fit is refused. */
  isAlone: boolean;
  /** Writes down what a head must know again; none where it ends with its program. */
  readonly keeper?: GroupKeeper;
}

/** Where groups are written down. */
export interface GroupKeeper {
  keepGroup(group: KeptGroup): void;
  groupRemoved(groupId: string): void;
}

type Answer = { refusal?: string };

const removal: Answer = { refusal: "it was removed" };

/** Keeps placement groups. */
export class Groups {
  readonly #rooms: GroupsRooms;
  readonly #table = new GroupTable();
  readonly #nodes: GroupNodes;
  /** Who waits for groups that are not placed. */
  readonly #asked = new Map<string, PromiseWithResolvers<Answer>>();

  constructor(rooms: GroupsRooms) {
    this.#rooms = rooms;
    this.#nodes = () => rooms.nodes();
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "group.create": ({ groupId, bundles, strategy }, peer) => {
        if (this.#table.isRemoved(groupId)) return removal;
        if (!this.#table.has(groupId) && this.#rooms.isAlone) {
          const nodes = this.#rooms.nodes();
          const refusal = impossible({ bundles, strategy }, nodes);
          if (refusal !== undefined) return { refusal };
        }
        const { processId: ownerId } = peer.remote!;
        const group = { groupId, ownerId, bundles, strategy };
        this.#carryOut(this.#table.created(group, this.#nodes));
        return this.#table.isPlaced(groupId) ? {} : this.#answerOf(groupId);
      },
      "group.remove": ({ groupId }) => {
        this.#carryOut(this.#table.removed(groupId));
        return {};
      },
    };
  }

  /** Groups that this head knew before it was killed, and such as were removed. */
  restore(groups: Iterable<KeptGroup>, removedIds: Iterable<string>): void {
    for (const groupId of removedIds) this.#table.restoredRemoved(groupId);
    for (const group of groups) this.#table.restored(group);
  }

  /** Groups that are no more, as far as they are remembered. */
  removedIds(): string[] {
    return this.#table.removedIds();
  }

  /** Who made the groups that are there. */
  owners(): Iterable<ProcessId> {
    return this.#table.owners();
  }

  /** There may be room. */
  changed(): void {
    this.#carryOut(this.#table.changed(this.#nodes));
  }

  /** A process is gone, and the groups that it made. */
  ownerEnded(ownerId: ProcessId): void {
    this.#carryOut(this.#table.ownerEnded(ownerId));
  }

  /** A node joined, and holds these. */
  joined(tag: NodeTag, bundles: readonly Bundle[]): void {
    this.#carryOut(this.#table.joined(tag, bundles, this.#nodes));
  }

  /** A node is gone: its bundles are placed again. */
  nodeGone(tag: NodeTag): void {
    this.#carryOut(this.#table.nodeGone(tag, this.#nodes));
  }

  #carryOut(commands: GroupCommand[]): void {
    for (const command of commands) {
      switch (command.kind) {
        case "keep":
          this.#rooms.keeper?.keepGroup(command.group);
          break;
        case "reserve":
          this.#reserve(command.tag, command.bundle);
          break;
        case "release":
          this.#rooms.release(command.tag, command.bundle);
          break;
        case "placed":
          this.#answer(command.groupId, {});
          break;
        case "remove":
          this.#rooms.keeper?.groupRemoved(command.groupId);
          this.#answer(command.groupId, removal);
          this.#rooms.removed(command.groupId);
          break;
        default:
          unreachable(command);
      }
    }
  }

  async #reserve(tag: NodeTag, bundle: GroupBundle): Promise<void> {
    let isReserved = false;
    try {
      isReserved = await this.#rooms.reserve(tag, bundle);
    } catch (error) {
      // Its node is going.
      log.debug(`placement group ${bundle.groupId} waits: ${error}`);
    }
    this.#carryOut(this.#table.reserved(bundle, isReserved, this.#nodes));
  }

  #answer(groupId: string, answer: Answer): void {
    this.#asked.get(groupId)?.resolve(answer);
    this.#asked.delete(groupId);
  }

  #answerOf(groupId: string): Promise<Answer> {
    let asked = this.#asked.get(groupId);
    if (asked === undefined) {
      this.#asked.set(groupId, asked = Promise.withResolvers());
    }
    return asked.promise;
  }
}
