/**
 * Prints what workers and actors print, at the driver: whole lines, each with
 * the process it came from, in order for each.
 *
 * @module
 */
import type { LogLine } from "../wire/facts.ts";

const encoder = new TextEncoder();

/** Where the lines of children go. */
export interface LineSink {
  /** What a process is called in the prefix of its lines. */
  name(pid: number, name: string): void;
  /** A process is gone. */
  forget(pid: number): void;
  /** Takes one line. */
  print(
    pid: number,
    what: { line: string; stream: "stdout" | "stderr" },
  ): void;
}

/** Prints one line, its end included. */
export type WriteLine = (text: string, stream: "stdout" | "stderr") => void;

/** Prints lines of children; or drops them, where the program wants none. */
export class LogPrinter implements LineSink {
  readonly #isOn: boolean;
  readonly #writeLine: WriteLine;
  readonly #names = new Map<number, string>();

  constructor(isOn: boolean, writeLine: WriteLine = toProcess) {
    this.#isOn = isOn;
    this.#writeLine = writeLine;
  }

  /** What a process is called in the prefix of its lines. */
  name(pid: number, name: string): void {
    this.#names.set(pid, name);
  }

  /** A process is gone. */
  forget(pid: number): void {
    this.#names.delete(pid);
  }

  /** Prints one line. */
  print(
    pid: number,
    { line, stream }: { line: string; stream: "stdout" | "stderr" },
  ): void {
    if (!this.#isOn) return;
    this.write({ pid, name: this.#names.get(pid) ?? "worker", line, stream });
  }

  /** Prints one line of a process that may be elsewhere. */
  write(
    { pid, name, line, stream }: LogLine,
    nodeId?: string,
  ): void {
    if (!this.#isOn) return;
    const where = nodeId === undefined ? "" : ` node=${nodeId.slice(0, 8)}`;
    this.#writeLine(`(${name} pid=${pid}${where}) ${line}\n`, stream);
  }
}

/** To this process's own streams. */
function toProcess(text: string, stream: "stdout" | "stderr"): void {
  const bytes = encoder.encode(text);
  const target = stream === "stdout" ? Deno.stdout : Deno.stderr;
  try {
    for (let at = 0; at < bytes.length;) {
      at += target.writeSync(bytes.subarray(at));
    }
  } catch (error) {
    // Whoever read the program's output has left; the program goes on.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
