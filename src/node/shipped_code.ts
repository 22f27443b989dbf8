/**
 * The programs' files on a node that does not have them at their own paths:
 * each content is fetched once, and copied into a folder for each job, where
 * it lies by the whole path that it has on the program's machine.
 *
 * A machine that has the same files goes on with those.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { RuntimeEnvSetupError } from "../base/errors.ts";
import { isThere } from "../base/files.ts";
import type { JobId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type {
  Contents,
  ProgramCode,
  ProgramFile,
} from "../base/program_code.ts";
import { hashOf } from "../code/identity.ts";
import { parseJsonc } from "../code/jsonc.ts";
import { bytesOf } from "../code/module_files.ts";
import { ownSource } from "../code/modules.ts";
import { removeAll } from "../store/folder.ts";
import type { JobDescription } from "../wire/facts.ts";
import { absolute, batchesOf, flagValue } from "./program_code.ts";

/** Asks for contents of a job's files. */
export type Fetch = (hashes: string[]) => Promise<Contents>;

/** How a program's files get onto a machine, and off it. */
export interface CodeKeeper {
  /** What starts a job's processes here, once that can. */
  prepare(
    description: JobDescription,
    how: { jobId: JobId; fetch: Fetch },
  ): Promise<JobDescription>;
  /** Files that a job whose copies are here lacks yet come too. */
  bring(
    description: JobDescription,
    how: { jobId: JobId; fetch: Fetch },
  ): Promise<void>;
  /** A job is over: what no other needs goes with it. */
  released(jobId: JobId): void;
}

/** Keeps programs' files on one node. */
export class ShippedFiles implements CodeKeeper {
  readonly #folder: string;
  /** Contents that are here or on their way, and for how many jobs. */
  readonly #kept = new Map<string, { arrived: Promise<void>; jobs: number }>();
  /** What failed last, as it was told. */
  #said = "";
  readonly #hashes = new Map<JobId, Set<string>>();

  constructor(folder: string) {
    this.#folder = `${folder}/code`;
  }

  async prepare(
    description: JobDescription,
    { jobId, fetch }: { jobId: JobId; fetch: Fetch },
  ): Promise<JobDescription> {
    const { code, entries } = description;
    if (code === undefined || await isHere(entries.worker, code)) {
      return description;
    }
    const root = `${this.#folder}/${jobId}`;
    const setting = new Setting(root, description.flags, code);
    try {
      await this.#copy(code.files, { jobId, fetch });
      const flags = await this.#setUp(() => setting.flags());
      return this.#ready(description, { root, flags });
    } catch (error) {
      this.released(jobId);
      throw error;
    }
  }

  /** Work that only this machine can spoil. */
  async #setUp<Result>(
    work: () => Result | Promise<Result>,
  ): Promise<Result> {
    try {
      return await work();
    } catch (cause) {
      const message =
        `Cannot set up a program's files in "${this.#folder}": ${cause}`;
      // It is tried again, here or at another node.
      if (message !== this.#said) log.error(message);
      this.#said = message;
      throw new RuntimeEnvSetupError(message, { cause });
    }
  }

  #ready(
    { entries, job, ...description }: JobDescription,
    { root, flags }: { root: string; flags: string[] },
  ): JobDescription {
    const code = description.code!;
    const rootUrl = pathToFileURL(root).href;
    return {
      ...description,
      flags,
      entries: {
        worker: ownEntry(entries.worker, code),
        host: ownEntry(entries.host, code),
      },
      job: {
        ...job,
        code: { root: rootUrl, library: code.library, missing: code.missing },
      },
    };
  }

  async bring(
    { code }: JobDescription,
    how: { jobId: JobId; fetch: Fetch },
  ): Promise<void> {
    if (code !== undefined && this.#hashes.has(how.jobId)) {
      await this.#copy(code.files, how);
    }
  }

  async #copy(
    files: ProgramFile[],
    { jobId, fetch }: { jobId: JobId; fetch: Fetch },
  ): Promise<void> {
    await this.#gather(files, { jobId, fetch });
    await this.#setUp(() => this.#place(jobId, files));
  }

  #place(jobId: JobId, files: ProgramFile[]): void {
    for (const { url, hash } of files) {
      const path = `${this.#folder}/${jobId}${fileURLToPath(url)}`;
      // What is there is in use, and may be changed to fit this machine.
      if (isThere(path)) continue;
      Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      Deno.copyFileSync(`${this.#folder}/${hash}`, path);
    }
  }

  released(jobId: JobId): void {
    for (const hash of this.#hashes.get(jobId) ?? []) {
      const kept = this.#kept.get(hash);
      if (kept === undefined || --kept.jobs > 0) continue;
      this.#kept.delete(hash);
      removeAll(`${this.#folder}/${hash}`);
    }
    this.#hashes.delete(jobId);
    removeAll(`${this.#folder}/${jobId}`);
  }

  async #gather(
    files: ProgramFile[],
    { jobId, fetch }: { jobId: JobId; fetch: Fetch },
  ): Promise<void> {
    await this.#setUp(() =>
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    );
    const hashes = [...new Set(files.map(({ hash }) => hash))];
    const own = this.#hashes.get(jobId) ?? new Set();
    this.#hashes.set(jobId, own);
    const fresh = hashes.filter((hash) => !own.has(hash));
    for (const hash of fresh) {
      own.add(hash);
      const kept = this.#kept.get(hash);
      if (kept !== undefined) kept.jobs++;
    }
    const wanted = files.filter(({ hash }) => !this.#kept.has(hash));
    for (const batch of batchesOf(wanted)) {
      const arrived = fetch(batch).then((got) =>
        this.#setUp(() => this.#write(batch, got))
      );
      // Whoever awaits it below is told, and may try again.
      arrived.catch(() => batch.forEach((hash) => this.#kept.delete(hash)));
      for (const hash of batch) this.#kept.set(hash, { arrived, jobs: 1 });
    }
    await Promise.all(hashes.map((hash) => this.#kept.get(hash)?.arrived));
  }

  #write(hashes: string[], contents: Contents): void {
    for (const hash of hashes) {
      const bytes = contents[hash];
      if (bytes === undefined || hashOf(bytes) !== hash) {
        throw new Error(`what came for "${hash}" is something else`);
      }
      Deno.writeFileSync(`${this.#folder}/${hash}`, bytes, { mode: 0o600 });
    }
  }
}

/** Whether this machine has the program, and this library, at the same paths. */
async function isHere(
  entry: string,
  { files, folder }: ProgramCode,
): Promise<boolean> {
  // Nothing may be read of a program, or it has no files: then its folder tells.
  const isNoFolder = folder !== undefined && !isThere(new URL(folder));
  if (files.length === 0 && isNoFolder) return false;
  const isLibraryHere = !entry.startsWith("file:") ||
    await bytesOf(entry) !== undefined;
  if (!isLibraryHere) return false;
  for (const { url, hash, size } of files) {
    const bytes = await bytesOf(url);
    if (bytes?.length !== size || hashOf(bytes) !== hash) return false;
  }
  return true;
}

function ownEntry(entry: string, { library }: ProgramCode): string {
  return entry.replace(library, () => ownSource);
}

/** The configuration that a program's copies are resolved by. */
class Setting {
  readonly #root: string;
  readonly #given: string[];
  readonly #code: ProgramCode;

  constructor(root: string, flags: string[], code: ProgramCode) {
    this.#root = root;
    this.#given = flags;
    this.#code = code;
  }

  /** The flags with the copies' paths; the copied configuration leads to this node's library. */
  async flags(): Promise<string[]> {
    const flags = this.#given
      .filter((flag) => !flag.startsWith("--node-modules-dir"))
      .map((flag) => this.#flag(flag));
    const path = flagValue(this.#given, "import-map");
    const config = flagValue(this.#given, "config");
    if (config !== undefined) await this.#linkLibrary(config);
    const map = path ?? await this.#mapOf(config);
    if (map !== undefined) await this.#mapLibrary(map);
    else {
      const own = "/manta_import_map.json";
      Deno.writeTextFileSync(this.#root + own, "{}");
      await this.#mapLibrary(own);
      flags.push(`--import-map=${this.#root}${own}`);
    }
    // Packages come from this machine's cache.
    return [...flags, "--node-modules-dir=none"];
  }

  #flag(flag: string): string {
    const [, name, value] = /^--([^=]+)=([^]*)$/.exec(flag) ?? [];
    if (name === undefined || value === undefined) return flag;
    if (/^(config|import-map|lock)$/.test(name) && this.#has(value)) {
      return `--${name}=${this.#root}${value}`;
    }
    if (!/^(allow|deny)-read$/.test(name)) return flag;
    const copies = value.split(",").map((path) => this.#root + path);
    return `${flag},${copies.join(",")}`;
  }

  #has(path: string): boolean {
    const address = pathToFileURL(path).href;
    return this.#code.files.some(({ url }) => url === address);
  }

  /** Where the import map is, if the configuration has one of its own file. */
  async #mapOf(config: string | undefined): Promise<string | undefined> {
    if (config === undefined) return undefined;
    const { importMap } = await this.#read(config);
    return typeof importMap === "string" ? absolute(importMap, config) : config;
  }

  /** What the copies import of this library, wherever the program has it, is this node's. */
  async #mapLibrary(path: string): Promise<void> {
    const { library } = this.#code;
    if (!library.startsWith("file:")) return;
    const map = await this.#read(path);
    const here = pathToFileURL(this.#root + fileURLToPath(library)).href;
    const outer = (url: string) => new URL("..", url).href;
    map["imports"] = {
      ...map["imports"] as object,
      [here]: ownSource,
      [library]: ownSource,
      [`${outer(here)}mod.ts`]: `${outer(ownSource)}mod.ts`,
      [`${outer(library)}mod.ts`]: `${outer(ownSource)}mod.ts`,
    };
    this.#write(path, map);
  }

  /** Linked packages are found from the copy as from the original. */
  async #linkLibrary(path: string): Promise<void> {
    const config = await this.#read(path);
    if (!Array.isArray(config["links"])) return;
    const { library } = this.#code;
    const package_ = library.startsWith("file:")
      ? fileURLToPath(new URL("..", library))
      : undefined;
    config["links"] = config["links"].map((link) => {
      const folder = join(absolute(`${link}/`, path), "/");
      if (folder === package_) return fileURLToPath(new URL("..", ownSource));
      return this.#root + folder;
    });
    this.#write(path, config);
  }

  async #read(path: string): Promise<Record<string, unknown>> {
    const text = Deno.readTextFileSync(this.#root + path);
    return await parseJsonc(text);
  }

  #write(path: string, value: Record<string, unknown>): void {
    Deno.writeTextFileSync(this.#root + path, JSON.stringify(value));
  }
}
