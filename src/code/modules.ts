/**
 * Modules as text: what a module imports, whether the main module lies in its
 * graph, and the hash of a bundle of code.
 *
 * Reads what V8 runs, not files, so that it sees a program from stdin too and
 * needs no permission. Types are gone from that text, so an import that only
 * served types is none.
 *
 * @module
 */
import { builtin } from "../base/builtin.ts";
import type { CodeHash } from "../base/ids.ts";
import {
  isSyntaxNode,
  type Parser,
  parseText,
  type SyntaxNode,
} from "./syntax.ts";

/** What a local name was imported as. */
export interface ImportBinding {
  readonly specifier: string;
  /** Name of the export; `*` is the whole namespace. */
  readonly name: string;
  readonly attributes?: Record<string, string>;
}

const importStart = /^[ \t]*import\b(?!\s*[.(])/m;
const space = /(?:\s|\/\/.*|\/\*[^]*?\*\/)*/y;
const importStatement =
  /import\b(?!\s*[.(])[^"'()]*("[^"\n]*"|'[^'\n]*')(?:\s*with\s*\{[^}]*\})?\s*;?/y;

/** The local names that a module's import statements bind. */
export function importsOf(
  source: string,
  parser: Parser,
): Map<string, ImportBinding> {
  const bindings = new Map<string, ImportBinding>();
  const program = parseImports(source, parser);
  for (const statement of program.body as SyntaxNode[]) {
    if (statement.type === "ImportDeclaration") {
      addBindings(statement, bindings);
    }
  }
  return bindings;
}

function parseImports(source: string, parser: Parser): SyntaxNode {
  const head = importStatementsIn(source);
  try {
    return parseText(parser, head);
  } catch (error) {
    // The head was cut in a statement of a form that the pattern does not know.
    if (head === source) throw error;
    return parseText(parser, source);
  }
}

/** The head of the module where all its imports stand, or the whole where they are spread. */
function importStatementsIn(source: string): string {
  let end = 0;
  while (true) {
    space.lastIndex = end;
    space.exec(source);
    const start = Math.max(space.lastIndex, end);
    importStatement.lastIndex = start;
    if (!importStatement.test(source)) break;
    end = importStatement.lastIndex;
  }
  return importStart.test(source.slice(end)) ? source : source.slice(0, end);
}

function addBindings(
  statement: SyntaxNode,
  bindings: Map<string, ImportBinding>,
): void {
  const specifier = (statement.source as SyntaxNode).value as string;
  const attributes = attributesOf(statement);
  for (const part of statement.specifiers as SyntaxNode[]) {
    const local = (part.local as SyntaxNode).name as string;
    const imported = isSyntaxNode(part.imported)
      ? String(part.imported.name ?? part.imported.value)
      : part.type === "ImportDefaultSpecifier"
      ? "default"
      : "*";
    bindings.set(local, {
      specifier,
      name: imported,
      ...(attributes === undefined ? {} : { attributes }),
    });
  }
}

function attributesOf(
  statement: SyntaxNode,
): Record<string, string> | undefined {
  const list = (statement.attributes ?? []) as SyntaxNode[];
  if (list.length === 0) return undefined;
  return Object.fromEntries(list.map((attribute) => {
    const key = attribute.key as SyntaxNode;
    const value = (attribute.value as SyntaxNode).value as string;
    return [String(key.name ?? key.value), value];
  }));
}

/** Where loaded modules' texts come from. */
export interface ModuleTexts {
  /** The texts of those of the modules that are loaded. */
  moduleSources(urls: readonly string[]): Promise<Map<string, string>>;
}

const staticImport =
  /\b(?:import\s*|(?:import|export)\b[^"'`;=()]*?\bfrom\s*)("[^"\n]*"|'[^'\n]*')/g;

/** Knows whether a module imports, directly or not, the program's main one. */
export class ModuleGraph {
  readonly #texts: ModuleTexts;
  readonly #main: string;
  /** What each module imports, by address. */
  readonly #imports = new Map<string, string[]>();
  readonly #answers = new Map<string, boolean>();

  constructor(texts: ModuleTexts, main: string) {
    this.#texts = texts;
    this.#main = main;
  }

  /** Whether importing `url` elsewhere would run the main module there. */
  async containsMain(url: string): Promise<boolean> {
    if (this.#main === "") return false;
    if (url === this.#main) return true;
    if (!mayImportMain(url, this.#main)) return false;
    let answer = this.#answers.get(url);
    if (answer === undefined) {
      answer = await this.#search(url);
      this.#answers.set(url, answer);
    }
    return answer;
  }

  async #search(root: string): Promise<boolean> {
    const seen = new Set([root]);
    let wave = [root];
    while (wave.length > 0) {
      await this.#read(wave.filter((url) => !this.#imports.has(url)));
      const next: string[] = [];
      for (const url of wave.flatMap((url) => this.#imports.get(url) ?? [])) {
        if (url === this.#main) return true;
        if (seen.has(url) || !mayImportMain(url, this.#main)) continue;
        seen.add(url);
        next.push(url);
      }
      wave = next;
    }
    return false;
  }

  async #read(urls: string[]): Promise<void> {
    if (urls.length === 0) return;
    const texts = await this.#texts.moduleSources(urls);
    for (const url of urls) {
      const text = texts.get(url) ?? "";
      this.#imports.set(url, staticImportsOf(text, url));
    }
  }
}

/** Where a module's import statements lead, as far as that can be told. */
export function staticImportsOf(text: string, url: string): string[] {
  const found = text.matchAll(staticImport)
    .map((match) => resolved(match[1]!.slice(1, -1), url))
    .filter((found) => found !== undefined);
  return [...new Set(found)];
}

/** Packages are published apart from the program that uses them, so they can't import it. */
function mayImportMain(url: string, main: string): boolean {
  if (!url.startsWith(main.slice(0, main.indexOf(":") + 1))) return false;
  return !isPackageUrl(url) && !url.startsWith(ownSource);
}

/** Whether a file belongs to an installed npm package. */
export function isPackageUrl(url: string): boolean {
  return /\/node_modules\/|\/npm\/[\w-]+(\.[\w-]+)+\//.test(url);
}

/** This library's own modules never import a program. */
export const ownSource = new URL("../", import.meta.url).href;

/** Where a specifier leads from a module; nothing where that can't be told. */
export function resolved(specifier: string, base: string): string | undefined {
  try {
    if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, base).href;
    return import.meta.resolve(specifier);
  } catch {
    // A bare name that no import map knows leads to a package, if anywhere.
    return undefined;
  }
}

/** A hash takes no more at once. */
const hashedBytesMax = 1 << 30;

/** Names a bundle of code by all that it is made of: the values' skeleton, and every buffer beside it. */
export function hashCode(
  meta: string,
  valueParts: readonly Uint8Array[],
): CodeHash {
  // Loaded here: only processes that capture pay for it.
  const hash = builtin("node:crypto").createHash("sha256")
    .update(`${meta.length}:`)
    .update(meta);
  for (const part of valueParts) {
    hash.update(`${part.length}:`);
    for (let at = 0; at < part.length; at += hashedBytesMax) {
      hash.update(part.subarray(at, at + hashedBytesMax));
    }
  }
  return hash.digest("hex") as CodeHash;
}
