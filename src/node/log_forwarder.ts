/**
 * Lines that a job's processes print on another machine than their driver's:
 * gathered for a moment, and sent to where they are printed.
 *
 * @module
 */
import { afterMs, type Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import type { LogLine } from "../wire/facts.ts";

/** Sends lines on. */
export class LogForwarder {
  readonly #send: (lines: LogLine[]) => void;
  #lines: LogLine[] = [];
  #droppedCount = 0;
  #timer: Timer | undefined;

  constructor(send: (lines: LogLine[]) => void) {
    this.#send = send;
  }

  /** Takes one. */
  take(line: LogLine): void {
    this.#timer ??= afterMs(limits.logGatherMs, () => this.#flush());
    if (this.#lines.length < limits.logLinesMax) this.#lines.push(line);
    else this.#droppedCount++;
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
