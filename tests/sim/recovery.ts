/**
 * Makes lost objects of one simulated owner again: mirrors
 * `src/owner/recovery.ts`.
 *
 * @module
 */
import type { RefKey } from "../../src/base/stored.ts";
import type {
  LineageCommand,
  LineageKey,
  LineageTable,
} from "../../src/state/lineage.ts";
import type { Process } from "./process.ts";
import { type Entry, type Held, Task } from "./things.ts";
import type { World } from "./world.ts";

/** An argument that was a ref: an object of this process's own, a small value, or somebody else's. */
type KeptArgument =
  & { readonly isForeign: boolean }
  & ({ entry: Entry } | { value: Held[] } | { key: RefKey });

interface Kept {
  readonly task: Task;
  readonly args: Held[];
  readonly dependencies: readonly KeptArgument[];
}

/** Keeps and remakes the objects of one process. */
export class Recovery {
  readonly table: LineageTable;
  readonly #world: World;
  readonly #process: Process;
  readonly #kept = new Map<number, Kept>();

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
    this.table = world.rooms.lineage();
  }

  /** A task finished: if its value can be lost, it is kept. */
  finished(task: Task, isLosable: boolean): void {
    const { ordinal, maxRetries, attempt } = task;
    const isKnown = this.table.has(ordinal);
    if (!isKnown && (!isLosable || task.actor !== undefined)) return;
    const dependencies = task.dependencies.map((one) => this.#keep(one));
    const before = this.#kept.get(ordinal);
    this.#kept.set(ordinal, {
      task,
      args: this.#process.owner.holdAll(task.args),
      dependencies,
    });
    if (before !== undefined) this.#release(before);
    this.#carryOut(this.table.produced({
      ordinal,
      objectCount: 1,
      dependencies: dependencies.flatMap((one) =>
        "entry" in one ? [one.entry] : []
      ),
      runsLeft: maxRetries < 0 ? -1 : maxRetries + 1 - attempt,
      bytes: 1,
    }));
  }

  /** A task failed, for good. */
  failed({ ordinal }: Task): void {
    if (this.table.has(ordinal)) this.#carryOut(this.table.failed(ordinal));
  }

  /** Nobody holds an object of this process. */
  dropped({ ordinal, index }: LineageKey): void {
    const key = { ordinal, index };
    if (this.table.has(ordinal)) this.#carryOut(this.table.dropped(key));
  }

  /** The value of an object is gone: it is made again, or fails. */
  lost(entry: Entry): void {
    const { ordinal, index } = entry;
    this.#world.kernel.reach("lost object asked for");
    this.#carryOut(this.table.lost({ ordinal, index }), entry);
  }

  #carryOut(commands: LineageCommand[], asked?: Entry): void {
    const isChain = commands.filter(({ kind }) => kind === "rerun").length > 1;
    if (isChain) this.#world.kernel.reach("argument remade first");
    for (const command of commands) {
      switch (command.kind) {
        case "reopen":
          this.#reopen(command.key);
          break;
        case "rerun":
          this.#rerun(command.ordinal);
          break;
        case "reject":
          this.#world.kernel.reach(`not remade: ${command.reason}`);
          if (asked !== undefined) {
            this.#process.owner.objects.lose(asked, command.reason);
          }
          break;
        case "forget": {
          const kept = this.#kept.get(command.ordinal);
          this.#kept.delete(command.ordinal);
          if (kept !== undefined) this.#release(kept);
        }
      }
    }
  }

  #reopen({ ordinal }: LineageKey): void {
    const { entry } = this.#kept.get(ordinal)!.task;
    this.#world.ledger.reopened(this.#process, entry);
    const { value } = entry;
    entry.reopen();
    this.#process.owner.references.letAllGo(value);
  }

  #rerun(ordinal: number): void {
    const { task: old, args, dependencies } = this.#kept.get(ordinal)!;
    const { owner } = this.#process;
    const task = new Task(
      ordinal,
      old.callerNo,
      old.depth,
      old.plan,
      old.stats,
      old.entry,
      old.maxRetries,
      old.isRetryable,
      dependencies.map((one) => this.#argument(one)),
      owner.holdAll(args),
      undefined,
      undefined,
    );
    task.attempt = old.attempt + 1;
    if (!task.entry.isSettled) task.entry.producer = task;
    this.#world.kernel.say(
      `${this.#process.name}: task ${ordinal} is run again for its value`,
    );
    this.#world.ledger.remade(this.#process, task);
    owner.again(task);
  }

  #keep({ handle: { entry }, isForeign }: Held): KeptArgument {
    const isSmall = entry.status === "ready" && entry.segment === undefined;
    const { owner, id } = this.#process;
    if (isSmall) return { isForeign, value: owner.holdAll(entry.value) };
    if (entry.ownerId === id) return { isForeign, entry };
    const { ownerId, ordinal, index } = entry;
    return { isForeign, key: { ownerId, ordinal, index } };
  }

  #argument(argument: KeptArgument): Held {
    const { isForeign } = argument;
    const { owner } = this.#process;
    if ("entry" in argument) {
      return { isForeign, handle: owner.references.holdEntry(argument.entry) };
    }
    if ("key" in argument) {
      return { isForeign, handle: owner.references.borrow(argument.key) };
    }
    return { isForeign, handle: owner.put(argument.value) };
  }

  #release({ args, dependencies }: Kept): void {
    const { references } = this.#process.owner;
    references.letAllGo(args);
    for (const one of dependencies) {
      if ("value" in one) references.letAllGo(one.value);
    }
  }
}
