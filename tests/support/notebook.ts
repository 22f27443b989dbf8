/**
 * Deno's Jupyter kernel, as a person's notebook would drive it: for tests.
 * Needs a Python that has jupyter_client and nbformat.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const driver = fileURLToPath(new URL("./kernel.py", import.meta.url));

/** One output of a cell, as notebooks keep it. */
export interface Output {
  output_type: string;
  name?: string;
  text?: string;
  data?: Record<string, string>;
  metadata?: Record<string, unknown>;
  execution_count?: number;
  /** Where it may be shown anew, and how often it was. */
  id?: string | null;
  updates?: number;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}

/** A Python that can drive a kernel; undefined, with a line that says so, where there is none. */
export const python = findPython();

function findPython(): string | undefined {
  for (const path of [`${root}.jupyter/bin/python`, "python3"]) {
    try {
      const { success } = new Deno.Command(path, {
        args: ["-c", "import jupyter_client, nbformat"],
        stderr: "null",
      }).outputSync();
      if (success) return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  console.error(
    "SKIPPED: tests of notebooks, because there is no Python with Jupyter; make one with " +
      "`python3 -m venv .jupyter && .jupyter/bin/pip install jupyter_client nbformat`",
  );
  return undefined;
}

/** One kernel, with a folder of its own for all that it writes. */
export class Kernel implements AsyncDisposable {
  /** Where sessions of the kernel's programs put their sockets. */
  readonly temporary: string;
  /** The kernel's process. */
  pid = 0;
  readonly #process: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #heard = "";

  private constructor(temporary: string, folder: string) {
    this.temporary = temporary;
    this.#process = new Deno.Command(python!, {
      args: [driver, folder],
      env: {
        TMPDIR: temporary,
        JUPYTER_PATH: `${temporary}/jupyter`,
        JUPYTER_RUNTIME_DIR: `${temporary}/jupyter`,
        NO_COLOR: "1",
      },
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#writer = this.#process.stdin.getWriter();
    this.#reader = this.#process.stdout
      .pipeThrough(new TextDecoderStream())
      .getReader();
  }

  /** Starts one in a folder of this repository. */
  static async start(within = ""): Promise<Kernel> {
    const temporary = Deno.makeTempDirSync({ prefix: "mt-" });
    const folder = `${temporary}/jupyter/kernels/deno`;
    Deno.mkdirSync(folder, { recursive: true });
    // What `deno jupyter --install` writes, but where only this test looks.
    Deno.writeTextFileSync(
      `${folder}/kernel.json`,
      JSON.stringify({
        argv: [
          Deno.execPath(),
          "jupyter",
          "--kernel",
          "--conn",
          "{connection_file}",
        ],
        display_name: "Deno",
        language: "typescript",
      }),
    );
    const kernel = new Kernel(temporary, `${root}${within}`);
    kernel.pid = (await kernel.#answer() as { pid: number }).pid;
    return kernel;
  }

  /** Runs a cell to its end; gives all it put out. */
  run(code: string): Promise<Output[]> {
    return this.#ask({ run: code }) as Promise<Output[]>;
  }

  /** Rejects what is no notebook. */
  async validate(notebook: string): Promise<void> {
    await this.#ask({ validate: notebook });
  }

  /** As the button does it: another process, which knows nothing. */
  async restart(): Promise<void> {
    this.pid = await this.#ask({ restart: true }) as number;
  }

  /** Living processes that this kernel's programs started, by their command lines. */
  workers(): string[] {
    const found: string[] = [];
    for (const { name } of Deno.readDirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const command = Deno.readTextFileSync(`/proc/${name}/cmdline`)
          .replaceAll("\0", " ");
        const isOwn = command.includes(`${this.temporary}/`) &&
          !command.includes("jupyter --kernel");
        if (isOwn) found.push(command);
      } catch {
        // It ended while it was looked at.
      }
    }
    return found;
  }

  /** Files that sessions left, and their processes. */
  leftovers(): string[] {
    const files = [...Deno.readDirSync(this.temporary)].map(({ name }) => name);
    return [
      ...files.filter((name) => /^manta/.test(name)),
      ...this.workers(),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    const { success } = await this.#process.status;
    await Deno.remove(this.temporary, { recursive: true });
    if (!success) throw new Error("The kernel's driver failed; see above");
  }

  async #ask(command: object): Promise<unknown> {
    const line = `${JSON.stringify(command)}\n`;
    await this.#writer.write(new TextEncoder().encode(line));
    return await this.#answer();
  }

  async #answer(): Promise<unknown> {
    while (!this.#heard.includes("\n")) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("The kernel's driver ended; see above");
      this.#heard += value;
    }
    const end = this.#heard.indexOf("\n");
    const line = this.#heard.slice(0, end);
    this.#heard = this.#heard.slice(end + 1);
    return JSON.parse(line);
  }
}
