/**
 * Watches the memory of a node's processes while its workers are leased, and
 * ends a worker before the machine, or the control group it is in, runs out.
 *
 * Which one is decided by `state/memory.ts`. Actor hosts count, but are never
 * ended for it. Where the system tells nothing (no `/proc`: not on Linux, or
 * without the permissions for it) there is no monitor. Nothing is measured
 * while no worker is leased.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import type { LeaseId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import {
  type MemoryCommand,
  MemoryWatch,
  nextLookMs,
} from "../state/memory.ts";
import type { WorkerNo } from "../state/worker_choice.ts";
import { MachineMemory, privateBytesOf } from "../store/memory.ts";
import type { OutOfMemory } from "../wire/messages.ts";
import type { Children, Kept } from "./children.ts";

/** What the monitor knows of its node. */
export interface MonitorRooms {
  readonly children: Children;
  /** What all of this program may use, by `MANTA_MEMORY_LIMIT_BYTES`. */
  readonly limitBytes: number | undefined;
  /** Bytes of shared segments. */
  storeBytes(): number;
  worker(workerNo: WorkerNo): Kept | undefined;
}

/** Watches one node's memory. */
export class MemoryMonitor {
  readonly #rooms: MonitorRooms;
  readonly #watch = new MemoryWatch();
  #machine: MachineMemory | undefined;
  #isOpened = false;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(rooms: MonitorRooms) {
    this.#rooms = rooms;
  }

  /** A worker was leased. */
  granted(
    leaseId: LeaseId,
    held: { workerNo: WorkerNo; isRetryable: boolean },
  ): void {
    this.#watch.granted(leaseId, held);
    if (this.#isOpened && this.#machine === undefined) return;
    if (this.#timer === undefined) this.#lookAfter(nextLookMs([]));
  }

  /** A lease is over. */
  returned(leaseId: LeaseId): void {
    this.#watch.returned(leaseId);
  }

  /** A worker is gone. */
  workerEnded(workerNo: WorkerNo): void {
    this.#watch.workerEnded(workerNo);
  }

  /** Watches no more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #lookAfter(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer = afterMs(delayMs, () => {
      this.#timer = undefined;
      this.#look();
    });
  }

  #look(): void {
    if (!this.#watch.isNeeded) return;
    if (!this.#isOpened) {
      this.#isOpened = true;
      this.#machine = MachineMemory.open();
    }
    if (this.#machine === undefined) return;
    const bounds = this.#machine.uses();
    const byPid = new Map<number, number>();
    for (const { child } of this.#rooms.children.all()) {
      byPid.set(child.pid, privateBytesOf(child.pid));
    }
    const rssBytes = new Map<WorkerNo, number>();
    for (const workerNo of this.#watch.workerNos) {
      const pid = this.#rooms.worker(workerNo)?.child.pid ?? 0;
      rssBytes.set(workerNo, byPid.get(pid) ?? 0);
    }
    const { limitBytes } = this.#rooms;
    if (limitBytes !== undefined) {
      const usedBytes = byPid.values().reduce((sum, bytes) => sum + bytes, 0) +
        privateBytesOf(Deno.pid) + this.#rooms.storeBytes();
      bounds.push({ name: "MANTA_MEMORY_LIMIT_BYTES", usedBytes, limitBytes });
    }
    const commands = this.#watch.measured({ bounds, rssBytes });
    for (const command of commands) this.#do(command);
    this.#lookAfter(nextLookMs(bounds));
  }

  #do(command: MemoryCommand): void {
    const { name, usedBytes, limitBytes } = command.bound;
    const use = `${name}: ${usedBytes} bytes are used of ${limitBytes}`;
    if (command.kind === "warn") {
      log.warn(`memory is short, and not for what tasks hold. ${use}`);
      return;
    }
    const { workerNo, rssBytes } = command;
    const child = this.#rooms.worker(workerNo)?.child;
    if (child === undefined) return this.#watch.workerEnded(workerNo);
    log.info(`ending worker ${child.pid}, which holds ${rssBytes}. ${use}`);
    const outOfMemory: OutOfMemory = { rssBytes, limitBytes, bound: name };
    child.kill("memory is short", outOfMemory);
  }
}
