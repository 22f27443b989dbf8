/**
 * Runs text as if it stood in a module of the program.
 *
 * A text with `import()` in it needs `node:vm`, so that the import is resolved
 * against that module, and so does one whose lines Deno is to map. That takes
 * longer to load than a worker takes to start, so all other text is evaluated
 * directly.
 *
 * @module
 */
import { SerializationError } from "../base/errors.ts";
import type { ModuleMeta } from "./meta.ts";
import { broughtTo, isLeftBehind, missingIn, placeOf } from "./shipped.ts";
import { mapAddress, marked } from "./stack.ts";

/** Where a text stands. */
export interface Standing {
  readonly module: ModuleMeta;
  /** Line of the module that the text's first line counts as, from 0. */
  readonly lineOffset: number;
  /** Whether this process runs the module from the text it was taken from. */
  readonly isLoaded: boolean;
}

/** Evaluates a text as part of a module. */
export async function run<Result>(
  text: string,
  { module, lineOffset, isLoaded }: Standing,
): Promise<Result> {
  const { textHash } = module;
  const url = placeOf(module.url);
  if (isLoaded && textHash !== undefined) {
    // Deno maps what goes by the name of a module that it loaded.
    const named = `${text}\n//# sourceMappingURL=${mapAddress(textHash)}`;
    return await runScript(named, { filename: url, lineOffset });
  }
  const filename = marked({ ...module, url });
  const importsSomething = /\bimport\b/.test(text);
  // Only a script can begin before its file's first line.
  if (importsSomething || lineOffset < 0 || /\s/.test(filename)) {
    return await runScript(text, { filename, lineOffset });
  }
  const evaluate = globalThis.eval;
  const padding = "\n".repeat(lineOffset);
  return evaluate(`${padding}${text}\n//# sourceURL=${filename}`);
}

/** Imports what a module at `base` would get for a specifier. */
export async function importFrom(
  base: string,
  specifier: string,
  attributes?: Record<string, string>,
): Promise<Record<string, unknown>> {
  try {
    return await importHere(placeOf(base), specifier, attributes);
  } catch (cause) {
    const url = absolute(specifier, placeOf(base));
    if (url !== undefined && isLeftBehind(url)) {
      throw new SerializationError(
        `Cannot import "${specifier}" on this node: packages' own folders do not go along; import it as "npm:…", or put it on each node at the same path`,
        { path: specifier, cause },
      );
    }
    const [missing] = missingIn(String(cause));
    if (missing === undefined) throw cause;
    throw new SerializationError(
      `Cannot import "${specifier}" on this node: "${missing}" was gone from the program's machine before it could be sent; put it back and start the program again`,
      { path: specifier, cause },
    );
  }
}

async function importHere(
  base: string,
  specifier: string,
  attributes: Record<string, string> | undefined,
): Promise<Record<string, unknown>> {
  const named = absolute(specifier, base);
  const url = named && await broughtTo(named);
  if (url !== undefined && attributes === undefined) return await import(url);
  const options = attributes === undefined
    ? ""
    : `,{with:${JSON.stringify(attributes)}}`;
  const text = `import(${JSON.stringify(url ?? specifier)}${options})`;
  return await runScript(text, { filename: base, lineOffset: 0 });
}

/** A specifier that means the same in every module. */
function absolute(specifier: string, base: string): string | undefined {
  if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, base).href;
  return /^(node|npm|jsr|file|https?|data):/.test(specifier)
    ? specifier
    : undefined;
}

async function runScript<Result>(
  text: string,
  options: { filename: string; lineOffset: number },
): Promise<Result> {
  const { constants, Script } = await import("node:vm");
  const script = new Script(text, {
    ...options,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  return await script.runInThisContext();
}
