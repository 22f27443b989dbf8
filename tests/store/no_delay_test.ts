import { assert, assertEquals } from "@std/assert";
import { closeLibc, isSharedMemoryAvailable } from "../../src/store/ffi.ts";
import { sendAtOnce } from "../../src/store/no_delay.ts";

const canCall = isSharedMemoryAvailable();
closeLibc(); // Each test opens it for itself.

/** Reads until so many bytes have come. */
async function readAll(conn: Deno.Conn, byteCount: number): Promise<void> {
  const buffer = new Uint8Array(byteCount);
  for (let count = 0; count < byteCount;) {
    count += (await conn.read(buffer))!;
  }
}

Deno.test({
  name: "sendAtOnce() has what a port takes send two words without a pause",
  ignore: !canCall,
  fn: async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    assert(sendAtOnce(port));
    using near = await Deno.connect({ hostname: "127.0.0.1", port });
    using far = await listener.accept();
    near.setNoDelay(true);
    const startMs = performance.now();
    for (let turn = 0; turn < 25; turn++) {
      await far.write(new Uint8Array(10));
      await far.write(new Uint8Array(10));
      await readAll(near, 20);
      await near.write(new Uint8Array(1));
      await readAll(far, 1);
    }
    const tookMs = performance.now() - startMs;
    // A confirmation that is waited for takes 40 ms each time.
    assert(tookMs < 400, `25 turns took ${tookMs} ms`);
    closeLibc();
  },
});

Deno.test("sendAtOnce() says so where nobody listens", () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  assertEquals(sendAtOnce(port), false);
  closeLibc();
});
