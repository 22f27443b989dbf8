/**
 * The limit beside the tasks and actor calls: frames between two Deno
 * processes over a unix socket, with nothing in them and nobody to run them.
 *
 * With `--echo PATH` it is the other end. No codec, no promise a frame.
 *
 * @module
 */
import { serve } from "./serve.mjs";

const payloadBytes = 60;
const frameBytes = 4 + payloadBytes;
const batchCount = 1000;

/** Where in `bytes` the last whole frame ends, and how many frames that is. */
function wholeFrames(bytes: Uint8Array): { end: number; count: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = 0;
  let count = 0;
  while (end + 4 <= bytes.length) {
    const next = end + 4 + view.getUint32(end);
    if (next > bytes.length) break;
    end = next;
    count++;
  }
  return { end, count };
}

/** Reads frames, giving each lot of whole ones to `take` until that says so. */
class FrameReader {
  readonly #conn: Deno.Conn;
  readonly #buffer = new Uint8Array(256 * 1024);
  #filled = 0;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** The next whole frames, valid until the next call; undefined at the end. */
  async next(): Promise<{ bytes: Uint8Array; count: number } | undefined> {
    for (;;) {
      const room = this.#buffer.subarray(this.#filled);
      const read = await this.#conn.read(room);
      if (read === null) return undefined;
      this.#filled += read;
      const { end, count } = wholeFrames(
        this.#buffer.subarray(0, this.#filled),
      );
      if (count === 0) continue;
      const bytes = this.#buffer.slice(0, end);
      this.#buffer.copyWithin(0, end, this.#filled);
      this.#filled -= end;
      return { bytes, count };
    }
  }
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.length) done += await conn.write(bytes.subarray(done));
}

async function echo(path: string): Promise<void> {
  using conn = await Deno.connect({ transport: "unix", path });
  const reader = new FrameReader(conn);
  for (;;) {
    const frames = await reader.next();
    if (frames === undefined) return;
    await writeAll(conn, frames.bytes);
  }
}

function frames(count: number): Uint8Array {
  const bytes = new Uint8Array(count * frameBytes);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) view.setUint32(i * frameBytes, payloadBytes);
  return bytes;
}

/** The measuring end: the socket, and the process that echoes. */
class Limit {
  #folder = "";
  #echo: Deno.ChildProcess | undefined;
  #conn: Deno.Conn | undefined;
  #reader: FrameReader | undefined;

  async start(): Promise<string> {
    this.#folder = await Deno.makeTempDir({ prefix: "bench" });
    const path = `${this.#folder}/echo.sock`;
    using listener = Deno.listen({ transport: "unix", path });
    this.#echo = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", import.meta.url, "--echo", path],
      stdin: "null",
    }).spawn();
    this.#conn = await listener.accept();
    this.#reader = new FrameReader(this.#conn);
    return `bare unix socket (Deno ${Deno.version.deno})`;
  }

  async exchange(bytes: Uint8Array, count: number): Promise<void> {
    const conn = this.#conn!;
    // At once: a full socket would stop both ends, each waiting for the other.
    const written = writeAll(conn, bytes);
    let missing = count;
    while (missing > 0) missing -= (await this.#reader!.next())?.count ?? count;
    await written;
  }

  async end(): Promise<void> {
    this.#conn?.close();
    await this.#echo?.status;
    await Deno.remove(this.#folder, { recursive: true });
  }
}

if (Deno.args[0] === "--echo" && Deno.args[1] !== undefined) {
  await echo(Deno.args[1]);
} else {
  const limit = new Limit();
  const [one, batch] = [frames(1), frames(batchCount)];
  const roundTrip = () => ({ run: () => limit.exchange(one, 1) });
  const batches = () => ({
    run: () => limit.exchange(batch, batchCount),
    count: batchCount,
  });
  await serve({
    start: () => limit.start(),
    rows: {
      "single client tasks sync": roundTrip,
      "single client tasks async": batches,
      "1:1 actor calls sync": roundTrip,
      "1:1 actor calls async": batches,
    },
    end: () => limit.end(),
  });
}
