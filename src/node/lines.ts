/**
 * Cuts a stream of bytes into lines of text, each bounded.
 *
 * @module
 */
import { limits } from "../base/limits.ts";

/** Calls back for each whole line; one over the bound comes in pieces. */
export class TextLineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** More of the stream. */
  push(chunk: Uint8Array): void {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true }))
      .split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) this.#onLine(line);
    while (this.#rest.length > limits.logLineBytesMax) {
      this.#onLine(this.#rest.slice(0, limits.logLineBytesMax));
      this.#rest = this.#rest.slice(limits.logLineBytesMax);
    }
  }

  /** The stream ended: what has no newline is a line too. */
  end(): void {
    if (this.#rest !== "") this.#onLine(this.#rest);
    this.#rest = "";
  }
}
