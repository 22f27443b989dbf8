/**
 * Lines that processes of a machine print, by their names: the latest are kept
 * for `logs`, bounded, the oldest go first.
 *
 * @module
 */
import { wallMs } from "../base/clock.ts";
import type { JobId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { KeptLine } from "../wire/command_messages.ts";
import type { LogLine } from "../wire/facts.ts";

/** Bounds of what is kept. */
export interface RecentLinesLimits {
  bytesMax: number;
  linesMax: number;
}

/** Keeps the latest lines of one machine. */
export class RecentLines {
  readonly #limits: RecentLinesLimits;
  /** From `#head` on; what is before is over. */
  #lines: KeptLine[] = [];
  #head = 0;
  #bytes = 0;
  #nextSeq = 1;
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(
    { bytesMax, linesMax }: RecentLinesLimits = {
      bytesMax: limits.keptLogBytesMax,
      linesMax: limits.keptLogLinesMax,
    },
  ) {
    this.#limits = { bytesMax, linesMax };
  }

  /** A line was printed. */
  add(line: Omit<KeptLine, "seq" | "atMs">): void {
    this.#lines.push({ ...line, seq: this.#nextSeq++, atMs: wallMs() });
    this.#bytes += line.line.length;
    while (
      this.#bytes > this.#limits.bytesMax ||
      this.#lines.length - this.#head > this.#limits.linesMax
    ) {
      this.#bytes -= this.#lines[this.#head]!.line.length;
      this.#lines[this.#head++] = undefined as unknown as KeptLine;
    }
    if (this.#head > this.#lines.length / 2) {
      this.#lines = this.#lines.slice(this.#head);
      this.#head = 0;
    }
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }

  /** The lines after that one; waits for one where there is none. */
  async read(
    { afterSeq, waitMs }: { afterSeq: number; waitMs: number },
  ): Promise<{ lines: KeptLine[]; nextSeq: number }> {
    if (afterSeq >= this.#nextSeq - 1 && waitMs > 0) {
      const waiting = this.#waiting ??= Promise.withResolvers<void>();
      const ms = Math.min(waitMs, limits.newsWaitMsMax);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        Deno.unrefTimer(timer);
        waiting.promise.then(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    const skipped = Math.max(0, afterSeq - this.#firstSeq + 1);
    const lines = this.#lines.slice(this.#head + skipped);
    return { lines, nextSeq: this.#nextSeq };
  }

  get #firstSeq(): number {
    return this.#nextSeq - (this.#lines.length - this.#head);
  }
}

/** Where the lines of children go. */
export interface LineSink {
  /** What a process is called in the prefix of its lines. */
  name(pid: number, name: string): void;
  /** A process is gone. */
  forget(pid: number): void;
  /** Takes one line. */
  print(pid: number, what: Pick<LogLine, "line" | "stream">): void;
}

/** Keeps what a job's processes print, and passes it on. */
export class KeptLog implements LineSink {
  readonly #recent: RecentLines;
  readonly #jobId: JobId;
  readonly #next: (line: LogLine) => void;
  readonly #names = new Map<number, string>();

  constructor(
    recent: RecentLines,
    { jobId, next }: { jobId: JobId; next(line: LogLine): void },
  ) {
    this.#recent = recent;
    this.#jobId = jobId;
    this.#next = next;
  }

  name(pid: number, name: string): void {
    this.#names.set(pid, name);
  }

  forget(pid: number): void {
    this.#names.delete(pid);
  }

  print(pid: number, what: Pick<LogLine, "line" | "stream">): void {
    const line = { pid, name: this.#names.get(pid) ?? "worker", ...what };
    this.#recent.add({ ...line, jobId: this.#jobId });
    this.#next(line);
  }
}
