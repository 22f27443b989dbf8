/**
 * Symbolic links in a sandbox that may both read and write a folder: made
 * there, they would lead out of it. Each attempt succeeds where nothing is
 * limited, and in a sandbox by none of them.
 *
 * @module
 */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { get, init, remote } from "../../mod.ts";

type Attempt = (target: string, folder: string) => unknown;

/** Makes the link `folder/wasi` by `node:wasi`; as text too, to be run elsewhere. */
const byWasi = async (target: string, folder: string) => {
  const { WASI } = await import("node:wasi");
  const wasi = new WASI({ version: "preview1", preopens: { "/": folder } });
  const memory = new WebAssembly.Memory({ initial: 1 });
  wasi.initialize({ exports: { memory, _initialize() {} } });
  const bytes = new TextEncoder().encode(`${target}wasi`);
  new Uint8Array(memory.buffer).set(bytes);
  const { path_symlink } = wasi.wasiImport as Record<
    string,
    (...args: number[]) => number
  >;
  const errorNo = path_symlink!(0, bytes.length - 4, 3, bytes.length - 4, 4);
  if (errorNo !== 0) throw new Error(`error ${errorNo}`);
};

const attempts: Record<string, Attempt> = {
  "Deno.symlink": (target, folder) => Deno.symlinkSync(target, `${folder}/l`),
  "node:fs": async (target, folder) =>
    (await import("node:fs")).symlinkSync(target, `${folder}/fs`),
  "node:wasi": byWasi,
  "node:wasi by getImportObject": async () => {
    const { WASI } = await import("node:wasi");
    new WASI({ version: "preview1" }).getImportObject();
  },
  "node:wasi with its prototype mended": async (target, folder) => {
    const { WASI } = await import("node:wasi");
    Object.defineProperty(WASI.prototype, "wasiImport", {
      get: () => ({ path_symlink: () => 0 }),
    });
    await byWasi(target, folder);
  },
  "node:wasi in a worker": async () => {
    const code = "data:text/javascript,import 'node:wasi'; postMessage(1)";
    const worker = new Worker(code, { type: "module" });
    await new Promise((resolve) => worker.onmessage = resolve);
    worker.terminate();
  },
  "node:wasi in a worker of a class of its own": () => {
    class Own extends Worker {}
    new Own("data:text/javascript,", { type: "module" }).terminate();
  },
  "node:wasi in a worker that is mended": () => {
    Object.setPrototypeOf(Worker, EventTarget);
    new Worker("data:text/javascript,", { type: "module" }).terminate();
  },
  "node:wasi in a thread": async () => {
    const { Worker: Thread } = await import("node:worker_threads");
    await new Thread("require('node:wasi')", { eval: true }).terminate();
  },
  "an inspector, which sees what is private": async () => {
    const { Session } = await import("node:inspector");
    const session = new Session();
    session.connect();
    session.disconnect();
  },
};
const names = Object.keys(attempts);

const trySome = remote(
  async (names: string[], target: string, folder: string) => {
    const outcomes: Record<string, string> = {};
    for (const name of names) {
      try {
        await attempts[name]!(target, folder);
        outcomes[name] = "done";
      } catch (error) {
        outcomes[name] = (error as Error).message;
      }
    }
    const links = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    for (const link of links) Deno.removeSync(`${folder}/${link}`);
    return { outcomes, links: links.sort() };
  },
  { maxRetries: 0 },
);

Deno.test("a sandbox that may read and write a folder makes no links there", async (t) => {
  await using _runtime = await init({ numCpus: 1 });
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const target = import.meta.dirname!;

  await t.step("each attempt succeeds where nothing is limited", async () => {
    const few = names.filter((name) => !name.includes("mended"));
    const { outcomes, links } = await get(trySome.remote(few, target, folder));
    assertEquals(
      outcomes,
      Object.fromEntries(few.map((name) => [name, "done"])),
    );
    assertEquals(links, ["fs", "l", "wasi"]);
  });
  for (
    const [what, permissions] of Object.entries({
      "a folder": { read: [folder], write: [folder], sys: true },
      "all files": { read: true, write: true, sys: true },
    })
  ) {
    await t.step(`with ${what}`, async () => {
      const { outcomes, links } = await get(
        trySome.options({ runtimeEnv: { permissions } })
          .remote(names, target, folder),
      );
      assertEquals(links, []);
      for (const name of names) {
        assertEquals(outcomes[name] === "done", false, name);
      }
      assertStringIncludes(outcomes["node:wasi"]!, "grant one of the two");
    });
  }
  await t.step(
    "with one of the two, node:wasi and workers are there",
    async () => {
      const few = [
        "node:wasi by getImportObject",
        "node:wasi in a worker",
        "node:wasi in a thread",
      ];
      const started = remote(async (names: string[]) => {
        for (const name of names) await attempts[name]!("", "");
        return names.length;
      }, { runtimeEnv: { permissions: { read: [folder] } }, maxRetries: 0 });
      assertEquals(await get(started.remote(few)), few.length);
    },
  );

  await Deno.remove(folder, { recursive: true });
});
