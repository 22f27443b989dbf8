/**
 * Makes lost objects of this process again: keeps what their tasks were made
 * of, and submits them anew.
 *
 * Which task runs, and what it needs first, is decided by `state/lineage.ts`.
 * Only tasks whose values lie in shared segments are kept: a small value lies
 * in its owner, and is lost with it.
 *
 * @module
 */
import { monotonicMs } from "../base/clock.ts";
import { ObjectLostError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { type HeldValue, type RefKey, storedBytes } from "../base/stored.ts";
import {
  type LineageCommand,
  type LineageKey,
  LineageTable,
} from "../state/lineage.ts";
import { entryOfRef, ObjectEntry, type Origin } from "./object_ref.ts";
import type { OwnerPort, RecoveryPort } from "./owner_port.ts";
import { type ArgumentRef, TaskRecord } from "./task_record.ts";

/** An argument that was a ref: an object of this process's own, a small value, or somebody else's. */
type KeptArgument =
  & { readonly position: number }
  & ({ entry: ObjectEntry } | { held: HeldValue } | { key: RefKey });

/** A task that could run again. */
interface Kept {
  readonly record: Pick<
    TaskRecord,
    "template" | "args" | "depth" | "callerNo" | "attempt"
  >;
  readonly dependencies: readonly KeptArgument[];
  /** Its objects, as long as the program has them. */
  readonly returns: WeakRef<ObjectEntry>[];
}

/** Whose value was found gone, and how. */
interface Asked {
  readonly entry: ObjectEntry;
  readonly cause: ObjectLostError | undefined;
}

/** Keeps and remakes the objects of one process. */
export class Recovery implements RecoveryPort {
  readonly #owner: OwnerPort;
  readonly #table = new LineageTable({
    tasksMax: limits.lineageTasksMax,
    bytesMax: limits.lineageArgumentBytesMax,
  });
  readonly #kept = new Map<number, Kept>();
  /** Objects whose handle never left this process end unseen. */
  readonly #entries = new FinalizationRegistry<LineageKey>((key) =>
    this.dropped(key)
  );

  constructor(owner: OwnerPort) {
    this.#owner = owner;
  }

  /** A task finished: if its values can be lost, it is kept. */
  finished(record: TaskRecord, values: readonly HeldValue[]): void {
    const { ordinal, template, returns, args } = record;
    const isKnown = this.#table.has(ordinal);
    if (!isKnown) {
      const isLosable = values.some(({ stored }) =>
        stored.segment !== undefined
      );
      // Large arguments by value go when the task is done, and calls run once.
      if (!isLosable || template.fn === undefined) return;
      if (args.stored.segment !== undefined) return;
    }
    const dependencies = record.dependencies.map((argument) =>
      this.#keep(argument)
    );
    this.#kept.set(ordinal, {
      record: {
        template,
        args,
        depth: record.depth,
        callerNo: record.callerNo,
        attempt: record.attempt,
      },
      dependencies,
      returns: returns.map((entry) => new WeakRef(entry)),
    });
    if (!isKnown) {
      returns.forEach((entry, index) =>
        this.#entries.register(entry, { ordinal, index })
      );
    }
    const { maxRetries } = template.settings;
    this.#carryOut(this.#table.produced({
      ordinal,
      objectCount: returns.length,
      dependencies: dependencies.flatMap((one) =>
        "entry" in one ? [one.entry] : []
      ),
      runsLeft: maxRetries < 0 ? -1 : maxRetries + 1 - record.attempt,
      bytes: bytesOf(args, dependencies),
    }));
  }

  /** A task failed, for good. */
  failed({ ordinal }: TaskRecord): void {
    if (this.#table.has(ordinal)) this.#carryOut(this.#table.failed(ordinal));
  }

  /** Nobody holds an object of this process. */
  dropped(key: LineageKey): void {
    if (this.#table.has(key.ordinal)) this.#carryOut(this.#table.dropped(key));
  }

  /** The program gave an object back. */
  freed(key: LineageKey): void {
    this.#table.freed(key);
  }

  /** The value of an object is gone: it is made again, or fails. */
  lost(entry: ObjectEntry, cause?: ObjectLostError): void {
    const { ordinal, index } = entry;
    if (this.#table.has(ordinal)) {
      const asked = { entry, cause };
      this.#carryOut(this.#table.lost({ ordinal, index }), asked);
    } else this.#lose({ entry, cause }, unmade[entry.origin]);
  }

  #carryOut(commands: LineageCommand[], asked?: Asked): void {
    for (const command of commands) {
      switch (command.kind) {
        case "reopen":
          this.#reopen(command.key);
          break;
        case "rerun":
          this.#rerun(command.ordinal);
          break;
        case "reject":
          if (asked !== undefined) this.#lose(asked, command.reason);
          break;
        case "forget":
          this.#kept.delete(command.ordinal);
      }
    }
  }

  #lose({ entry, cause }: Asked, reason: string): void {
    this.#discard(entry);
    const how = cause === undefined
      ? "its copy is gone"
      : cause.message.replace("Cannot get object: ", "");
    entry.lose(
      new ObjectLostError(
        `Cannot get object ${entry.id}: ${how}, and it can't be made again: ${reason}`,
        { objectId: entry.id, ...(cause === undefined ? {} : { cause }) },
      ),
    );
  }

  #discard({ value }: ObjectEntry): void {
    if (value !== undefined) this.#owner.values.discard(value, true);
  }

  #reopen({ ordinal, index }: LineageKey): void {
    const entry = this.#kept.get(ordinal)!.returns[index]!.deref();
    if (entry === undefined) return; // Made again for nobody: a sibling is.
    this.#discard(entry);
    entry.reopen();
  }

  #rerun(ordinal: number): void {
    const { record: old, dependencies, returns } = this.#kept.get(ordinal)!;
    const { self } = this.#owner;
    const record = new TaskRecord({
      ...old,
      ordinal,
      dependencies: dependencies.map((one) => this.#argument(one)),
      returns: returns.map((entry, index) =>
        entry.deref() ?? new ObjectEntry(self, ordinal, index)
      ),
      sink: undefined,
      submittedAtMs: monotonicMs(),
    });
    record.attempt = old.attempt + 1;
    for (const entry of record.returns) {
      if (!entry.isSettled) entry.producer = record;
    }
    this.#owner.intake.again(record);
  }

  #keep({ position, ref }: ArgumentRef): KeptArgument {
    const entry = entryOfRef(ref);
    const held = entry.value;
    if (held !== undefined && held.stored.segment === undefined) {
      return { position, held };
    }
    if (entry.ownerId === this.#owner.self) return { position, entry };
    const { ownerId, ordinal, index } = entry;
    return { position, key: { ownerId, ordinal, index } };
  }

  #argument(argument: KeptArgument): ArgumentRef {
    const { position } = argument;
    const { references } = this.#owner;
    if ("entry" in argument) {
      return { position, ref: references.holdEntry(argument.entry) };
    }
    if ("key" in argument) {
      return { position, ref: references.borrow(argument.key) };
    }
    const ref = references.create(this.#owner.nextOrdinal(), 0);
    entryOfRef(ref).resolve(argument.held);
    return { position, ref: references.hold(ref) };
  }
}

/** Why an object of which no task is remembered can't be made again. */
const unmade: Record<Origin, string> = {
  put: "it was stored by put(), and only what a task made can be",
  call: "an actor made it, and a call is not run again",
  item: "a generator yielded it, and is not run again for one item",
  task:
    "its task took large arrays by value (pass them as refs), or so many ran since that it is forgotten",
};

function bytesOf(
  args: HeldValue,
  dependencies: readonly KeptArgument[],
): number {
  let bytes = limits.lineageTaskBytes + storedBytes(args.stored);
  for (const one of dependencies) {
    if ("held" in one) bytes += storedBytes(one.held.stored);
  }
  return bytes;
}
