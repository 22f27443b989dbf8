/**
 * A program's own files, as its driver's node hands them out: its modules and
 * the configuration, lock file and import map that they are resolved by.
 *
 * Read once, when the first node asks; what is edited later is the next
 * program's.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { limits } from "../base/limits.ts";
import type {
  Contents,
  ProgramCode,
  ProgramFile,
} from "../base/program_code.ts";
import { hashOf } from "../code/identity.ts";
import { parseJsonc } from "../code/jsonc.ts";
import { bytesOf, moduleFilesOf } from "../code/module_files.ts";
import { ownSource } from "../code/modules.ts";
import { log } from "../base/log.ts";

/** Reads one program's files, and hands them out. */
export class ProgramFiles {
  readonly #mainModule: string;
  readonly #flags: string[];
  readonly #isImported: (url: string) => Promise<boolean>;
  readonly #contents: Contents = {};
  #described: Promise<ProgramCode> | undefined;

  /** `isImported` tells whether a module is one of the program's. */
  constructor(
    { mainModule, flags, isImported }: {
      mainModule: string;
      flags: string[];
      isImported(url: string): Promise<boolean>;
    },
  ) {
    this.#mainModule = mainModule;
    this.#flags = flags;
    this.#isImported = isImported;
  }

  /** What there is; with a module that is wanted, if the program imported it. */
  async describe(wanted?: string): Promise<ProgramCode> {
    const code = await (this.#described ??= this.#read());
    if (wanted === undefined || code.files.some(({ url }) => url === wanted)) {
      return code;
    }
    if (!await this.#isImported(wanted)) return code;
    const { files, missing } = await moduleFilesOf([wanted]);
    const known = new Set(code.files.map(({ url }) => url));
    const fresh = [...files].filter(([url]) => !known.has(url));
    code.files.push(...fresh.map((file) => this.#taken(file)));
    code.missing.push(...missing);
    return code;
  }

  /** Files by their hashes; throws for one that is not the program's. */
  contents(hashes: string[]): Contents {
    return pick(this.#contents, hashes);
  }

  async #read(): Promise<ProgramCode> {
    const modules = await moduleFilesOf([this.#mainModule]);
    const settings = await moduleFilesOf(await settingsOf(this.#flags));
    const files = new Map([...modules.files, ...settings.files]);
    return {
      library: ownSource,
      ...(this.#mainModule.startsWith("file:")
        ? { folder: new URL(".", this.#mainModule).href }
        : {}),
      files: [...files].map((file) => this.#taken(file)),
      missing: [...modules.missing],
    };
  }

  #taken([url, bytes]: [string, Uint8Array]): ProgramFile {
    const hash = hashOf(bytes);
    this.#contents[hash] = bytes;
    return { url, hash, size: bytes.length };
  }
}

/** Hashes of files, each once, in as many lists as there are to be requests. */
export function batchesOf(files: readonly ProgramFile[]): string[][] {
  const sizes = new Map(files.map(({ hash, size }) => [hash, size]));
  const batches: string[][] = [];
  let bytes = Infinity;
  for (const [hash, size] of sizes) {
    if (bytes + size > limits.shippedBytesMax) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)!.push(hash);
    bytes += size;
  }
  return batches;
}

/** Some of the files; throws where one is not there. */
export function pick(contents: Contents, hashes: string[]): Contents {
  return Object.fromEntries(hashes.map((hash) => {
    const bytes = contents[hash];
    if (bytes === undefined) {
      throw new Error(`The program has no file of hash "${hash}"`);
    }
    return [hash, bytes];
  }));
}

/** The value of a flag in its `--name=value` form. */
export function flagValue(flags: string[], name: string): string | undefined {
  const start = `--${name}=`;
  return flags.find((flag) => flag.startsWith(start))?.slice(start.length);
}

/** Addresses of what modules may be resolved by; not all of them need be there. */
async function settingsOf(flags: string[]): Promise<string[]> {
  const paths = ["import-map", "lock"].flatMap((name) =>
    flagValue(flags, name) ?? []
  ).filter((path) => !/^https?:/.test(path));
  const config = flagValue(flags, "config");
  for (let path = config; path !== undefined;) {
    const folder = dirname(path);
    paths.push(path, ...await namedIn(path), ...besides(folder));
    const parent = dirname(folder);
    // The root of a workspace may be further up.
    path = parent === folder ? undefined : join(parent, "deno.json");
  }
  return paths.map((path) => pathToFileURL(path).href);
}

function besides(folder: string): string[] {
  return ["deno.json", "deno.jsonc", "deno.lock", "package.json"]
    .map((name) => join(folder, name));
}

/** Files that a configuration names: its import map, its lock file, other configurations. */
async function namedIn(path: string): Promise<string[]> {
  const config = await configAt(path);
  const { importMap, lock, workspace, links } = config;
  const files = [importMap, lock, (lock as { path?: unknown } | null)?.path]
    .filter((each) => typeof each === "string" && !/^https?:/.test(each));
  const members = Array.isArray(workspace)
    ? workspace
    : (workspace as { members?: unknown[] } | undefined)?.members ?? [];
  const folders = [...members, ...Array.isArray(links) ? links : []]
    .filter((each) => typeof each === "string");
  return [
    ...files.map((file) => absolute(file as string, path)),
    ...folders.flatMap((folder) =>
      ["deno.json", "deno.jsonc", "package.json"].map((name) =>
        join(absolute(folder, path), name)
      )
    ),
  ];
}

/** A path in a configuration, from the root. */
export function absolute(named: string, config: string): string {
  return fileURLToPath(new URL(named, pathToFileURL(config)));
}

async function configAt(path: string): Promise<Record<string, unknown>> {
  const bytes = await bytesOf(pathToFileURL(path).href);
  // It names nothing then.
  if (bytes === undefined) return {};
  const text = new TextDecoder().decode(bytes);
  try {
    return await parseJsonc(text);
  } catch (error) {
    log.debug(`${path} can't be read as configuration: ${error}`);
    return {};
  }
}
