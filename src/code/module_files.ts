/**
 * The local files that a module needs, itself among them, as their bytes: what
 * goes along to a machine that has none of them.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { lateImportsOf, workerModulesOf } from "./late_imports.ts";
import {
  isPackageUrl,
  ownSource,
  resolved,
  staticImportsOf,
} from "./modules.ts";

/** Files by address, and addresses where none is. */
export interface ModuleFiles {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly missing: ReadonlySet<string>;
}

const hasImports = /\.[cm]?[jt]sx?$/;

/** Reads a module and all local ones that it imports, however, or starts as workers. */
export async function moduleFilesOf(roots: string[]): Promise<ModuleFiles> {
  const files = new Map<string, Uint8Array>();
  const missing = new Set<string>();
  const seen = new Set<string>();
  let wave = roots.map(withoutQuery);
  while (wave.length > 0) {
    const fresh = [...new Set(wave)].filter((url) => !seen.has(url));
    const found = await Promise.all(fresh.map(async (url) => {
      seen.add(url);
      if (!isShipped(url)) return [];
      const bytes = await bytesOf(url);
      if (bytes === undefined) {
        missing.add(url);
        return [];
      }
      files.set(url, bytes);
      if (!hasImports.test(url)) return [];
      const text = new TextDecoder().decode(bytes);
      const late = await lateImportsOf(text, url) ?? [];
      const workers = await workerModulesOf(text, url);
      return [...staticImportsOf(text, url), ...late, ...workers]
        .map(withoutQuery);
    }));
    wave = found.flat();
  }
  return { files, missing };
}

function isShipped(url: string): boolean {
  const entry = resolved("../mod.ts", ownSource);
  return url.startsWith("file:///") && !isPackageUrl(url) &&
    !url.startsWith(ownSource) && url !== entry;
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/, "");
}

/** A file's bytes; nothing where none is, or none that this program may read without asking. */
export async function bytesOf(url: string): Promise<Uint8Array | undefined> {
  const path = fileURLToPath(url);
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return undefined;
  try {
    return await Deno.readFile(path);
  } catch (error) {
    if (noFile.some((Kind) => error instanceof Kind)) return undefined;
    throw error;
  }
}

const noFile = [
  Deno.errors.NotFound,
  Deno.errors.IsADirectory,
  Deno.errors.NotADirectory,
  Deno.errors.PermissionDenied,
  Deno.errors.NotCapable,
];
