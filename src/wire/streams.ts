/**
 * What byte streams of any make need beside one read and one write: all of
 * something, and an end that may have come already.
 *
 * @module
 */

/** Writes all of it: one write may take a part. */
export async function writeAll(
  to: Pick<Deno.Conn, "write">,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await to.write(at === 0 ? bytes : bytes.subarray(at));
  }
}

/**
 * Fills `into`, and says of each part that came how many bytes are there now.
 * Resolves with how many came: fewer than wanted where the stream ended first.
 */
export async function fill(
  into: Uint8Array,
  from: Pick<Deno.Conn, "read">,
  onCount?: (count: number) => void,
): Promise<number> {
  let at = 0;
  while (at < into.length) {
    const count = await from.read(into.subarray(at));
    if (count === null) break;
    at += count;
    onCount?.(at);
  }
  return at;
}

/** Ends a stream that the system, or somebody else, may have ended before. */
export function closeUnlessClosed(stream: Pick<Deno.Conn, "close">): void {
  try {
    stream.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
