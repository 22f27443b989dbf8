/**
 * The simulated head, and the actors' hosts: mirrors `src/head/head.ts` and
 * `src/node/actor_hosts.ts`.
 *
 * @module
 */
import type { ActorId, ProcessId } from "../../src/base/ids.ts";
import type { ActorSpec } from "../../src/base/spec.ts";
import type { ActorCommand, ActorTable } from "../../src/state/actors.ts";
import type { ActorNews } from "../../src/state/call_order.ts";
import { toUnits } from "../../src/state/resources.ts";
import { nameOf } from "./calls.ts";
import type { Node } from "./node.ts";
import type { Process } from "./process.ts";
import type { World } from "./world.ts";

/** What the head is told of a new actor. */
export interface NewActor {
  readonly actorId: ActorId;
  readonly ownerId: ProcessId;
  readonly maxRestarts: number;
  readonly maxTaskRetries: number;
  readonly name: string | undefined;
}

const actorResources = { place: 1 };

/** Keeps the directory of actors, and starts and ends them. */
export class Head {
  readonly table: ActorTable;
  readonly #world: World;
  readonly #node: Node;
  readonly #watchers = new Map<ActorId, Set<ProcessId>>();
  readonly #fates = new Map<ActorId, (() => void)[]>();
  readonly #living = new Map<ActorId, Process>();
  readonly #queued: { actorId: ActorId; incarnation: number }[] = [];

  constructor(world: World, node: Node) {
    this.#world = world;
    this.#node = node;
    this.table = world.rooms.actors();
  }

  /** Processes of actors. */
  get living(): Process[] {
    return [...this.#living.values()];
  }

  /** A process is gone. */
  processEnded(processId: ProcessId): void {
    for (const watchers of this.#watchers.values()) watchers.delete(processId);
    this.#direct(this.table.ownerEnded(processId));
  }

  /** What is still kept when all should be over. */
  leftovers(): string[] {
    const left: string[] = [];
    if (this.#living.size > 0) left.push(`${this.#living.size} actors`);
    if (this.#queued.length > 0) left.push(`${this.#queued.length} queued`);
    return left;
  }

  createActor(what: NewActor): "created" | "taken" {
    const creation = this.table.created(specOf(what));
    if (creation.kind !== "created") return "taken";
    this.#direct(creation.commands);
    return "created";
  }

  watchActor(actorId: ActorId, watcher: ProcessId): ActorNews {
    const watchers = this.#watchers.get(actorId) ?? new Set();
    this.#watchers.set(actorId, watchers.add(watcher));
    return this.#news(actorId);
  }

  fateOfActor(
    actorId: ActorId,
    processId: ProcessId,
    then: (news: ActorNews) => void,
  ): void {
    const tell = () => then(this.#news(actorId));
    if (this.table.view(actorId)?.processId === processId) {
      this.#whenOver(actorId, tell);
    } else tell();
  }

  killActor(actorId: ActorId, noRestart: boolean, then: () => void): void {
    const commands = this.table.killed(actorId, { noRestart });
    if (commands.length === 0) then();
    else this.#whenOver(actorId, then);
    this.#direct(commands);
  }

  releaseActor(actorId: ActorId): void {
    this.#world.kernel.reach("actor released");
    this.#direct(this.table.released(actorId));
  }

  actorReady(
    actorId: ActorId,
    incarnation: number,
    processId: ProcessId,
  ): void {
    this.#direct(this.table.started(actorId, { incarnation, processId }));
  }

  actorFailed(actorId: ActorId, incarnation: number): void {
    this.#direct(this.table.constructorFailed(actorId, incarnation));
    this.#stopActor(actorId, false);
  }

  #direct(commands: ActorCommand[]): void {
    for (const { kind, actorId, ...more } of commands) {
      if (kind === "announce") this.#announce(actorId);
      if ("incarnation" in more) {
        const { incarnation } = more;
        this.#queued.push({ actorId, incarnation });
        this.place();
      }
      if ("isGraceful" in more) this.#stopActor(actorId, more.isGraceful);
    }
  }

  /** Starts what waits for resources, as far as they are free. */
  place(): void {
    const units = toUnits(actorResources);
    const { pool } = this.#node.leases;
    while (this.#queued.length > 0 && pool.fits(units)) {
      pool.take(units);
      this.#placeOne(this.#queued.shift()!);
    }
  }

  #placeOne(life: { actorId: ActorId; incarnation: number }): void {
    const { actorId, incarnation } = life;
    const { kernel } = this.#world;
    const host = this.#world.start("actor");
    kernel.say(`${host.name} is ${nameOf(actorId)}, life ${incarnation}`);
    if (incarnation > 0) kernel.reach("actor restarted");
    this.#living.set(actorId, host);
    const { spec } = this.table.view(actorId)!;
    host.actor.construct(spec, incarnation);
    host.onDied = () =>
      this.#node.process.after(kernel.delay(4), `hears of ${host.name}`, () => {
        this.#living.delete(actorId);
        this.#node.leases.pool.give(toUnits(actorResources));
        this.#ended(actorId, incarnation);
        // Its isolate and its host may both tell of its end, one late.
        if (kernel.chance(0.3)) {
          this.#node.process.after(
            kernel.delay(20),
            "hears of an actor again",
            () => this.#ended(actorId, incarnation),
          );
        }
        this.place();
        this.#node.resourcesGiven();
      });
  }

  #ended(actorId: ActorId, incarnation: number): void {
    const reason = "its process ended";
    this.#direct(this.table.ended(actorId, { incarnation, reason }));
  }

  #stopActor(actorId: ActorId, isGraceful: boolean): void {
    const at = this.#queued.findIndex((life) => life.actorId === actorId);
    if (at >= 0) {
      const [queued] = this.#queued.splice(at, 1);
      return this.#ended(actorId, queued!.incarnation);
    }
    const host = this.#living.get(actorId);
    if (host === undefined) return;
    this.#world.dial(
      this.#node.process,
      host.id,
      (link) => link?.notify("actor.stop", () => host.actor.leave(isGraceful)),
    );
    this.#node.process.after(isGraceful ? 40 : 4, "", () => {
      if (this.#living.get(actorId) === host) host.die("it did not leave");
    });
  }

  #news(actorId: ActorId): ActorNews {
    const view = this.table.view(actorId);
    if (view === undefined) return { phase: "dead", incarnation: 0 };
    const { phase, incarnation, processId } = view;
    return {
      phase,
      incarnation,
      ...(processId === undefined ? {} : { processId }),
    };
  }

  #whenOver(actorId: ActorId, then: () => void): void {
    const waiting = this.#fates.get(actorId);
    if (waiting === undefined) this.#fates.set(actorId, [then]);
    else waiting.push(then);
  }

  #announce(actorId: ActorId): void {
    const news = this.#news(actorId);
    for (const id of this.#watchers.get(actorId) ?? []) {
      const watcher = this.#world.process(id)!;
      this.#world.dial(this.#node.process, id, (link) =>
        link?.notify(
          `actor.state ${nameOf(actorId)} ${news.phase}`,
          () => watcher.owner.calls.onState(actorId, news),
          true,
        ));
    }
    if (news.phase === "alive") return;
    const waiting = this.#fates.get(actorId) ?? [];
    this.#fates.delete(actorId);
    for (const then of waiting) then();
    if (news.phase === "dead") this.#watchers.delete(actorId);
  }
}

function specOf({ name, ...what }: NewActor): ActorSpec {
  return {
    ...what,
    ...(name === undefined ? {} : { name }),
    jobId: "" as never,
    home: "" as never,
    className: "Simulated",
    methods: {},
    code: { hash: "" as never, index: 0 },
    bundles: [],
    args: { bytes: new Uint8Array(0) },
    dependencies: [],
    namespace: "sim",
    getIfExists: false,
    isDetached: false,
    isDurable: false,
    maxConcurrency: 1,
    maxPendingCalls: -1,
    isolation: "isolate",
    resources: actorResources,
  };
}
