/**
 * `deno task sim --nodes N`: what one task costs those who decide, from ten
 * nodes to N, with ten workers and a thousand tasks for each.
 *
 * One program's queue, the view and the routes of its node, and the lease
 * table of each node are the real rooms; wires and workers are events of a
 * simulated clock. A step is a word to a room, a command of one, or a look
 * that a room takes at a node, a lease, a worker or a task: the views, leases
 * and needs that are handed in count who reads them.
 *
 * @module
 */
import {
  type LeaseId,
  nodeProcessIdOf,
  type NodeTag,
  type ProcessId,
} from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import type { NodeView } from "../../src/base/nodes.ts";
import type { LeaseNeeds } from "../../src/base/spec.ts";
import { ClusterView } from "../../src/state/cluster_view.ts";
import type { LeaseCommand } from "../../src/state/lease_events.ts";
import {
  LeaseRoutes,
  type RouteCommand,
} from "../../src/state/lease_routes.ts";
import { LeaseTable } from "../../src/state/leases.ts";
import {
  type Pipeline,
  recordRun,
  type RunStats,
  TaskQueue,
} from "../../src/state/pipelines.ts";
import { ResourcePool } from "../../src/state/resources.ts";
import { leaseNeeds, nodeView } from "../support/cluster_rooms.ts";
import { seeded } from "../support/random.ts";
import { Kernel } from "./kernel.ts";

const workersPerNode = 10;
const tasksPerNode = 1000;

/** What one size of cluster came to. */
export interface Scaled {
  readonly nodeCount: number;
  readonly taskCount: number;
  readonly stepsPerTask: number;
  /** Time in the rooms. */
  readonly microsecondsPerTask: number;
}

interface Task {
  readonly stats: RunStats;
  readonly priority: number;
  readonly runMs: number;
}

interface Machine {
  readonly tag: NodeTag;
  readonly table: LeaseTable;
  readonly view: NodeView;
  isNews: boolean;
}

interface Lease {
  readonly pipeline: Pipeline<Task>;
  /** What its worker runs, in order. */
  readonly line: Task[];
}

/** Runs one cluster through all its tasks. */
class ScaledCluster {
  stepCount = 0;
  roomsMs = 0;
  doneCount = 0;
  readonly taskCount: number;
  readonly #kernel: Kernel = new Kernel(1);
  readonly #view: ClusterView;
  readonly #routes: LeaseRoutes;
  readonly #queue = new TaskQueue<Task>({
    depthMax: limits.pipelineDepthMax,
    windowMs: limits.pipelineWindowMs,
    requestsMax: limits.leaseRequestsMax,
  });
  readonly #machines = new Map<NodeTag, Machine>();
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #requests: LeaseId[] = [];
  readonly #needs: LeaseNeeds;
  readonly #owner = nodeProcessIdOf(tagOf(0));
  #nextLeaseNo = 1;
  #isTelling = false;

  constructor(nodeCount: number) {
    this.taskCount = nodeCount * tasksPerNode;
    this.#view = new ClusterView(tagOf(0), seeded(2));
    this.#routes = new LeaseRoutes(this.#view);
    this.#needs = this.#counting(leaseNeeds(), "isTimed");
    for (let no = 1; no <= nodeCount; no++) this.#join(no);
  }

  run(): void {
    const kernel: Kernel = this.#kernel;
    // One function is short and shares leases, the other is not.
    const short = { meanRunMs: undefined };
    const long = { meanRunMs: undefined };
    for (let left = this.taskCount; left > 0; left--) {
      const isShort = left % 2 === 0;
      const task = {
        stats: isShort ? short : long,
        priority: 0,
        runMs: (isShort ? 2 : 40) * (0.5 + kernel.int(100) / 100),
      };
      this.#inRooms(() => this.#queue.submitted(task));
    }
    this.#pump();
    while (kernel.step());
    const isWhole = this.doneCount === this.taskCount &&
      this.#routes.validate().routeCount === 0;
    kernel.check(isWhole, `Only ${this.doneCount} of ${this.taskCount} ran`);
    this.#queue.validate();
    this.#view.validate();
    for (const { table } of this.#machines.values()) {
      table.validate();
      kernel.check(table.grantedCount === 0, "A lease is left");
    }
  }

  #join(no: number): void {
    const tag = tagOf(no);
    const resources = { CPU: workersPerNode };
    const table = new LeaseTable(new ResourcePool(resources), {
      waitingMax: limits.leaseWaitingMax,
      workersMax: workersPerNode,
      workersKept: workersPerNode,
    });
    for (const command of table.prestarted()) {
      if (command.kind !== "start_worker") continue;
      const { workerNo } = command;
      const processId = `${tag}${workerNo.toString(16)}` as ProcessId;
      table.workerStarted(workerNo, processId);
    }
    const view = nodeView(tag, {
      isHead: no === 1,
      resources: this.#counting(resources, "CPU"),
      available: resources,
    });
    this.#machines.set(tag, { tag, table, view, isNews: false });
    this.#view.updated(view);
  }

  /** Counts each look at one of its values. */
  #counting<T extends object>(values: T, name: keyof T & string): T {
    const value = values[name];
    return Object.defineProperty({ ...values }, name, {
      enumerable: true,
      get: () => {
        this.stepCount++;
        return value;
      },
    });
  }

  /** One word to a room, and its time. */
  #inRooms<T>(act: () => T): T {
    const startMs = performance.now();
    const answer = act();
    this.roomsMs += performance.now() - startMs;
    this.stepCount++;
    return answer;
  }

  #pump(): void {
    for (;;) {
      const next = this.#inRooms(() => this.#queue.push());
      if (next === undefined) break;
      const { line } = this.#leases.get(next.pipeline.leaseId)!;
      if (line.push(next.task) === 1) this.#start(next.pipeline);
    }
    const isUnstarted = () => {
      this.stepCount++;
      return false;
    };
    let wanted = this.#inRooms(() => this.#queue.requestsWanted(isUnstarted));
    for (; wanted < 0; wanted++) this.#withdraw();
    for (; wanted > 0; wanted--) this.#request();
    this.#inRooms(() => this.#queue.candidatesToTakeBack(isUnstarted));
    for (const { leaseId } of this.#inRooms(() => this.#queue.changed())) {
      const lease = this.#leases.get(leaseId)!;
      const isIdle = lease.line.length === 0;
      const isWanted = lease.pipeline.isClosing ||
        this.#queue.queuedCount === 0;
      if (isIdle && isWanted) this.#return(leaseId);
    }
  }

  /** A worker runs the first of its line. */
  #start(pipeline: Pipeline<Task>): void {
    const { line } = this.#leases.get(pipeline.leaseId)!;
    const task = line[0]!;
    this.#kernel.after(task.runMs, "", () => {
      line.shift();
      this.doneCount++;
      this.#inRooms(() => {
        recordRun(task.stats, task.runMs);
        this.#queue.left(task, pipeline);
      });
      if (line.length > 0) this.#start(pipeline);
      this.#pump();
    });
  }

  #request(): void {
    const leaseId = `${this.#owner}${this.#nextLeaseNo++}` as LeaseId;
    this.#requests.push(leaseId);
    const commands = this.#inRooms(() => {
      this.#queue.requested();
      return this.#routes.requested(leaseId, this.#needs);
    });
    this.#route(commands);
  }

  #withdraw(): void {
    const leaseId = this.#requests.pop()!;
    const commands = this.#inRooms(() => {
      this.#queue.refused();
      return this.#routes.returned(leaseId);
    });
    this.#route(commands);
  }

  #return(leaseId: LeaseId): void {
    this.#leases.delete(leaseId);
    const commands = this.#inRooms(() => {
      this.#queue.ended(leaseId);
      return this.#routes.returned(leaseId);
    });
    this.#route(commands);
  }

  #route(commands: readonly RouteCommand[]): void {
    for (const command of commands) {
      this.stepCount++;
      const { leaseId } = command;
      if (command.kind === "granted") {
        const at = this.#requests.indexOf(leaseId);
        this.#requests.splice(at, 1);
        const pipeline = this.#inRooms(() =>
          this.#queue.granted(leaseId, { isFar: true })
        );
        this.#countLooks(pipeline);
        this.#leases.set(leaseId, { pipeline, line: [] });
        this.#pump();
        continue;
      }
      if (command.kind === "failed") return this.#kernel.fail(command.reason);
      const machine = this.#machines.get(command.tag)!;
      const { table } = machine;
      this.#kernel.after(0.2, "", () => {
        const request = { ownerId: this.#owner, needs: this.#needs };
        const does = command.kind === "ask"
          ? () => table.requested(leaseId, request)
          : () => table.returned(leaseId);
        this.#answer(machine, this.#inRooms(does));
      });
    }
  }

  /** Each look at a lease is a step. */
  #countLooks(pipeline: Pipeline<Task>): void {
    let isClosing = false;
    Object.defineProperty(pipeline, "isClosing", {
      get: () => {
        this.stepCount++;
        return isClosing;
      },
      set: (value: boolean) => isClosing = value,
    });
  }

  #answer(machine: Machine, commands: readonly LeaseCommand[]): void {
    for (const command of commands) {
      this.stepCount++;
      if (command.kind !== "grant") continue;
      const { leaseId } = command;
      this.#kernel.after(0.2, "", () => {
        const next = this.#inRooms(() =>
          this.#routes.granted(leaseId, machine.tag)
        );
        this.#route(next);
      });
    }
    this.#tell(machine);
  }

  /** News of nodes reach the program's node together. */
  #tell(machine: Machine): void {
    machine.isNews = true;
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.#kernel.after(limits.viewGatherMs, "", () => {
      this.#isTelling = false;
      for (const { table, view, ...one } of this.#machines.values()) {
        if (!one.isNews) continue;
        const { waitingCount, grantedCount: leaseCount, pool } = table;
        const available = pool.available();
        const now = { ...view, available, waitingCount, leaseCount };
        Object.defineProperty(now, "resources", { value: view.resources });
        this.#inRooms(() => this.#view.updated(now));
      }
      for (const one of this.#machines.values()) one.isNews = false;
      this.#route(this.#inRooms(() => this.#routes.viewChanged()));
    });
  }
}

/** Measures one size; small ones again and again, so that each has as much to do. */
export function scaleTo(nodeCount: number, nodesMax = nodeCount): Scaled {
  let stepCount = 0;
  let roomsMs = 0;
  let taskCount = 0;
  const roundsMax = 20;
  for (let round = 0; round < roundsMax; round++) {
    const cluster = new ScaledCluster(nodeCount);
    cluster.run();
    stepCount += cluster.stepCount;
    roomsMs += cluster.roomsMs;
    taskCount += cluster.taskCount;
    if (taskCount >= nodesMax * tasksPerNode) break;
  }
  return {
    nodeCount,
    taskCount,
    stepsPerTask: stepCount / taskCount,
    microsecondsPerTask: roomsMs / taskCount * 1000,
  };
}

/** The furthest that any is from the first, as a share of it. */
export function unevenness(values: readonly number[]): number {
  const [first] = values;
  return Math.max(...values.map((value) => Math.abs(value / first! - 1)));
}

/** Measures from ten nodes to so many, and prints; false where steps are not flat. */
export function tellScale(nodesMax: number): boolean {
  const sizes = [10, 30, 100, 300, 1000, 3000, 10_000]
    .filter((size) => size < nodesMax);
  console.log("  nodes    workers      tasks  steps a task    µs a task");
  scaleTo(Math.min(10, nodesMax), 100); // So that none pays for the warm-up.
  const rows = [...sizes, nodesMax].map((size) => {
    const row = scaleTo(size, nodesMax);
    const cells = [
      `${size}`.padStart(7),
      `${size * workersPerNode}`.padStart(11),
      `${row.taskCount}`.padStart(11),
      row.stepsPerTask.toFixed(2).padStart(14),
      row.microsecondsPerTask.toFixed(2).padStart(13),
    ];
    console.log(cells.join(""));
    return row;
  });
  const steps = unevenness(rows.map(({ stepsPerTask }) => stepsPerTask));
  const times = unevenness(rows.map((row) => row.microsecondsPerTask));
  const isFlat = steps <= 0.2;
  console.log(
    `steps: within ${percent(steps)}, ${isFlat ? "flat" : "not flat"}; ` +
      `time: within ${percent(times)}`,
  );
  return isFlat;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function tagOf(no: number): NodeTag {
  return no.toString(16).padStart(8, "0") as NodeTag;
}
