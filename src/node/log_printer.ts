/**
 * Prints what workers and actors print, at the driver: whole lines, each with
 * the process it came from, on whichever machine.
 *
 * @module
 */
import { afterMs } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import type { LogLine } from "../wire/facts.ts";

const encoder = new TextEncoder();

/** Prints one line, its end included. */
export type WriteLine = (text: string, stream: "stdout" | "stderr") => void;

/** Prints lines of children; or drops them, where the program wants none. */
export class LogPrinter {
  readonly #isOn: boolean;
  readonly #writeLine: WriteLine;

  constructor(isOn: boolean, writeLine: WriteLine = toProcess) {
    this.#isOn = isOn;
    this.#writeLine = writeLine;
  }

  /** Prints one line; of a process of another machine, with its node. */
  write(
    { pid, name, line, stream }: LogLine,
    nodeId?: string,
  ): void {
    if (!this.#isOn) return;
    const where = nodeId === undefined ? "" : ` node=${nodeId.slice(0, 8)}`;
    this.#writeLine(`(${name} pid=${pid}${where}) ${line}\n`, stream);
  }
}

/** Writes some of the bytes, and says how many. */
type WriteSome = (bytes: Uint8Array) => number;

/** A stream of this process whose reader may be slow, or gone: it ends nobody's work. */
export class PatientStream {
  readonly #name: string;
  readonly #write: WriteSome;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #droppedCount = 0;
  #isBroken = false;

  constructor(name: string, write: WriteSome) {
    this.#name = name;
    this.#write = write;
  }

  /** Writes a line, now or when its reader has room; drops it where too many wait. */
  print(line: string): void {
    if (this.#isBroken) return;
    const bytes = encoder.encode(line);
    const isRoom = this.#waiting.length === 0 ||
      this.#waitingBytes + bytes.length <= limits.printBytesMax;
    if (!isRoom) return void this.#droppedCount++;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waiting.length === 1) this.#pour();
  }

  #pour(): void {
    try {
      while (this.#waiting.length > 0) this.#writeFirst();
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) {
        afterMs(limits.printRetryMs, () => this.#pour());
      } else this.#break(error);
      return;
    }
    if (this.#droppedCount === 0) return;
    log.warn(
      `${this.#droppedCount} lines of workers were dropped: nobody took ${this.#name} in time`,
    );
    this.#droppedCount = 0;
  }

  #writeFirst(): void {
    const bytes = this.#waiting[0]!;
    const count = this.#write(bytes);
    this.#waitingBytes -= count;
    if (count === bytes.length) this.#waiting.shift();
    else this.#waiting[0] = bytes.subarray(count);
  }

  #break(error: unknown): void {
    this.#isBroken = true;
    this.#waiting = [];
    // Whoever read the program's output may leave.
    if (error instanceof Deno.errors.BrokenPipe) return;
    log.warn(
      `lines of workers are not printed any more: ${this.#name}: ${error}`,
    );
  }
}

const streams = {
  stdout: new PatientStream(
    "stdout",
    (bytes) => Deno.stdout.writeSync(bytes),
  ),
  stderr: new PatientStream(
    "stderr",
    (bytes) => Deno.stderr.writeSync(bytes),
  ),
};

/** To this process's own streams. */
function toProcess(text: string, stream: "stdout" | "stderr"): void {
  streams[stream].print(text);
}
