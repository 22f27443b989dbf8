/**
 * What code in a sandbox may try, and what there is to be had: each attempt
 * succeeds where nothing is limited.
 *
 * @module
 */
import { sessionFoldersIn } from "./sessions.ts";
import { init } from "../../mod.ts";

/** What there is to be had. */
export interface Prey {
  folder: string;
  session: string;
  socket: string;
  secret: string;
  module: string;
  port: number;
  pid: number;
}

/** One attempt. */
export type Attempt = (prey: Prey) => unknown;

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
export const escapes: Record<string, Attempt> = {
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

/** What a denied attempt is told. */
export const denial =
  /^Requires .*(access|more)|requires unscoped --allow-read/;

/** A runtime whose session lies in a folder that is known, and what lies beside it. */
export class HuntingGround implements AsyncDisposable {
  readonly folder: string;
  readonly prey: Prey;
  /** The name of the folder that sessions stand in. */
  readonly sessionName: string;
  readonly #runtime: AsyncDisposable;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor(folder: string, runtime: AsyncDisposable) {
    this.folder = folder;
    this.#runtime = runtime;
    const [session] = sessionFoldersIn(folder) as [string];
    this.sessionName = session.split("/").at(-2)!;
    const socket = [...Deno.readDirSync(session)]
      .find((entry) => entry.name.endsWith(".sock"))!.name;
    this.#server = Deno.serve(
      { port: 0, onListen() {} },
      () => new Response(),
    );
    this.prey = {
      folder,
      session,
      socket: `${session}/${socket}`,
      secret: `${folder}/secret.txt`,
      module: `file://${folder}/secret.ts`,
      port: this.#server.addr.port,
      pid: Deno.pid,
    };
    Deno.writeTextFileSync(this.prey.secret, "a secret");
    Deno.writeTextFileSync(`${folder}/it.cjs`, "module.exports = 1;");
    Deno.writeTextFileSync(
      new URL(this.prey.module),
      `if (import.meta.url.endsWith("?worker")) postMessage("ran");
if (import.meta.url.endsWith("?thread")) {
  (await import("node:worker_threads")).parentPort.postMessage("ran");
}
export const secret = 1;`,
    );
  }

  /** Starts it. */
  static async open(): Promise<HuntingGround> {
    const folder = await Deno.realPath(await Deno.makeTempDir());
    const variable = Deno.env.get("TMPDIR");
    Deno.env.set("TMPDIR", folder);
    const runtime = await init({ numCpus: 2 });
    if (variable === undefined) Deno.env.delete("TMPDIR");
    else Deno.env.set("TMPDIR", variable);
    return new HuntingGround(folder, runtime);
  }

  /** What lies there that was not there from the start. */
  left(): string[] {
    const own = ["it.cjs", this.sessionName, "secret.ts", "secret.txt"];
    return [...Deno.readDirSync(this.folder)].map((entry) => entry.name)
      .filter((name) => !own.includes(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
    await this.#runtime[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}
