/**
 * Which of a simulated worker's tasks runs when: mirrors
 * `src/worker/executor.ts`, claims included.
 *
 * @module
 */
import type { Company } from "../../src/state/worker_choice.ts";
import { ClaimState } from "../../src/wire/claims.ts";
import { noSlot } from "../../src/wire/task_frames.ts";
import type { Link } from "./network.ts";
import type { Process } from "./process.ts";
import { Run, type RunHost } from "./run.ts";
import type { Frame, Reply } from "./things.ts";
import type { World } from "./world.ts";

/** Runs the tasks of one worker, one computing at a time. */
export class Executor implements RunHost {
  readonly open = new Set<Run>();
  readonly #world: World;
  readonly #process: Process;
  #queue: Frame[] = [];
  readonly #openCounts = new Map<string, number>();
  #impatientCount = 0;
  #computingCount = 0;
  /** What the node was told of who waits here; undefined while something computes. */
  #toldCompany: Company | undefined;
  /** Tasks of other processes, and how many of their descendants compute here. */
  readonly #hosting = new Map<Run, number>();
  readonly #hosts = new WeakMap<Run, Run>();
  #isLooping = false;

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
  }

  /** Frames that no run has begun. */
  get queued(): readonly Frame[] {
    return this.#queue;
  }

  onTask(frame: Frame): void {
    this.#queue.push(frame);
    this.#wake();
  }

  cancel(link: Link, ordinal: number): void {
    const at = this.#queue.findIndex((frame) =>
      frame.link === link && frame.ordinal === ordinal
    );
    if (at >= 0) {
      this.#skip(this.#queue.splice(at, 1)[0]!);
      return;
    }
    for (const run of this.open) {
      if (run.frame?.link === link && run.frame.ordinal === ordinal) {
        run.cancel();
      }
    }
  }

  /** A submitter is gone: its tasks are nobody's. */
  linkEnded(link: Link): void {
    this.#queue = this.#queue.filter((frame) => frame.link !== link);
    for (const run of this.open) {
      if (run.frame!.link === link) run.cancel();
    }
  }

  impatient(change: 1 | -1): void {
    this.#impatientCount += change;
    if (this.#toldCompany !== undefined) this.#block();
  }

  suspended(run: Run): void {
    this.#world.kernel.reach("run suspended");
    this.#markWaiting(run);
    this.#computingCount--;
    this.#host(run, -1);
    this.#wake();
  }

  resumed(run: Run): void {
    this.#mark(run, ClaimState.running);
    this.#computingCount++;
    this.#host(run, 1);
    this.#unblock();
  }

  answering(run: Run): void {
    this.#mark(run, ClaimState.suspended);
  }

  answer(run: Run, reply: Omit<Reply, "ordinal" | "slot">): void {
    const { link, ordinal, slot } = run.frame!;
    this.#reply(link, { ...reply, ordinal, slot });
  }

  finished(run: Run): void {
    this.open.delete(run);
    this.#hosting.delete(run);
    this.#count(run.frame!, -1);
    this.#computingCount--;
    this.#host(run, -1);
    this.#wake();
  }

  #wake(): void {
    if (this.#isLooping) return;
    this.#isLooping = true;
    while (this.#computingCount === 0 && this.#process.isAlive) {
      const frame = this.#next();
      if (frame === undefined) break;
      this.#run(frame);
    }
    this.#isLooping = false;
    if (this.#computingCount === 0 && this.open.size > 0) this.#block();
  }

  #next(): Frame | undefined {
    if (this.open.size === 0) return this.#queue.shift();
    const company = this.#company();
    const at = this.#queue.findIndex((frame) =>
      !this.#openCounts.has(leaseOf(frame)) || isWelcome(frame, company)
    );
    if (at < 0) return undefined;
    this.#world.kernel.reach("guest of a waiting worker");
    return this.#queue.splice(at, 1)[0];
  }

  #company(): Company {
    const frames = [...this.open].map((run) => run.frame!);
    return {
      depth: Math.min(...frames.map(({ depth }) => depth)),
      isAlone: frames.some(({ isAlone }) => isAlone),
      isImpatient: this.#impatientCount > 0,
    };
  }

  #count(frame: Frame, change: 1 | -1): void {
    const lease = leaseOf(frame);
    const count = (this.#openCounts.get(lease) ?? 0) + change;
    if (count > 0) this.#openCounts.set(lease, count);
    else this.#openCounts.delete(lease);
  }

  #run(frame: Frame): void {
    if (frame.link.isEnded) return;
    const world = this.#world;
    if (world.faults.mayDie("before the claim", this.#process)) return;
    const { page } = world.process(frame.ownerId)!.owner.submitter;
    const mayStart = frame.slot === noSlot ||
      page.claim(frame.slot, frame.generation);
    if (!mayStart) return this.#skip(frame);
    world.ledger.started(frame, this.#process);
    this.#unblock();
    this.#computingCount++;
    const run = new Run(world, this.#process, { frame, host: this });
    this.open.add(run);
    this.#count(frame, 1);
    const host = this.#hostOf(run);
    if (host !== undefined) this.#hosts.set(run, host);
    this.#host(run, 1);
    run.start();
  }

  #skip({ link, ordinal, slot }: Frame): void {
    this.#world.kernel.reach("task skipped");
    this.#reply(link, {
      ordinal,
      slot,
      outcome: "skipped",
      runMs: 0,
      pinToken: 0,
      refs: [],
      segment: undefined,
    });
  }

  #reply(link: Link, reply: Reply): void {
    const owner = link.other(this.#process) as Process;
    link.reply(
      `reply ${reply.ordinal}: ${reply.outcome}`,
      () => owner.owner.submitter.onReply(reply, this.#process, link),
    );
  }

  #mark({ frame }: Run, state: ClaimState): void {
    const { slot, generation, ownerId } = frame!;
    if (slot === noSlot) return;
    const owner = this.#world.process(ownerId)!;
    owner.owner.submitter.page.mark(slot, generation, state);
  }

  #markWaiting(run: Run): void {
    const isHosting = (this.#hosting.get(run) ?? 0) > 0;
    if (isHosting) this.#world.kernel.reach("run hosts its own");
    this.#mark(run, isHosting ? ClaimState.hosting : ClaimState.suspended);
  }

  /** A run begins or ceases to compute: so does what it was submitted by. */
  #host(run: Run, change: 1 | -1): void {
    const host = this.#hosts.get(run);
    if (host === undefined || !this.open.has(host)) return;
    const count = (this.#hosting.get(host) ?? 0) + change;
    if (count > 0) this.#hosting.set(host, count);
    else this.#hosting.delete(host);
    if (host.isSuspended) this.#markWaiting(host);
  }

  /** The task of another process from which a run of this process's own stems. */
  #hostOf(run: Run): Run | undefined {
    let at: Run | undefined = run;
    while (at?.frame?.ownerId === this.#process.id) {
      const { submitter } = this.#process.owner;
      at = submitter.inFlight(at.frame.ordinal)?.parent;
    }
    return at === run ? undefined : at;
  }

  #block(): void {
    const company = this.#company();
    const told = this.#toldCompany;
    const isTold = told?.depth === company.depth &&
      told.isAlone === company.isAlone &&
      told.isImpatient === company.isImpatient;
    if (isTold) return;
    this.#toldCompany = company;
    const { node } = this.#world;
    this.#process.nodeLink.notify(
      "worker.blocked",
      () => node.workerBlocked(this.#process.id, company),
    );
  }

  #unblock(): void {
    if (this.#toldCompany === undefined) return;
    this.#toldCompany = undefined;
    const { node } = this.#world;
    this.#process.nodeLink.notify(
      "worker.unblocked",
      () => node.workerUnblocked(this.#process.id),
    );
  }
}

function leaseOf({ ownerId, leaseNo }: Frame): string {
  return `${ownerId} ${leaseNo}`;
}

function isWelcome(
  { isAlone, isShort, depth }: Frame,
  company: Company,
): boolean {
  if (company.isAlone) return false;
  if (!isAlone && isShort) return true;
  if (company.isImpatient || depth === 0) return false;
  return depth > company.depth || (!isAlone && depth === company.depth);
}
