/**
 * Real programs of their own process, in a folder of their own, and what they
 * leave behind: for tests of starting, ending and dying.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** A folder with a `deno.json` that takes the package through `links`. */
export class Program implements AsyncDisposable {
  readonly folder: string;
  /** Where the program's sessions put their sockets. */
  readonly temporary: string;

  constructor(name = "program") {
    this.folder = `${Deno.makeTempDirSync({ prefix: "mt-" })}/${name}`;
    this.temporary = Deno.makeTempDirSync({ prefix: "mt-" });
    Deno.mkdirSync(this.folder);
    this.write(
      "deno.json",
      JSON.stringify({
        links: [root],
        imports: { "@manta/manta": "jsr:@manta/manta@0.1.0" },
      }),
    );
  }

  /** Writes a file of the program; gives its path. */
  write(name: string, text: string): string {
    const path = `${this.folder}/${name}`;
    Deno.writeTextFileSync(path, text);
    return path;
  }

  /** Starts `deno` with these arguments in the program's folder. */
  start(
    args: string[],
    options: { stdin?: string; env?: Record<string, string> } = {},
  ): Running {
    return new Running(this, args, options);
  }

  /** Runs a script to its end. */
  run(
    source: string,
    options: { flags?: string[]; env?: Record<string, string> } = {},
  ): Promise<Ended> {
    const path = this.write("main.ts", source);
    const { flags = ["-A"], env = {} } = options;
    return this.start(["run", ...flags, path], { env }).ended;
  }

  /** Processes and files that its sessions left. */
  leftovers(): string[] {
    const files = [...Deno.readDirSync(this.temporary)].map(({ name }) => name);
    return [...files, ...this.processes().map(({ command }) => command)];
  }

  /** Living processes of its sessions, by their command lines. */
  processes(): { pid: number; command: string }[] {
    const found: { pid: number; command: string }[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const command = Deno.readTextFileSync(`/proc/${name}/cmdline`)
          .replaceAll("\0", " ");
        if (command.includes(this.temporary)) {
          found.push({ pid: Number(name), command });
        }
      } catch {
        // It ended while it was looked at.
      }
    }
    return found;
  }

  /** Resolves once nothing is left; rejects, naming it, if something stays. */
  async gone(withinMs = 5000): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (this.leftovers().length > 0) {
      if (performance.now() > deadline) {
        throw new Error(`Left behind: ${this.leftovers().join("; ")}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of this.processes()) killIfThere(pid);
    await Deno.remove(this.temporary, { recursive: true });
    await Deno.remove(`${this.folder}/..`, { recursive: true });
  }
}

/** How a program ended. */
export interface Ended {
  code: number;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** A program that runs. */
export class Running {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  readonly #process: Deno.ChildProcess;
  readonly #said = new Map<string, PromiseWithResolvers<void>>();
  readonly #complained = new Map<string, PromiseWithResolvers<void>>();
  #stdout = "";
  #stderr = "";

  constructor(
    program: Program,
    args: string[],
    options: { stdin?: string; env?: Record<string, string> },
  ) {
    const [command, ...rest] = args;
    this.#process = new Deno.Command(Deno.execPath(), {
      // What is downloaded for a first run is not what the program says.
      args: [command!, "--quiet", ...rest],
      cwd: program.folder,
      env: { NO_COLOR: "1", TMPDIR: program.temporary, ...options.env },
      stdin: options.stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.pid = this.#process.pid;
    this.ended = this.#end(options.stdin);
    this.ended.catch(() => {}); // Whoever awaits it is told.
  }

  /** What it has printed so far. */
  get printed(): string {
    return this.#stdout;
  }

  /** Resolves once it has printed this text. */
  said(text: string): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    if (this.#stdout.includes(text)) waiting.resolve();
    else this.#said.set(text, waiting);
    return waiting.promise;
  }

  /** Resolves once it has printed this text on stderr. */
  complained(text: string): Promise<void> {
    const waiting = Promise.withResolvers<void>();
    if (this.#stderr.includes(text)) waiting.resolve();
    else this.#complained.set(text, waiting);
    return waiting.promise;
  }

  /** Ends it by a signal. */
  kill(signal: Deno.Signal): void {
    this.#process.kill(signal);
  }

  async #end(stdin: string | undefined): Promise<Ended> {
    if (stdin !== undefined) {
      const writer = this.#process.stdin.getWriter();
      await writer.write(new TextEncoder().encode(stdin));
      await writer.close();
    }
    const { stdout, stderr } = this.#process;
    const [status] = await Promise.all([
      this.#process.status,
      this.#listen(stdout, this.#said, (text) => this.#stdout += text),
      this.#listen(stderr, this.#complained, (text) => this.#stderr += text),
    ]);
    const { code, signal } = status;
    const all = this.#stdout + this.#stderr;
    const never = [...this.#said.values(), ...this.#complained.values()];
    for (const waiting of never) {
      waiting.reject(new Error(`The program ended: ${all}`));
    }
    return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
  }

  async #listen(
    stream: ReadableStream<Uint8Array<ArrayBuffer>>,
    awaited: Map<string, PromiseWithResolvers<void>>,
    append: (chunk: string) => string,
  ): Promise<void> {
    for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
      const all = append(chunk);
      for (const [text, waiting] of awaited) {
        if (!all.includes(text)) continue;
        waiting.resolve();
        awaited.delete(text);
      }
    }
  }
}

/** It may end by itself meanwhile. */
function killIfThere(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
