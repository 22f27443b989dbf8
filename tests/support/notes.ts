/**
 * A file that tasks write lines to, for counting what really ran, and waits
 * for conditions.
 *
 * @module
 */

/** Lines that tasks left, whichever process they ran in. */
export class Notes implements Disposable {
  readonly path: string = Deno.makeTempFileSync({ prefix: "manta_notes_" });

  /** All lines so far. */
  lines(): string[] {
    return Deno.readTextFileSync(this.path).split("\n").slice(0, -1);
  }

  /** Resolves once there are so many lines. */
  async reach(count: number): Promise<string[]> {
    await until(() => this.lines().length >= count, `${count} notes`);
    return this.lines();
  }

  /** Removes the file. */
  [Symbol.dispose](): void {
    Deno.removeSync(this.path);
  }
}

/** Writes one line; called in tasks. */
export function note(path: string, line: string | number): void {
  Deno.writeTextFileSync(path, `${line}\n`, { append: true });
}

/** Resolves once a condition holds; rejects if it never does. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!await condition()) {
    if (performance.now() > endMs) throw new Error(`Waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What a promise rejects with; an error if it does not. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`Rejected with no error: ${Deno.inspect(error)}`);
  }
  throw new Error("Resolved, though it should not");
}
