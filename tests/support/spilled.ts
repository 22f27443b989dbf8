/**
 * What a session of this process has on disk and in memory, for tests of
 * objects that are more than the store holds.
 *
 * @module
 */

import { sessionFoldersIn } from "./sessions.ts";

/** A folder for sessions of a test alone, where `TMPDIR` points while it is used. */
export class SessionRoot implements Disposable {
  readonly path: string;
  readonly #before = Deno.env.get("TMPDIR");

  constructor(path: string = Deno.makeTempDirSync({ prefix: "mt-" })) {
    this.path = path;
    Deno.env.set("TMPDIR", path);
  }

  /** The paths of spilled segments, the oldest first. */
  spilled(): string[] {
    for (const session of sessionFoldersIn(this.path)) {
      const folder = `${session}/spill`;
      try {
        return [...Deno.readDirSync(folder)]
          .map((file) => `${folder}/${file.name}`).sort();
      } catch (error) {
        // Nothing was spilled yet.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    return [];
  }

  /** Spill files that this process, and so its node, still has open. */
  openSpills(): string[] {
    return [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
      try {
        return [Deno.readLinkSync(`/proc/self/fd/${name}`)];
      } catch {
        return []; // That of the listing itself.
      }
    }).filter((path) => path.includes("/spill/"));
  }

  /** Memory of the session's segments, whoever holds them. */
  memoryBytes(): number {
    const blocksByInode = new Map<number, number>();
    for (const { name: pid } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(pid)) continue;
      try {
        const command = Deno.readTextFileSync(`/proc/${pid}/cmdline`);
        const isOurs = Number(pid) === Deno.pid || command.includes(this.path);
        if (!isOurs) continue;
        for (const { name: fd } of Deno.readDirSync(`/proc/${pid}/fd`)) {
          const path = `/proc/${pid}/fd/${fd}`;
          if (!Deno.readLinkSync(path).includes("memfd:manta")) continue;
          const { ino, blocks } = Deno.statSync(path);
          blocksByInode.set(ino!, blocks! * 512);
        }
      } catch {
        // It ended, or closed the descriptor, while it was looked at.
      }
    }
    return blocksByInode.values().reduce((sum, bytes) => sum + bytes, 0);
  }

  [Symbol.dispose](): void {
    if (this.#before === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", this.#before);
    Deno.removeSync(this.path, { recursive: true });
  }
}

/** Waits until something holds; the test's own time limit ends a wait in vain. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}
