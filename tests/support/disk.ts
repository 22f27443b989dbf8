/**
 * Small disks of their own, for tests of full and read-only ones. Only who may
 * mount has them.
 *
 * @module
 */

/** A mounted disk; gone when disposed of. */
export interface Disk extends Disposable {
  readonly path: string;
  /** From now on nothing can be written. */
  makeReadOnly(): void;
  /** Takes all room there is, until `release` is called. */
  fill(): { release(): void };
}

/** Whether this process may mount. */
export const canMount: boolean = mayMount();

/** Mounts a disk of that size, like "1m". */
export function mountDisk(size: string): Disk {
  const path = Deno.makeTempDirSync({ prefix: "mt-" });
  if (!mount(["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path])) {
    Deno.removeSync(path);
    throw new Error("Cannot mount a disk: this process may not");
  }
  return {
    path,
    makeReadOnly: () => void mount(["-o", "remount,ro", path]),
    fill: () => {
      const ballast = `${path}/ballast`;
      takeAllRoom(ballast);
      return { release: () => Deno.removeSync(ballast) };
    },
    [Symbol.dispose]: () => {
      new Deno.Command("umount", { args: ["-l", path] }).outputSync();
      Deno.removeSync(path);
    },
  };
}

function mount(args: string[]): boolean {
  const command = new Deno.Command("mount", { args, stderr: "null" });
  return command.outputSync().success;
}

function mayMount(): boolean {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return false;
  try {
    mountDisk("64k")[Symbol.dispose]();
    return true;
  } catch {
    // A container without the right to.
    return false;
  }
}

function takeAllRoom(path: string): void {
  using file = Deno.openSync(path, { write: true, create: true });
  const bytes = new Uint8Array(4096);
  try {
    for (;;) file.writeSync(bytes);
  } catch (error) {
    if (!String(error).includes("No space")) throw error;
  }
}
