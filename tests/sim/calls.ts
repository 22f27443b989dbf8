/**
 * Calls of one simulated process to actors: mirrors
 * `src/owner/actor_calls.ts` and `actor_births.ts`.
 *
 * @module
 */
import { type ActorId, makerOf, taskIdOf } from "../../src/base/ids.ts";
import type { ActorNews, CallOrder } from "../../src/state/call_order.ts";
import type { Submission } from "./owner.ts";
import type { Link } from "./network.ts";
import type { NewActor } from "./head.ts";
import type { Process } from "./process.ts";
import type { Frame, Handle, Reply, Task } from "./things.ts";
import type { World } from "./world.ts";

/** A handle on an actor, as programs have it. */
export interface ActorHandle {
  readonly actorId: ActorId;
  readonly maxTaskRetries: number;
  readonly life: Handle;
}

interface Callee {
  readonly actorId: ActorId;
  readonly order: CallOrder<Task, Link, ActorNews>;
}

/** All calls of one process. */
export class Calls {
  readonly #world: World;
  readonly #process: Process;
  readonly #callees = new Map<ActorId, Callee>();
  readonly #byOrdinal = new Map<number, { callee: Callee; task: Task }>();
  readonly #creating = new Map<ActorId, (() => void)[]>();

  constructor(world: World, process: Process) {
    this.#world = world;
    this.#process = process;
  }

  /** Creates an actor: its calls wait until it is there. */
  create(what: Omit<NewActor, "actorId" | "ownerId">): ActorHandle {
    const { owner, id, nodeLink } = this.#process;
    const ordinal = owner.nextOrdinal();
    const actorId = taskIdOf(id, ordinal) as string as ActorId;
    const life = owner.references.create(ordinal);
    owner.references.share(life);
    life.entry.onUnreferenced = () => this.#release(actorId);
    const { maxTaskRetries } = what;
    const callee = this.#newCallee(actorId, maxTaskRetries);
    this.#creating.set(actorId, []);
    const { node } = this.#world;
    const spec: NewActor = { ...what, actorId, ownerId: id };
    nodeLink.request<"created" | "taken">(`actor.create ${nameOf(actorId)}`, {
      ask: (answering) => answering.give(node.head.createActor(spec)),
      answered: (answer) => {
        const waiting = this.#creating.get(actorId) ?? [];
        this.#creating.delete(actorId);
        for (const one of waiting) one();
        if (answer === "created") return this.#watch(callee);
        this.#world.kernel.reach("actor name taken");
        this.onState(actorId, { phase: "dead", incarnation: 0 });
      },
    });
    return { actorId, maxTaskRetries, life };
  }

  /** Submits a call; its ref is there at once. */
  call(actor: ActorHandle, what: Submission): Handle {
    const { owner } = this.#process;
    const callee = this.#calleeOf(actor);
    const { actorId } = actor;
    const life = owner.references.hold(actor.life);
    const { task, handle } = owner.prepare(what, { actorId, life });
    callee.order.called(task);
    this.#byOrdinal.set(task.ordinal, { callee, task });
    owner.whenPrepared(task, () => {
      callee.order.prepared(task);
      this.#advance(callee, task.callerNo);
    });
    return handle;
  }

  kill({ actorId }: ActorHandle, noRestart: boolean): void {
    const ask = () => {
      const { node } = this.#world;
      this.#process.nodeLink.request<undefined>(
        `actor.kill ${nameOf(actorId)}`,
        {
          ask: (answering) =>
            node.head.killActor(
              actorId,
              noRestart,
              () => answering.give(undefined),
            ),
          answered: () => {},
        },
      );
    };
    const creating = this.#creating.get(actorId);
    if (creating === undefined) ask();
    else creating.push(ask);
  }

  onState(actorId: ActorId, news: ActorNews): void {
    const callee = this.#callees.get(actorId);
    if (callee === undefined || !callee.order.heard(news)) return;
    if (news.phase === "dead") this.#bury(callee);
    this.#connect(callee);
  }

  onReply(reply: Reply, link: Link): void {
    const open = this.#byOrdinal.get(reply.ordinal);
    if (open === undefined) return;
    this.#world.ledger.received(this.#process, reply.ordinal);
    open.callee.order.answered(open.task);
    this.#byOrdinal.delete(reply.ordinal);
    this.#process.owner.replied(open.task, reply, link);
  }

  /** Takes a call out that was not sent; false if it was, or is no call. */
  withdraw(task: Task): boolean {
    const open = this.#byOrdinal.get(task.ordinal);
    if (open === undefined || !open.callee.order.withdrawn(task)) return false;
    this.#byOrdinal.delete(task.ordinal);
    this.#advance(open.callee, task.callerNo);
    return true;
  }

  /** The call of that number. */
  inFlight(ordinal: number): Task | undefined {
    return this.#byOrdinal.get(ordinal)?.task;
  }

  linkEnded(link: Link): void {
    for (const callee of this.#callees.values()) {
      const { order } = callee;
      if (!this.#linksOf(callee).has(link)) continue;
      this.#linksOf(callee).delete(link);
      const { id } = link.other(this.#process);
      const { abandoned, failed } = order.disconnected(link, id);
      for (const task of abandoned) this.#byOrdinal.delete(task.ordinal);
      for (const task of failed) this.#failWhenKnown(callee, task, link);
      if (order.news?.phase === "dead") this.#bury(callee);
      else this.#connect(callee);
    }
  }

  validate(): void {
    for (const { order } of this.#callees.values()) order.validate();
  }

  /** What is still kept when all should be over. */
  leftovers(): string[] {
    const left: string[] = [];
    if (this.#byOrdinal.size > 0) left.push(`${this.#byOrdinal.size} calls`);
    for (const { order } of this.#callees.values()) {
      if (order.pendingCount > 0) left.push(`${order.pendingCount} pending`);
    }
    return left;
  }

  readonly #links = new Map<Callee, Set<Link>>();

  /** Connections whose end is awaited. */
  #linksOf(callee: Callee): Set<Link> {
    let links = this.#links.get(callee);
    if (links === undefined) this.#links.set(callee, links = new Set());
    return links;
  }

  #calleeOf({ actorId, maxTaskRetries }: ActorHandle): Callee {
    const known = this.#callees.get(actorId);
    if (known !== undefined) return known;
    const callee = this.#newCallee(actorId, maxTaskRetries);
    this.#watch(callee);
    return callee;
  }

  #newCallee(actorId: ActorId, maxTaskRetries: number): Callee {
    const order = this.#world.rooms.callOrder(maxTaskRetries);
    const callee = { actorId, order };
    this.#callees.set(actorId, callee);
    return callee;
  }

  #watch({ actorId }: Callee): void {
    const { node } = this.#world;
    const { id } = this.#process;
    this.#process.nodeLink.request<ActorNews>(
      `actor.watch ${nameOf(actorId)}`,
      {
        ask: (answering) => answering.give(node.head.watchActor(actorId, id)),
        answered: (news) => this.onState(actorId, news),
      },
    );
  }

  /** No handle is left: once its creation is through, the actor may go. */
  #release(actorId: ActorId): void {
    const { node } = this.#world;
    const say = () =>
      this.#process.nodeLink.notify(
        `actor.release ${nameOf(actorId)}`,
        () => node.head.releaseActor(actorId),
        true,
      );
    const creating = this.#creating.get(actorId);
    if (creating === undefined) say();
    else creating.push(say);
  }

  #connect(callee: Callee): void {
    const { order } = callee;
    const processId = order.connecting();
    if (processId === undefined) return;
    this.#world.dial(this.#process, processId, (link) => {
      if (link === undefined) order.notConnected();
      else if (order.connected(processId, link)) {
        this.#linksOf(callee).add(link);
        for (const callerNo of order.callers) this.#advance(callee, callerNo);
      }
      if (order.news?.processId !== processId) this.#connect(callee);
    });
  }

  #advance(callee: Callee, callerNo: number): void {
    const { order } = callee;
    if (order.news?.phase === "dead") return this.#bury(callee);
    for (;;) {
      const task = order.next(callerNo);
      if (task === undefined) return;
      this.#send(order.connection!, task);
    }
  }

  #send(link: Link, task: Task): void {
    const { owner } = this.#process;
    const frame: Frame = owner.submitter.frameOf(task, link, 0);
    const actor = link.other(this.#process) as Process;
    if (task.attempt > 1) this.#world.kernel.reach("call sent again");
    link.notify(
      `call ${task.ordinal} of caller ${task.callerNo}`,
      () => actor.actor.onCall(frame),
    );
  }

  /** Fails a lost call by what the head says next. */
  #failWhenKnown({ actorId }: Callee, task: Task, link: Link): void {
    this.#byOrdinal.delete(task.ordinal);
    const { node } = this.#world;
    const { id } = link.other(this.#process);
    this.#process.nodeLink.request<ActorNews>(`actor.fate ${nameOf(actorId)}`, {
      ask: (answering) =>
        node.head.fateOfActor(actorId, id, (news) => answering.give(news)),
      answered: ({ phase }) => {
        this.#world.kernel.reach("lost call failed");
        this.#process.owner.fail(task, `its actor died and is ${phase}`);
      },
    });
  }

  #bury(callee: Callee): void {
    for (const task of callee.order.buried()) {
      this.#world.kernel.reach("call to a dead actor");
      this.#byOrdinal.delete(task.ordinal);
      this.#process.owner.fail(task, "its actor is dead");
    }
  }
}

/** An actor in a story. */
export function nameOf(actorId: ActorId): string {
  const { ownerId, ordinal } = makerOf(actorId);
  return `${parseInt(ownerId, 16)}.${ordinal}`;
}
