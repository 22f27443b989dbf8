/**
 * Prints what workers and actors print, at the driver: whole lines, each with
 * the process it came from, on whichever machine.
 *
 * @module
 */
import { outputs } from "../base/outputs.ts";
import { printable } from "../base/text.ts";
import type { LogLine } from "../wire/facts.ts";

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
    this.#writeLine(
      `(${printable(name)} pid=${pid}${where}) ${line}\n`,
      stream,
    );
  }
}

/** To this process's own streams. */
function toProcess(text: string, stream: "stdout" | "stderr"): void {
  outputs[stream].print(text);
}
