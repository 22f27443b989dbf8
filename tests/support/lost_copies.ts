/**
 * Takes the shared copies of objects away by force: a local run's node lives
 * in this process, so its descriptors can be pointed elsewhere under it.
 *
 * @module
 */

/** Makes every shared segment of that many bytes unreadable; says how many there were. */
export function loseCopies(byteLength: number): number {
  const c = Deno.dlopen("libc.so.6", {
    dup2: { parameters: ["i32", "i32"], result: "i32" },
    open: { parameters: ["buffer", "i32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  const path = new TextEncoder().encode("/dev/null\0");
  const nothing = c.symbols.open(path, 0);
  try {
    const descriptors = [...Deno.readDirSync("/proc/self/fd")]
      .map(({ name }) => Number(name))
      .filter((fd) => isSegment(fd, byteLength));
    for (const fd of descriptors) c.symbols.dup2(nothing, fd);
    return descriptors.length;
  } finally {
    c.symbols.close(nothing);
    c.close();
  }
}

function isSegment(fd: number, byteLength: number): boolean {
  try {
    const path = `/proc/self/fd/${fd}`;
    return Deno.readLinkSync(path).startsWith("/memfd:manta") &&
      Deno.statSync(path).size === byteLength;
  } catch (error) {
    // It was closed while it was looked at.
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
