/**
 * Tasks and calls on their way in: arguments stored, refs made, code and
 * dependencies awaited.
 *
 * What becomes of a record then is `submitter.ts`'s and `actor_calls.ts`'s;
 * its outcome is `outcomes.ts`'s.
 *
 * @module
 */
import { monotonicMs } from "../base/clock.ts";
import type { HeldValue } from "../base/stored.ts";
import { currentContext } from "./context.ts";
import {
  entryOfRef,
  isObjectRef,
  type ObjectRef,
  Status,
} from "./object_ref.ts";
import type {
  IntakePort,
  OwnerPort,
  Prepared,
  StoredArgs,
} from "./owner_port.ts";
import {
  type ArgumentRef,
  type StreamSink,
  TaskRecord,
  type TaskTemplate,
} from "./task_record.ts";

/** Takes in the tasks and calls of one process. */
export class Intake implements IntakePort {
  readonly #owner: OwnerPort;
  readonly #open = new Set<TaskRecord>();

  constructor(owner: OwnerPort) {
    this.#owner = owner;
  }

  /** Records without an outcome. */
  open(): TaskRecord[] {
    return [...this.#open];
  }

  /** The same one after the other, as they are when each is looked at. */
  walk(): Iterable<TaskRecord> {
    return this.#open.values();
  }

  /** How many records have no outcome. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Stores arguments, refs among them set apart. */
  storeArgs(args: unknown[]): StoredArgs {
    const { values, references } = this.#owner;
    if (!args.some(isObjectRef)) {
      const { held, ready } = values.store(args, { label: [] });
      return { held, ready, dependencies: [] };
    }
    const dependencies: ArgumentRef[] = [];
    const plain = args.map((arg, position) => {
      if (!isObjectRef(arg)) return arg;
      references.assertKnown(entryOfRef(arg));
      dependencies.push({ position, ref: references.hold(arg) });
      return undefined;
    });
    return { ...values.store(plain, { label: [] }), dependencies };
  }

  /** A record with its arguments stored; not yet on its way. */
  prepare(
    template: TaskTemplate,
    args: unknown[],
    sink: StreamSink | undefined,
  ): Prepared {
    const context = currentContext();
    const { held, ready, dependencies } = this.storeArgs(args);
    const ordinal = this.#owner.nextOrdinal();
    const refs: ObjectRef<unknown>[] = [];
    const { returnCount, isStream } = template.settings;
    for (let index = 0; index < (isStream ? 0 : returnCount); index++) {
      refs.push(this.#owner.references.create(ordinal, index));
    }
    const record = new TaskRecord({
      ordinal,
      template,
      args: held,
      dependencies,
      returns: refs.map(entryOfRef),
      sink,
      depth: context === undefined ? 0 : context.depth + 1,
      callerNo: context?.callerNo ?? 0,
      submittedAtMs: monotonicMs(),
    });
    for (const entry of record.returns) {
      entry.producer = record;
      if (template.fn === undefined) entry.origin = "call";
    }
    this.#owner.lineage.submitted(record);
    record.parent = context;
    context?.children.add(record);
    this.#open.add(record);
    this.#owner.owe();
    return { record, refs, ready };
  }

  /** A task is ready: where results are kept, it may have one already. */
  submit(record: TaskRecord): void {
    const { job, submitter, outcomes } = this.#owner;
    const isKept = job.isLineageNamed && record.sink === undefined;
    if (!isKept) return submitter.submit(record);
    const key = this.#owner.keys.keyOf(record);
    record.key = key;
    for (const entry of record.returns) entry.key = key;
    if (typeof key === "string" && !job.isResuming) {
      record.knownKey = key;
      return submitter.submit(record);
    }
    this.#found(record).then((values) => {
      if (record.phase !== "preparing") return;
      if (values === undefined) submitter.submit(record);
      else outcomes.found(record, values);
    }, (error) => outcomes.fail(record, error));
  }

  /** The values that an earlier run has kept. */
  async #found(record: TaskRecord): Promise<HeldValue[] | undefined> {
    const { job, results } = this.#owner;
    const key = await record.key;
    if (key === undefined) return undefined;
    record.knownKey = key;
    return job.isResuming ? await results.find(key) : undefined;
  }

  /** A task runs again whose values are gone. */
  again(record: TaskRecord): void {
    this.#open.add(record);
    this.#owner.owe();
    this.whenPrepared(
      record,
      undefined,
      () => this.#owner.submitter.submit(record),
    );
  }

  /** Calls `go` when code, arguments and dependencies are all there; fails the record if one can't be. */
  whenPrepared(
    record: TaskRecord,
    ready: Promise<void> | undefined,
    go: () => void,
  ): void {
    const { fn } = record.template;
    const isCodeKnown = fn === undefined ||
      this.#owner.values.code.knownRef(fn) !== undefined;
    const held = this.#owner.heldBack();
    const { dependencies } = record;
    const isReady = isCodeKnown && ready === undefined && held === undefined &&
      dependencies.length === 0;
    if (isReady) return record.phase === "preparing" ? go() : undefined;
    let missingCount = 1;
    const arrived = () => {
      if (--missingCount === 0 && record.phase === "preparing") go();
    };
    const failed = (error: unknown) => this.#owner.outcomes.fail(record, error);
    if (!isCodeKnown) {
      missingCount++;
      this.#owner.values.code.refOf(fn).then(arrived, failed);
    }
    if (ready !== undefined) {
      missingCount++;
      ready.then(arrived, failed);
    }
    if (held !== undefined) {
      missingCount++;
      held.then(arrived, failed);
    }
    for (const { ref } of dependencies) {
      missingCount++;
      this.#owner.objects.demand(entryOfRef(ref));
      entryOfRef(ref).whenSettled((entry) => {
        if (entry.status === Status.ready) arrived();
        else failed(entry.error);
      });
    }
    arrived();
  }

  /** A record has its outcome. */
  closed(record: TaskRecord): void {
    this.#open.delete(record);
    record.parent?.children.delete(record);
    // One that was never sent must not hold back its caller's later calls.
    if (record.template.method !== undefined) {
      this.#owner.actors.withdraw(record);
    }
    for (const { ref } of record.dependencies) {
      this.#owner.references.letGo(ref);
    }
  }
}
