/**
 * What a hostile task tries in a sandbox. Each row is one attempt: in a worker
 * without limits it succeeds, in a sandbox it is denied, by its own error.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  get,
  init,
  MantaError,
  ProtocolError,
  remote,
  type TaskError,
} from "../../mod.ts";
import { rejection } from "../support/notes.ts";

/** What there is to be had. */
interface Prey {
  folder: string;
  session: string;
  socket: string;
  secret: string;
  module: string;
  port: number;
  pid: number;
}

type Attempt = (prey: Prey) => unknown;

const inWorker = (url: string, type: "web" | "node") => async () => {
  if (type === "node") {
    const { Worker } = await import("node:worker_threads");
    const worker = new Worker(new URL(url));
    return await new Promise((resolve, reject) => {
      worker.on("message", resolve).on("error", reject);
    });
  }
  const worker = new Worker(url, { type: "module" });
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) =>
        data.denied === undefined
          ? resolve(data)
          : reject(new Error(data.denied));
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message));
      };
    });
  } finally {
    worker.terminate();
  }
};

/** Attempts that need something which a sandbox without permissions lacks. */
const attempts: Record<string, Attempt> = {
  "reads a file": ({ secret }) => Deno.readTextFileSync(secret),
  "reads a file by node:fs": async ({ secret }) =>
    (await import("node:fs")).readFileSync(secret),
  "reads a file by fetch": async ({ secret }) =>
    await (await fetch(`file://${secret}`)).text(),
  "looks at a file": ({ secret }) => Deno.statSync(secret),
  "lists the session's folder": ({ session }) => [...Deno.readDirSync(session)],
  "connects to the node's socket": ({ socket }) =>
    Deno.connect({ transport: "unix", path: socket }).then((c) => c.close()),
  "connects to the node's socket by node:net": async ({ socket }) => {
    const { connect } = await import("node:net");
    await new Promise<void>((resolve, reject) => {
      const made = connect({ path: socket }, () => {
        made.destroy();
        resolve();
      }).on("error", reject);
    });
  },
  "makes a socket in the session's folder": ({ session }) =>
    Deno.listen({ transport: "unix", path: `${session}/evil.sock` }).close(),
  "connects by TCP": ({ port }) =>
    Deno.connect({ port }).then((connection) => connection.close()),
  "fetches": async ({ port }) =>
    await (await fetch(`http://127.0.0.1:${port}/`)).text(),
  "opens a web socket": ({ port }) =>
    new WebSocket(`ws://127.0.0.1:${port}`).close(),
  "listens by TCP": () => Deno.listen({ port: 0 }).close(),
  "writes a file": ({ folder }) =>
    Deno.writeTextFileSync(`${folder}/left`, "x"),
  "makes a temporary file": () => Deno.removeSync(Deno.makeTempFileSync()),
  "links to a folder": ({ folder, session }) => {
    Deno.symlinkSync(session, `${folder}/link`);
    Deno.removeSync(`${folder}/link`);
  },
  "opens a database": async ({ folder }) => {
    const { DatabaseSync } = await import("node:sqlite");
    new DatabaseSync(`${folder}/left.db`).exec("create table t(a)");
  },
  "reads the driver's environment": ({ pid }) =>
    Deno.readFileSync(`/proc/${pid}/environ`),
  "reads a variable": () => Deno.env.get("PATH"),
  "reads a variable by node:process": async () =>
    (await import("node:process")).default.env.PATH,
  "reads its own descriptors": () => [...Deno.readDirSync("/proc/self/fd")],
  "imports a local module": ({ module }) => import(module),
  "imports a file as text": async ({ secret }) =>
    await import(`file://${secret}`, { with: { type: "text" } }),
  "imports a module that imports a local one": ({ module }) =>
    import(`data:text/javascript,import ${JSON.stringify(module)}`),
  "requires a file": async ({ folder }) =>
    (await import("node:module")).createRequire(`${folder}/x.cjs`)("./it.cjs"),
  "reads in a worker of its own": ({ secret }) =>
    inWorker(
      `data:text/javascript,try { postMessage(Deno.readTextFileSync(${
        JSON.stringify(secret)
      })) } catch (e) { postMessage({ denied: e.message }) }`,
      "web",
    )(),
  "runs a local module as a worker": ({ module }) =>
    inWorker(`${module}?worker`, "web")(),
  "runs a local module as a thread": ({ module }) =>
    inWorker(`${module}?thread`, "node")(),
  "imports a local module in a worker": ({ module }) =>
    inWorker(
      `data:text/javascript,import ${JSON.stringify(`${module}?worker`)}`,
      "web",
    )(),
  "runs a command": () => new Deno.Command("/bin/true").outputSync(),
  "runs a command by node:child_process": async () =>
    (await import("node:child_process")).execFileSync("/bin/true"),
  "opens a library": () => Deno.dlopen("libc.so.6", {}).close(),
  "sends a signal": ({ pid }) => Deno.kill(pid, "SIGCONT"),
  "sends a signal by node:process": async ({ pid }) =>
    (await import("node:process")).default.kill(pid, "SIGCONT"),
  "asks the machine's name": () => Deno.hostname(),
  "opens an inspector": async () => {
    const { Session } = await import("node:inspector");
    const session = new Session();
    session.connect();
    session.disconnect();
  },
  "asks for more": async () => {
    for (const name of ["read", "net", "run", "ffi"] as const) {
      const { state } = await Deno.permissions.request({ name });
      if (state !== "granted") throw new Error(`Requires more than ${state}`);
    }
  },
  "leaves its realm": async ({ secret }) => {
    const { runInNewContext } = await import("node:vm");
    return runInNewContext(
      "this.constructor.constructor('return Deno')()",
    ).readTextFileSync(secret);
  },
  "changes its folder": ({ folder }) => Deno.chdir(folder),
};

const trySome = remote(
  async (names: string[], prey: Prey): Promise<Record<string, string>> => {
    const outcomes: Record<string, string> = {};
    for (const name of names) {
      try {
        await attempts[name]!(prey);
        outcomes[name] = "done";
      } catch (error) {
        outcomes[name] = (error as Error).message;
      }
    }
    return outcomes;
  },
  { maxRetries: 0 },
);

const denial = /^Requires .*(access|more)|requires unscoped --allow-read/;
const none = { runtimeEnv: { permissions: "none" as const } };
const names = Object.keys(attempts);

Deno.test("a hostile task in a sandbox", async (t) => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  const variable = Deno.env.get("TMPDIR");
  // Its session lies in a folder that is known.
  Deno.env.set("TMPDIR", folder);
  await using runtime = await init({ numCpus: 2 });
  if (variable === undefined) Deno.env.delete("TMPDIR");
  else Deno.env.set("TMPDIR", variable);
  const [{ name }] = [...Deno.readDirSync(folder)] as [Deno.DirEntry];
  const session = `${folder}/${name}`;
  const socket = [...Deno.readDirSync(session)]
    .find((entry) => entry.name.endsWith(".sock"))!.name;
  const server = Deno.serve({ port: 0, onListen() {} }, () => new Response());
  const prey: Prey = {
    folder,
    session,
    socket: `${session}/${socket}`,
    secret: `${folder}/secret.txt`,
    module: `file://${folder}/secret.ts`,
    port: server.addr.port,
    pid: Deno.pid,
  };
  Deno.writeTextFileSync(prey.secret, "a secret");
  Deno.writeTextFileSync(`${folder}/it.cjs`, "module.exports = 1;");
  Deno.writeTextFileSync(
    new URL(prey.module),
    `if (import.meta.url.endsWith("?worker")) postMessage("ran");
if (import.meta.url.endsWith("?thread")) {
  (await import("node:worker_threads")).parentPort.postMessage("ran");
}
export const secret = 1;`,
  );
  void runtime;

  await t.step("each attempt succeeds where nothing is limited", async () => {
    const outcomes = await get(trySome.remote(names, prey));
    const failed = names.filter((name) =>
      outcomes[name] !== "done" && name !== "connects by TCP"
    );
    assertEquals(failed.map((name) => [name, outcomes[name]]), []);
    for (const left of ["left", "left.db"]) {
      Deno.removeSync(`${folder}/${left}`);
    }
  });

  const denied = await get(trySome.options(none).remote(names, prey));
  for (const name of names) {
    await t.step(name, () => assertMatch(denied[name]!, denial));
  }
  await t.step("and nothing of it is left", () => {
    assertEquals(
      [...Deno.readDirSync(folder)].map((entry) => entry.name).sort(),
      ["it.cjs", name, "secret.ts", "secret.txt"].sort(),
    );
  });

  await t.step("with all files and the net, not the session's", async () => {
    const permissions = { read: true, write: true, net: true };
    const outcomes = await get(
      trySome.options({ runtimeEnv: { permissions } }).remote([
        "lists the session's folder",
        "connects to the node's socket",
        "connects to the node's socket by node:net",
        "makes a socket in the session's folder",
        "links to a folder",
        "reads a file",
        "runs a command",
      ], prey),
    );
    assertEquals(outcomes["reads a file"], "done");
    delete outcomes["reads a file"];
    assertEquals(Object.keys(outcomes).length, 6);
    for (const [name, outcome] of Object.entries(outcomes)) {
      assertMatch(outcome, denial, name);
    }
  });

  await t.step("leaves nothing for the next: stores, globals", async () => {
    const permissions = "none" as const;
    const visit = remote(async (mark: string) => {
      const globals = globalThis as unknown as Record<string, unknown>;
      const cache = await caches.open("c");
      const seen = [
        localStorage.getItem("mark"),
        await cache.match("http://mark/") === undefined ? null : "cached",
        globals["mark"] ?? null,
        Reflect.get(Array.prototype, "mark") ?? null,
      ];
      localStorage.setItem("mark", mark);
      await cache.put("http://mark/", new Response(mark));
      globals["mark"] = mark;
      Reflect.set(Array.prototype, "mark", mark);
      return { seen, pid: Deno.pid };
    }, { runtimeEnv: { permissions } });
    const first = await get(visit.remote("first"));
    const second = await get(visit.remote("second"));
    assertEquals(second.seen, [null, null, null, null]);
    assert(first.pid !== second.pid);
  });

  /** Speaks on its own connection, in place of the runtime. */
  const speak = remote(
    async (kind: number, bytes: number[]) => {
      const { Socket } = await import("node:net");
      const frame = new Uint8Array(5 + bytes.length);
      new DataView(frame.buffer).setUint32(0, bytes.length + 1, true);
      frame[4] = kind;
      frame.set(bytes, 5);
      const { write } = Socket.prototype;
      Socket.prototype.write = function (this: unknown) {
        return Reflect.apply(write, this, [frame]);
      };
    },
    { ...none, maxRetries: 0 },
  );
  const data = (
    bytes: number[],
  ) => [bytes.length, 0, 0, 0, ...bytes, 0, 0, 0, 0];
  const text = (it: string) => [
    192 + it.length,
    ...new TextEncoder().encode(it),
  ];
  const words: Record<string, [kind: number, bytes: number[]]> = {
    "a frame of the runtime's own": [2, [0, 0, 0, 0]],
    "a task": [5, [1, 2, 3]],
    "a value that is none": [6, data([255, 1])],
    "a value with bytes left over": [6, [...data([128]), 1]],
    "a function": [6, data([17, 0])],
    "a foreign ref": [
      6,
      data([74, ...text("ref"), 34, 3, ...text("00"), 129, 128]),
    ],
    "an actor's handle": [6, data([74, ...text("handle"), 128])],
    "a length beyond all bounds": [6, [255, 255, 255, 255]],
  };
  for (const [what, [kind, bytes]] of Object.entries(words)) {
    await t.step(`forges ${what}`, async () => {
      await assertRejects(
        () => get(speak.remote(kind, bytes)),
        ProtocolError,
        "Cannot",
      );
    });
  }
  await t.step("says more than it was asked", async () => {
    const flood = remote(async () => {
      const { Socket } = await import("node:net");
      const answer = new Uint8Array([
        10,
        0,
        0,
        0,
        6,
        1,
        0,
        0,
        0,
        129,
        0,
        0,
        0,
        0,
      ]);
      const { write } = Socket.prototype;
      Socket.prototype.write = function (this: unknown) {
        for (let count = 0; count < 10_000; count++) {
          Reflect.apply(write, this, [answer]);
        }
        return true;
      };
    }, { ...none, maxRetries: 0 });
    // Its first word is its value, or the next one its end.
    const outcome = await get(flood.remote()).catch((error: unknown) => error);
    assert(outcome === 1 || outcome instanceof MantaError);
  });
  await t.step("an error that names files to be looked at", async () => {
    const lure = remote(() => {
      const error = new Error("lure");
      // Between a file that never ends and its mark: one that is the task's own.
      const [own] = /file:\S*#v8-[0-9a-f]{8}/.exec(error.stack!)!;
      error.stack = `Error: lure\n    at f (file:///dev/zero?(${own}:1:1)`;
      throw error;
    }, { ...none, maxRetries: 0 });
    const { cause } = await rejection(get(lure.remote())) as TaskError;
    const { stack } = cause as Error;
    assertMatch(
      stack!,
      /^Error: lure\n {4}at f \(file:\/\/\/dev\/zero\?\(\S*:1:1\)$/,
    );
    assertEquals(stack!.includes("#v8-"), false);
  });
  await t.step("the runtime goes on", async () => {
    assertEquals(await get(remote(() => 5).remote()), 5);
    assertEquals(await get(remote(() => 6, none).remote()), 6);
  });

  await server.shutdown();
  await Deno.remove(folder, { recursive: true }).catch(() => {});
});
