/**
 * The process's own streams, for what the runtime prints there: their reader
 * may be slow, or gone, or a full disk, and that ends nobody's work.
 *
 * @module
 */
import { afterMs } from "./clock.ts";
import { limits } from "./limits.ts";
import { log } from "./log.ts";

const encoder = new TextEncoder();

/** Writes some of the bytes, and says how many. */
type WriteSome = (bytes: Uint8Array) => number;

/** One stream. */
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

  /** Writes a text, now or when its reader has room; drops it where too many wait. */
  print(text: string): void {
    if (this.#isBroken) return;
    const bytes = encoder.encode(text);
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
      `${this.#droppedCount} lines were dropped: nobody took ${this.#name} in time`,
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
      `nothing of the runtime's is printed to ${this.#name} any more: ${error}`,
    );
  }
}

/** The streams of this process. */
export const outputs: Record<"stdout" | "stderr", PatientStream> = {
  stdout: new PatientStream("stdout", (bytes) => Deno.stdout.writeSync(bytes)),
  stderr: new PatientStream("stderr", (bytes) => Deno.stderr.writeSync(bytes)),
};
