/**
 * Where `import()` leads in a text.
 *
 * Read by the parser, because no pattern tells code from comments and strings.
 * What can't be parsed is taken at its worst: whatever looks like an `import()`
 * is one.
 *
 * @module
 */
import process from "node:process";
import { resolved } from "./modules.ts";
import {
  isSyntaxNode,
  loadParser,
  type Parser,
  parseText,
  partsOf,
  type SyntaxNode,
} from "./syntax.ts";

/** Most texts have none, and need no parser to tell. */
const mayImport = /\bimport\s*[(/.]/;
const looksLikeImport =
  /\bimport\b(?:\s|\/\/.*|\/\*[^]*?\*\/|\.\s*(?:defer|source)\b)*\(/;

/**
 * The addresses that `import()` is called with in a module, or in a function
 * taken out of it; undefined where one is known only when it runs.
 */
export async function lateImportsOf(
  text: string,
  url: string,
): Promise<string[] | undefined> {
  if (!mayImport.test(text)) return [];
  const tree = parsed(text, await loadParser());
  if (tree === undefined) return looksLikeImport.test(text) ? undefined : [];
  const found: string[] = [];
  for (const source of sourcesIn(tree)) {
    const specifier = literalOf(source);
    if (specifier === undefined) return undefined;
    const target = resolved(specifier, url);
    if (target !== undefined) found.push(target);
  }
  return found;
}

/** A module, a function, a method, or one of these in TypeScript. */
function parsed(text: string, parser: Parser): SyntaxNode | undefined {
  const ways = [
    () => text,
    () => `(${text}\n)`,
    () => `({${text}\n})`,
    () => withoutTypes(text),
  ];
  for (const way of ways) {
    try {
      return parseText(parser, way());
    } catch {
      // Another way may read it, and if none does, that is what is told.
    }
  }
  return undefined;
}

function withoutTypes(text: string): string {
  const { stripTypeScriptTypes } = process.getBuiltinModule("node:module");
  return stripTypeScriptTypes(text, { mode: "transform" });
}

/** What each `import()` takes. */
function* sourcesIn(tree: SyntaxNode): Generator<SyntaxNode> {
  const open = [tree];
  while (open.length > 0) {
    const node = open.pop()!;
    if (node.type === "ImportExpression" && isSyntaxNode(node.source)) {
      yield node.source;
    }
    open.push(...partsOf(node));
  }
}

function literalOf(source: SyntaxNode): string | undefined {
  if (source.type === "Literal" && typeof source.value === "string") {
    return source.value;
  }
  if (source.type !== "TemplateLiteral") return undefined;
  const [only, ...more] = source.quasis as SyntaxNode[];
  const { cooked } = only!.value as { cooked?: string | null };
  return more.length > 0 ? undefined : cooked ?? undefined;
}
