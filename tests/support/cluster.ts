/**
 * Real clusters for tests: each node a process of the command line, on
 * loopback, in a folder of its own.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const cli = fileURLToPath(new URL("../../cli.ts", import.meta.url));
const startedWithinMs = 30_000;

/** What a ready file says. */
export interface Ready {
  address: string;
  tokenFile?: string;
  dashboardUrl?: string;
  pid: number;
  nodeId: string;
}

/** How a node is started. */
export interface NodeOptions {
  args?: string[];
  env?: Record<string, string>;
  /** Where it finds its head; default: the cluster's. */
  headAddress?: string;
  /** A folder in which it sees nothing, as on another machine. */
  hidden?: string;
  /** The command that runs it where it is to be. */
  on?(command: string[]): string[];
}

/** Whether nodes can be started that don't see a folder. */
export const canHide: boolean = canRun(hiding("/mnt", ["true"]));

/** A command that runs another where a folder is empty. */
function hiding(folder: string, command: string[]): string[] {
  const user = Deno.uid() === 0 ? [] : ["--map-root-user"];
  const script = 'mount -t tmpfs none "$0" && exec "$@"';
  const shell = ["sh", "-c", script, folder];
  return ["unshare", ...user, "--mount", ...shell, ...command];
}

function canRun([command, ...args]: string[]): boolean {
  try {
    const stdio = { stdout: "null", stderr: "null" } as const;
    return new Deno.Command(command!, { args, ...stdio }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A node's process. */
export class TestNode {
  readonly dir: string;
  readonly #process: Deno.ChildProcess;
  readonly #readyFile: string;
  readonly output: { text: string } = { text: "" };
  readonly #outputs: Promise<unknown>;
  ready!: Ready;

  constructor(
    command: string[],
    { dir, folder, options }: {
      dir: string;
      folder: string;
      options: NodeOptions;
    },
  ) {
    this.dir = dir;
    this.#readyFile = `${dir}.ready.${crypto.randomUUID()}`;
    const whole = [
      Deno.execPath(),
      "run",
      "-A",
      cli,
      ...command,
      "--dir",
      dir,
      "--ready-file",
      this.#readyFile,
      ...options.args ?? ["--num-cpus", "2"],
    ];
    const seeing = options.hidden === undefined
      ? whole
      : hiding(options.hidden, whole);
    const [first, ...args] = options.on?.(seeing) ?? seeing;
    this.#process = new Deno.Command(first!, {
      args,
      env: {
        HOME: folder,
        XDG_CONFIG_HOME: "",
        XDG_STATE_HOME: "",
        DENO_DIR: denoDir(),
        TMPDIR: folder,
        ...options.env,
      },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#outputs = Promise.all([
      this.#gather(this.#process.stdout),
      this.#gather(this.#process.stderr),
    ]);
  }

  /** Resolves once it says that it is ready. */
  async started(): Promise<this> {
    const deadline = performance.now() + startedWithinMs;
    let hasEnded = false;
    this.#process.status.then(() => hasEnded = true);
    for (;;) {
      try {
        this.ready = JSON.parse(Deno.readTextFileSync(this.#readyFile));
        return this;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
      if (hasEnded || performance.now() > deadline) {
        await this.kill();
        throw new Error(`A node did not start: ${this.output.text}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Ends it at once. */
  async kill(signal: Deno.Signal = "SIGKILL"): Promise<number> {
    try {
      this.#process.kill(signal);
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof TypeError)) throw error;
    }
    return await this.ended();
  }

  /** Resolves with its exit status. */
  async ended(): Promise<number> {
    const { code } = await this.#process.status;
    await this.#outputs;
    return code;
  }

  async #gather(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.output.text += text;
    }
  }
}

/** A head and further nodes. */
export class TestCluster implements AsyncDisposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "mc-" });
  readonly nodes: TestNode[] = [];
  head!: TestNode;
  #nextNo = 1;

  /** Starts a head, and `nodeCount` further nodes. */
  static async start(
    nodeCount: number,
    options: NodeOptions = {},
  ): Promise<TestCluster> {
    const cluster = new TestCluster();
    try {
      await cluster.startHead(options);
      await Promise.all(
        Array.from({ length: nodeCount }, () => cluster.join(options)),
      );
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where programs find it. */
  get address(): string {
    return this.head.ready.address;
  }

  /** Its token. */
  get token(): string {
    return Deno.readTextFileSync(`${this.head.dir}/token`).trim();
  }

  /** Starts the head, in the folder where it was before if there was one. */
  async startHead(options: NodeOptions = {}): Promise<TestNode> {
    const { folder } = this;
    const dir = `${folder}/head`;
    this.head = new TestNode(["cluster", "--port", "0"], {
      dir,
      folder,
      options,
    });
    return await this.head.started();
  }

  /** Starts a further node. */
  async join(options: NodeOptions = {}): Promise<TestNode> {
    const { folder } = this;
    const dir = `${folder}/node-${this.#nextNo++}`;
    const address = options.headAddress ?? this.address;
    const tokenFile = `${this.head.dir}/token`;
    const node = new TestNode(["cluster", "join", address], {
      dir,
      folder,
      options: {
        ...options,
        args: [
          ...options.args ?? ["--num-cpus", "2"],
          "--token-file",
          tokenFile,
        ],
      },
    });
    this.nodes.push(node);
    return await node.started();
  }

  /** Starts a further head in a folder; fails where it does not start. */
  async startAgain(dir: string): Promise<TestNode> {
    const { folder } = this;
    const node = new TestNode(["cluster", "--port", "0"], {
      dir,
      folder,
      options: {},
    });
    return await node.started();
  }

  /** Runs a command. */
  async command(
    ...args: string[]
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", cli, ...args],
      env: {
        HOME: this.folder,
        XDG_CONFIG_HOME: "",
        XDG_STATE_HOME: "",
        DENO_DIR: denoDir(),
        MANTA_TOKEN: this.token,
        NO_COLOR: "1",
      },
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return {
      code: output.code,
      stdout: text(output.stdout),
      stderr: text(output.stderr),
    };
  }

  /** Runs a command against it. */
  async run(...args: string[]): ReturnType<TestCluster["command"]> {
    return await this.command(...args, "--address", this.address);
  }

  /** Processes of its nodes that live. */
  processes(): { pid: number; command: string }[] {
    const found: { pid: number; command: string }[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const command = Deno.readTextFileSync(`/proc/${name}/cmdline`)
          .replaceAll("\0", " ");
        if (command.includes(this.folder)) {
          found.push({ pid: Number(name), command });
        }
      } catch {
        // It ended while it was looked at.
      }
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.nodes, this.head].filter((node) => node !== undefined);
    await Promise.all(all.map((node) => node.kill("SIGTERM")));
    const deadline = performance.now() + 5000;
    while (this.processes().length > 0) {
      if (performance.now() > deadline) {
        const left = this.processes();
        for (const { pid } of left) Deno.kill(pid, "SIGKILL");
        throw new Error(
          `Left behind: ${left.map(({ command }) => command).join("; ")}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await Deno.remove(this.folder, { recursive: true });
  }
}

function denoDir(): string {
  return Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`;
}
