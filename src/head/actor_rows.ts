/**
 * The rows of actors for the lineage file, as the head's table announces them.
 *
 * Told what an actor is now, it keeps what its row needs besides: when it
 * began, and where it last was. Sends in batches, like owners do.
 *
 * @module
 */
import { afterMs, type Timer, wallMs } from "../base/clock.ts";
import type { ActorId, NodeId } from "../base/ids.ts";
import type { ActorRow, LineageBatch } from "../base/lineage.ts";
import { limits } from "../base/limits.ts";
import type { ActorView } from "../state/actors.ts";
import { LineageBatcher } from "../store/lineage_batch.ts";

/** Whose actors, where they run, and who takes the rows. */
export interface ActorRowsOptions {
  /** The node that an actor is on, if it is on one. */
  nodeIdOf(actorId: ActorId): NodeId | undefined;
  send(batch: LineageBatch): void;
}

/** Makes the rows of actors. */
export class ActorRows {
  readonly #options: ActorRowsOptions;
  readonly #batcher = new LineageBatcher();
  /** The last rows of actors that are not dead. */
  readonly #living = new Map<ActorId, ActorRow>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: ActorRowsOptions) {
    this.#options = options;
  }

  /** An actor is new, or has changed; `pid` is its process, while it lives. */
  told(view: ActorView, pid: number | undefined): void {
    if (this.#isClosed) return;
    const { spec, phase, incarnation, reason } = view;
    const known = this.#living.get(spec.actorId);
    const { jobId } = spec;
    const nodeId = this.#options.nodeIdOf(spec.actorId) ?? known?.nodeId;
    // A dead one was last where it was alive; a new incarnation is nowhere yet.
    const workerPid = phase === "dead" ? known?.workerPid : pid;
    this.#add({
      kind: "actor",
      actorId: spec.actorId,
      jobId,
      ownerId: spec.ownerId,
      className: spec.className,
      ...(spec.name === undefined ? {} : { name: spec.name }),
      namespace: spec.namespace,
      state: phase,
      incarnation,
      ...(workerPid === undefined || nodeId === undefined
        ? {}
        : { nodeId, workerPid }),
      createdAtMs: known?.createdAtMs ?? wallMs(),
      ...(phase === "dead" ? { endedAtMs: wallMs() } : {}),
      ...(reason === undefined ? {} : { reason }),
    });
  }

  /** The program ends, and all its actors with it; nothing is told any more. */
  close(): void {
    const endedAtMs = wallMs();
    const reason = "its program ended";
    for (const row of [...this.#living.values()]) {
      this.#add({ ...row, state: "dead", endedAtMs, reason });
    }
    this.#isClosed = true;
    this.#flush();
  }

  #add(row: ActorRow): void {
    this.#batcher.add(row);
    if (row.state === "dead") this.#living.delete(row.actorId);
    else this.#living.set(row.actorId, row);
    this.#timer ??= afterMs(limits.lineageBatchMs, () => this.#flush());
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#batcher.rowCount === 0) return;
    this.#options.send(this.#batcher.take());
  }
}
