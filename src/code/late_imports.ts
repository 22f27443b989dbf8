/**
 * Where `import()` leads in a text, and which modules it starts as workers.
 *
 * Read by the parser, because no pattern tells code from comments and strings.
 * What can't be parsed is taken at its worst: whatever looks like an `import()`
 * is one.
 *
 * @module
 */
import { builtin } from "../base/builtin.ts";
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

const mayStartWorker = /\bnew\s+Worker\b/;

/** The addresses of modules that a module starts as workers, as far as their names are literals. */
export async function workerModulesOf(
  text: string,
  url: string,
): Promise<string[]> {
  if (!mayStartWorker.test(text)) return [];
  const tree = parsed(text, await loadParser());
  if (tree === undefined) return [];
  const found: string[] = [];
  for (const node of nodesIn(tree)) {
    if (!isMadeOf(node, "Worker")) continue;
    const [module] = node.arguments as SyntaxNode[];
    const specifier = module && besideModule(module);
    if (specifier !== undefined) found.push(new URL(specifier, url).href);
  }
  return found;
}

/** The name in `new URL("./name.ts", import.meta.url)`, or `import.meta.resolve("./name.ts")`. */
function besideModule(node: SyntaxNode): string | undefined {
  const [name, base] = (node.arguments ?? []) as SyntaxNode[];
  const isOwn = isMadeOf(node, "URL")
    ? base !== undefined && isOfMeta(base, "url")
    : node.type === "CallExpression" &&
      isOfMeta(node.callee as SyntaxNode, "resolve");
  const specifier = isOwn && name !== undefined ? literalOf(name) : undefined;
  return specifier !== undefined && /^\.{1,2}\//.test(specifier)
    ? specifier
    : undefined;
}

function isMadeOf(node: SyntaxNode, name: string): boolean {
  const { type, callee } = node;
  return type === "NewExpression" && (callee as SyntaxNode).name === name;
}

function isOfMeta(node: SyntaxNode, name: string): boolean {
  if (node.type !== "MemberExpression") return false;
  const { object, property } = node as SyntaxNode & Record<string, SyntaxNode>;
  return object!.type === "MetaProperty" && property!.name === name;
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
  const { stripTypeScriptTypes } = builtin("node:module");
  return stripTypeScriptTypes(text, { mode: "transform" });
}

/** What each `import()` takes. */
function* sourcesIn(tree: SyntaxNode): Generator<SyntaxNode> {
  for (const node of nodesIn(tree)) {
    if (node.type === "ImportExpression" && isSyntaxNode(node.source)) {
      yield node.source;
    }
  }
}

function* nodesIn(tree: SyntaxNode): Generator<SyntaxNode> {
  const open = [tree];
  while (open.length > 0) {
    const node = open.pop()!;
    yield node;
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
