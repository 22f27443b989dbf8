/**
 * Runs this worker's tasks, one computing at a time.
 *
 * A task whose code waits inside the runtime makes room for others: those it
 * (or a task like it) submitted, and those known to be short; never a stranger
 * that might keep it from going on. When nothing may run, the node is told
 * that this worker's CPU is free, and who may come.
 *
 * @module
 */
import { monotonicMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { Owner } from "../owner/owner.ts";
import { isMemoryFileGone, openSharedPage } from "../store/segment.ts";
import type { Company } from "../state/worker_choice.ts";
import { ClaimPage, ClaimState } from "../wire/claims.ts";
import { FrameKind } from "../wire/frame.ts";
import type { Notices } from "../wire/messages.ts";
import type { NoticeHandlers, Peer } from "../wire/peer.ts";
import {
  noSlot,
  Outcome,
  readFunction,
  readProgress,
  readTask,
  TaskFlag,
  type TaskFrame,
  writeReply,
} from "../wire/task_frames.ts";
import { Clients, type KnownFunction, type Submitted } from "./clients.ts";
import { Hosting, isWelcome } from "./hosting.ts";
import { Invocation } from "./invocation.ts";
import type { InvocationEvents, Invoked } from "./invoked.ts";
import { Answered } from "./run_pace.ts";
import type { Sandboxes } from "./sandboxes.ts";

/** Runs tasks. */
export class Executor implements InvocationEvents<Invocation> {
  readonly #owner: Owner;
  readonly #clients = new Clients();
  /** Functions that are kept ready for their next task. */
  readonly #revived = new Set<KnownFunction>();
  #queue: Submitted[] = [];
  readonly #open = new Set<Invocation>();
  /** How many of them there are at each depth, and that want no company. */
  readonly #depthCounts: number[] = [];
  #aloneCount = 0;
  #impatientCount = 0;
  #computingCount = 0;
  /** What the node was told of who waits here; undefined while something computes. */
  #toldCompany: Company | undefined;
  readonly #hosting: Hosting;
  readonly #answered = new Answered();
  /** Where its tasks run, if not here. */
  readonly #sandboxes: Sandboxes | undefined;
  #isLooping = false;

  constructor(owner: Owner, sandboxes?: Sandboxes) {
    this.#owner = owner;
    this.#sandboxes = sandboxes;
    this.#hosting = new Hosting(owner);
  }

  /** What it hears. */
  notices(): NoticeHandlers {
    return {
      "owner.page": ({ path, slots }, peer) => {
        try {
          const memory = openSharedPage(path, slots * 4);
          this.#clients.of(peer).page = new ClaimPage(memory);
        } catch (error) {
          // Its owner ended just now, and what it sent with it.
          if (!isMemoryFileGone(error)) throw error;
        }
      },
      "task.cancel": (word, peer) => this.#cancel(peer, word),
      "function.forget": ({ functionNo }, peer) => {
        const { functions } = this.#clients.of(peer);
        this.#revived.delete(functions.get(functionNo)!);
        functions.delete(functionNo);
      },
      "collect": ({ round }) => {
        // The store is full, and code can be fetched again.
        for (const known of this.#revived) {
          known.revived = known.reviving = undefined;
        }
        this.#revived.clear();
        this.#owner.segments.collect(round);
      },
    };
  }

  /** A frame for the executor; false if it is for another role. */
  onFrame(kind: number, body: Uint8Array, peer: Peer): boolean {
    switch (kind) {
      case FrameKind.function:
        this.#clients.learn(readFunction(body), peer);
        return true;
      case FrameKind.task:
        this.#queue.push({ frame: readTask(body), peer });
        this.#wake();
        return true;
      case FrameKind.consumed: {
        const { ordinal, count } = readProgress(body);
        this.#find(peer, ordinal)?.consumed(count);
        return true;
      }
      default:
        return false;
    }
  }

  /** A submitter is gone: its tasks are nobody's. */
  onPeerEnded(peer: Peer): void {
    this.#queue = this.#queue.filter((waiting) => waiting.peer !== peer);
    for (const invocation of this.#open) {
      if (invocation.peer === peer) invocation.cancel(true);
    }
  }

  /** Code of no task, or of one that returned, threw: one that still runs is to blame. */
  onUncaught(error: unknown): boolean {
    if (this.#open.size !== 1) return false;
    for (const invocation of this.#open) invocation.fail(error);
    return true;
  }

  impatient(change: 1 | -1): void {
    this.#impatientCount += change;
    if (this.#toldCompany !== undefined) this.#block();
  }

  suspended(invocation: Invocation): void {
    this.#markWaiting(invocation);
    this.#computingCount--;
    this.#host(invocation, -1);
    this.#wake();
  }

  resumed(invocation: Invocation): void {
    this.#mark(invocation, ClaimState.running);
    this.#computingCount++;
    this.#host(invocation, 1);
    this.#unblock();
  }

  /** Before the answer: once that is on its way, the slot may be another's. */
  answering(invocation: Invocation): void {
    this.#mark(invocation, ClaimState.suspended);
  }

  finished(invocation: Invocation): void {
    this.#open.delete(invocation);
    this.#answered.to(invocation.peer);
    this.#clients.functionOf(invocation)?.pace.ran(invocation.runMs);
    this.#hosting.ended(invocation);
    this.#count(invocation, -1);
    if (!invocation.isSuspended) {
      this.#computingCount--;
      this.#host(invocation, -1);
    }
    this.#wake();
  }

  /** Tasks that wait or run here. */
  get openCount(): number {
    return this.#queue.length + this.#open.size;
  }

  /** Starts what may start, now or, if this is inside a run, after it. */
  #wake(): void {
    if (this.#isLooping) return;
    this.#isLooping = true;
    const startedMs = monotonicMs();
    while (this.#computingCount === 0) {
      const waiting = this.#next();
      if (waiting === undefined) break;
      const isLater = this.#answered.isBefore(
        this.#clients.functionOf(waiting)?.pace,
      );
      if (isLater) this.#queue.unshift(waiting);
      else this.#run(waiting);
      const isAlone = (waiting.frame.flags & TaskFlag.alone) !== 0;
      if (isLater || isAlone || monotonicMs() - startedMs > limits.turnMs) {
        // Replies must leave, and what came in be heard; the reply of a task
        // that may not run twice leaves before another can end the worker.
        setImmediate(() => {
          this.#isLooping = false;
          this.#wake();
        });
        return;
      }
    }
    this.#isLooping = false;
    if (this.#computingCount === 0 && this.#open.size > 0) this.#block();
  }

  #next(): Submitted | undefined {
    if (this.#open.size === 0) return this.#queue.shift();
    const company = this.#company();
    const at = this.#queue.findIndex(({ frame, peer }) =>
      // The node gave this lease a CPU here; what is behind its task has none.
      !this.#clients.of(peer).openCounts.has(frame.leaseNo) ||
      isWelcome(frame, company)
    );
    return at < 0 ? undefined : this.#queue.splice(at, 1)[0];
  }

  /** Who waits here. */
  #company(): Company {
    let depth = 0;
    while (!this.#depthCounts[depth]) depth++;
    return {
      depth,
      isAlone: this.#aloneCount > 0,
      isImpatient: this.#impatientCount > 0,
    };
  }

  #count({ frame, peer }: Invocation, change: 1 | -1): void {
    const { depth, flags, leaseNo } = frame;
    const { openCounts } = this.#clients.of(peer);
    const openCount = (openCounts.get(leaseNo) ?? 0) + change;
    if (openCount > 0) openCounts.set(leaseNo, openCount);
    else openCounts.delete(leaseNo);
    this.#depthCounts[depth] = (this.#depthCounts[depth] ?? 0) + change;
    if ((flags & TaskFlag.alone) !== 0) this.#aloneCount += change;
  }

  #run({ frame, peer }: Submitted): void {
    const client = this.#clients.of(peer);
    if (peer.isEnded) return;
    const mayStart = frame.slot === noSlot || client.page === undefined ||
      client.page.claim(frame.slot, frame.generation);
    if (!mayStart) {
      this.#skip(peer, frame);
      return;
    }
    const known = client.functions.get(frame.functionNo);
    // Its submitter gave it up, and with it whatever it may have sent.
    if (known === undefined) return this.#skip(peer, frame);
    const invoked = this.#sandboxes?.invoked(known.frame, known.resources) ??
      known.revived;
    if (invoked === undefined) this.#revive({ frame, peer }, known);
    else this.#begin({ frame, peer }, invoked).start();
  }

  #begin({ frame, peer }: Submitted, invoked: Invoked): Invocation {
    this.#unblock();
    this.#computingCount++;
    const callerNo = this.#owner.nextCallerNo();
    const what = { frame, peer, callerNo, invoked };
    const invocation = new Invocation(this.#owner, what, this);
    this.#open.add(invocation);
    this.#count(invocation, 1);
    this.#hosting.began(invocation);
    this.#host(invocation, 1);
    return invocation;
  }

  /** The first task of a function, and those that come while it is revived. */
  #revive({ frame, peer }: Submitted, known: KnownFunction): void {
    const { frame: { name, code }, resources } = known;
    let revived: Invoked;
    const invocation = this.#begin({ frame, peer }, {
      name,
      resources,
      call: (args) => revived.call(args),
    });
    known.reviving ??= this.#owner.values.code.functionOf(code, peer).then(
      (fn) => ({ name, resources, call: (args) => fn(...args) }),
    );
    known.reviving.then(
      (ready) => {
        revived = known.revived = ready;
        const { functions } = this.#clients.of(peer);
        // Else it was given up meanwhile.
        if (functions.get(frame.functionNo) === known) this.#revived.add(known);
        invocation.start();
      },
      (error) => {
        known.reviving = undefined;
        invocation.refuse(error);
      },
    );
  }

  /** Tells the owner that a task it took back was passed over. */
  #skip(peer: Peer, { ordinal, slot }: TaskFrame): void {
    writeReply(peer.begin(FrameKind.reply), {
      ordinal,
      outcome: Outcome.skipped,
      slot,
      runMs: 0,
      startedAtMs: 0,
      pinToken: 0,
      values: [],
    });
    peer.end();
  }

  #find(peer: Peer, ordinal: number): Invocation | undefined {
    for (const invocation of this.#open) {
      if (invocation.peer === peer && invocation.frame.ordinal === ordinal) {
        return invocation;
      }
    }
    return undefined;
  }

  #cancel(
    peer: Peer,
    { ordinal, isRecursive, timeoutMs }: Notices["task.cancel"],
  ): void {
    const at = this.#queue.findIndex((waiting) =>
      waiting.peer === peer && waiting.frame.ordinal === ordinal
    );
    if (at < 0) {
      this.#find(peer, ordinal)?.cancel(isRecursive, timeoutMs);
      return;
    }
    const [waiting] = this.#queue.splice(at, 1);
    this.#skip(peer, waiting!.frame);
  }

  #mark(invocation: Invocation, state: ClaimState): void {
    const { slot, generation } = invocation.frame;
    if (slot === noSlot) return;
    this.#clients.of(invocation.peer).page?.mark(slot, generation, state);
  }

  /** One that waits is not to blame for a crash. */
  #markWaiting(invocation: Invocation): void {
    this.#mark(
      invocation,
      this.#hosting.isHost(invocation)
        ? ClaimState.hosting
        : ClaimState.suspended,
    );
  }

  /** A run begins or ceases to compute: so does what it stems from. */
  #host(invocation: Invocation, change: 1 | -1): void {
    const host = this.#hosting.changed(invocation, change);
    if (host?.isSuspended && this.#open.has(host)) this.#markWaiting(host);
  }

  #block(): void {
    const company = this.#company();
    const told = this.#toldCompany;
    const isTold = told?.depth === company.depth &&
      told.isAlone === company.isAlone &&
      told.isImpatient === company.isImpatient;
    if (isTold) return;
    this.#toldCompany = company;
    this.#owner.node.notify("worker.blocked", company);
  }

  #unblock(): void {
    if (this.#toldCompany === undefined) return;
    this.#toldCompany = undefined;
    this.#owner.node.notify("worker.unblocked", {});
  }
}
