/**
 * Lines that a job's processes print on another machine than their driver's:
 * gathered for a moment, and sent to where they are printed.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { LogLine } from "../wire/facts.ts";
import type { LineSink } from "./log_printer.ts";

/** Sends lines on. */
export class LogForwarder implements LineSink {
  readonly #send: (lines: LogLine[]) => void;
  readonly #names = new Map<number, string>();
  #lines: LogLine[] = [];
  #droppedCount = 0;
  #timer: Timer | undefined;

  constructor(send: (lines: LogLine[]) => void) {
    this.#send = send;
  }

  name(pid: number, name: string): void {
    this.#names.set(pid, name);
  }

  forget(pid: number): void {
    this.#names.delete(pid);
  }

  print(
    pid: number,
    { line, stream }: { line: string; stream: "stdout" | "stderr" },
  ): void {
    this.#timer ??= afterMs(limits.logGatherMs, () => this.#flush());
    if (this.#lines.length >= limits.logLinesMax) {
      this.#droppedCount++;
      return;
    }
    const name = this.#names.get(pid) ?? "worker";
    this.#lines.push({ pid, name, line, stream });
  }

  #flush(): void {
    this.#timer = undefined;
    const lines = this.#lines;
    this.#lines = [];
    if (this.#droppedCount > 0) {
      const line = `(${this.#droppedCount} further lines are left out)`;
      lines.push({ pid: Deno.pid, name: "node", line, stream: "stderr" });
      this.#droppedCount = 0;
    }
    this.#send(lines);
  }
}
