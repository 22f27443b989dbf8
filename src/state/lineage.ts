/**
 * What one owner could make again, and how: the tasks behind its objects, as
 * long as an object or a task that depends on one is remembered.
 *
 * 1. A task that finished with a value that can be lost is remembered with
 *    the objects it took as arguments.
 * 2. When a copy turns out to be gone, its task runs again; first those that
 *    made arguments of it that are gone too, and so on. However many ask, it
 *    runs once.
 * 3. A task is forgotten when nobody holds an object of it and no remembered
 *    task depends on one; or, the oldest first, when too much is remembered.
 *
 * Pure: running, and what is stored where, is the owner's.
 *
 * @module
 */
import { assert } from "../base/errors.ts";

/** Which object of the owner's: the number of its task, and the return index. */
export interface LineageKey {
  readonly ordinal: number;
  readonly index: number;
}

/** A task that finished. */
export interface Produced {
  readonly ordinal: number;
  /** How many objects it returned. */
  readonly objectCount: number;
  /** Objects of the same owner that it took as arguments. */
  readonly dependencies: readonly LineageKey[];
  /** How often it may still run; -1 for any number of times. */
  readonly runsLeft: number;
  /** What remembering it takes. */
  readonly bytes: number;
}

/** What the owner must do, in order. */
export type LineageCommand =
  /** The object is pending again. */
  | { kind: "reopen"; key: LineageKey }
  /** The task runs again; what it needs was reopened before. */
  | { kind: "rerun"; ordinal: number }
  /** The object can't be made again. */
  | { kind: "reject"; key: LineageKey; reason: string }
  /** The task is remembered no more. */
  | { kind: "forget"; ordinal: number };

/** Bounds of a {@linkcode LineageTable}. */
export interface LineageLimits {
  /** Tasks that are remembered. */
  tasksMax: number;
  /** Bytes of their arguments. */
  bytesMax: number;
}

/** How an object stands: its value is there, gone, gone by the program's wish, or being made again. */
type Presence = "present" | "absent" | "freed" | "remaking";

interface Row {
  readonly objects: Presence[];
  readonly dependencies: readonly LineageKey[];
  readonly bytes: number;
  runsLeft: number;
  isRunning: boolean;
  /** Objects that somebody holds. */
  heldCount: number;
  /** Remembered tasks that took one of its objects, once for each argument. */
  dependentCount: number;
}

/** Remembers the tasks behind one owner's objects. */
export class LineageTable {
  readonly #limits: LineageLimits;
  readonly #rows = new Map<number, Row>();
  /** Objects that nobody holds, kept for those that depend on them. */
  readonly #dropped = new Set<string>();
  #bytes = 0;

  constructor(limits: LineageLimits) {
    this.#limits = limits;
  }

  /** How many tasks are remembered. */
  get size(): number {
    return this.#rows.size;
  }

  /** Whether a task is remembered. */
  has(ordinal: number): boolean {
    return this.#rows.has(ordinal);
  }

  /** A task finished; a second time after it was made to run again. */
  produced(task: Produced): LineageCommand[] {
    const known = this.#rows.get(task.ordinal);
    if (known !== undefined) {
      known.isRunning = false;
      // Making it again may have taken more than one run.
      known.runsLeft = task.runsLeft;
      this.#settle(known, "present");
      return this.#unless(task.ordinal, known);
    }
    const row: Row = {
      objects: Array(task.objectCount).fill("present"),
      dependencies: task.dependencies,
      bytes: task.bytes,
      runsLeft: task.runsLeft,
      isRunning: false,
      heldCount: task.objectCount,
      dependentCount: 0,
    };
    this.#rows.set(task.ordinal, row);
    this.#bytes += row.bytes;
    for (const { ordinal } of row.dependencies) {
      const maker = this.#rows.get(ordinal);
      if (maker !== undefined) maker.dependentCount++;
    }
    return this.#bounded();
  }

  /** It ran again and failed: its objects stay gone. */
  failed(ordinal: number): LineageCommand[] {
    const row = this.#rows.get(ordinal);
    if (row === undefined) return [];
    row.isRunning = false;
    this.#settle(row, "absent");
    return this.#unless(ordinal, row);
  }

  /** Nobody holds an object any more, and its value is given back. Twice is as good as once. */
  dropped(key: LineageKey): LineageCommand[] {
    const row = this.#rows.get(key.ordinal);
    if (row === undefined) return [];
    // One made again for a dependent alone is dropped again with that.
    if (row.objects[key.index] === "present") row.objects[key.index] = "absent";
    if (this.#dropped.has(textOf(key))) return [];
    this.#dropped.add(textOf(key));
    row.heldCount--;
    return this.#unless(key.ordinal, row);
  }

  /** The program gave an object's value back: it is not made again. */
  freed(key: LineageKey): void {
    const row = this.#rows.get(key.ordinal);
    if (row === undefined || row.objects[key.index] === "remaking") return;
    row.objects[key.index] = "freed";
  }

  /** The value of an object is gone, and somebody wants it. */
  lost(key: LineageKey): LineageCommand[] {
    const row = this.#rows.get(key.ordinal);
    if (row === undefined) {
      return [{ kind: "reject", key, reason: "nobody knows how it was made" }];
    }
    if (row.objects[key.index] === "remaking") return [];
    const commands: LineageCommand[] = [];
    const reason = this.#remake(key, commands);
    if (reason !== undefined) return [{ kind: "reject", key, reason }];
    return commands;
  }

  /** Asserts every invariant; tests call it after each event. */
  validate(): void {
    let bytes = 0;
    const dependents = new Map<number, number>();
    for (const [ordinal, row] of this.#rows) {
      bytes += row.bytes;
      for (const dependency of row.dependencies) {
        const count = dependents.get(dependency.ordinal) ?? 0;
        dependents.set(dependency.ordinal, count + 1);
      }
      const droppedCount = row.objects.filter((_, index) =>
        this.#dropped.has(textOf({ ordinal, index }))
      ).length;
      assert(row.heldCount === row.objects.length - droppedCount, "Miscounted");
      assert(
        row.heldCount > 0 || row.dependentCount > 0 || row.isRunning,
        "A task that nobody needs is remembered",
      );
      assert(
        row.isRunning === row.objects.includes("remaking"),
        "Objects are remade while their task does not run",
      );
    }
    for (const [ordinal, row] of this.#rows) {
      assert(
        row.dependentCount === (dependents.get(ordinal) ?? 0),
        "Dependents miscounted",
      );
    }
    assert(bytes === this.#bytes, "Bytes miscounted");
    assert(this.#rows.size <= this.#limits.tasksMax, "Too much is remembered");
  }

  /** Makes a task run again, and first what it needs; or says why it can't. */
  #remake(key: LineageKey, commands: LineageCommand[]): string | undefined {
    const row = this.#rows.get(key.ordinal);
    if (row === undefined) return "nobody knows how it was made";
    if (row.objects[key.index] === "freed") return "the program freed it";
    if (row.isRunning) {
      // It runs for another of its objects, and makes this one too.
      this.#reopen(row, { key, commands });
      return undefined;
    }
    if (row.runsLeft === 0) return "its task may not run again";
    const before = commands.length;
    for (const dependency of row.dependencies) {
      const presence = this.#rows.get(dependency.ordinal)
        ?.objects[dependency.index];
      // What is not remembered is the owner's to know: small, or from put().
      if (presence !== "absent" && presence !== "freed") continue;
      const reason = this.#remake(dependency, commands);
      if (reason === undefined) continue;
      this.#undo(commands.splice(before));
      return `an argument of its task is gone too, and ${reason}`;
    }
    if (row.runsLeft > 0) row.runsLeft--;
    row.isRunning = true;
    this.#reopen(row, { key, commands });
    commands.push({ kind: "rerun", ordinal: key.ordinal });
    return undefined;
  }

  #reopen(
    row: Row,
    { key, commands }: { key: LineageKey; commands: LineageCommand[] },
  ): void {
    row.objects[key.index] = "remaking";
    commands.push({ kind: "reopen", key });
  }

  #undo(commands: LineageCommand[]): void {
    for (const command of commands) {
      if (command.kind === "reopen") {
        const { ordinal, index } = command.key;
        this.#rows.get(ordinal)!.objects[index] = "absent";
      } else if (command.kind === "rerun") {
        const row = this.#rows.get(command.ordinal)!;
        row.isRunning = false;
        if (row.runsLeft >= 0) row.runsLeft++;
      }
    }
  }

  #settle(row: Row, presence: Presence): void {
    row.objects.forEach((present, index) => {
      if (present === "remaking") row.objects[index] = presence;
    });
  }

  /** Forgets a task, unless somebody needs it. */
  #unless(ordinal: number, row: Row): LineageCommand[] {
    const isNeeded = row.heldCount > 0 || row.dependentCount > 0 ||
      row.isRunning;
    return isNeeded ? [] : this.#forget(ordinal, row);
  }

  #forget(ordinal: number, row: Row): LineageCommand[] {
    this.#rows.delete(ordinal);
    this.#bytes -= row.bytes;
    row.objects.forEach((_, index) =>
      this.#dropped.delete(textOf({ ordinal, index }))
    );
    const commands: LineageCommand[] = [{ kind: "forget", ordinal }];
    for (const dependency of row.dependencies) {
      const maker = this.#rows.get(dependency.ordinal);
      if (maker === undefined || maker.dependentCount === 0) continue;
      maker.dependentCount--;
      commands.push(...this.#unless(dependency.ordinal, maker));
    }
    return commands;
  }

  #bounded(): LineageCommand[] {
    const commands: LineageCommand[] = [];
    const { tasksMax, bytesMax } = this.#limits;
    for (const [ordinal, row] of this.#rows) {
      if (this.#rows.size <= tasksMax && this.#bytes <= bytesMax) break;
      if (!row.isRunning) commands.push(...this.#forget(ordinal, row));
    }
    return commands;
  }
}

function textOf({ ordinal, index }: LineageKey): string {
  return `${ordinal}.${index}`;
}
