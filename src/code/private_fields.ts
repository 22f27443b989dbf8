/**
 * Whether a class keeps something where only its own code can read it.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { textOf } from "./shape.ts";
import {
  isSyntaxNode,
  loadParser,
  parseText,
  type SyntaxNode,
} from "./syntax.ts";

/** A `#private` field that a class or one above it gives its instances, if any does. */
export async function privateFieldOf(
  target: AnyFunction,
): Promise<string | undefined> {
  let at: unknown = target;
  while (typeof at === "function") {
    const text = textOf(at);
    // Most texts tell without the parser that there is none.
    if (/^class\b/.test(text) && /#[\p{L}_$]/u.test(text)) {
      const tree = parseText(await loadParser(), `(${text})`);
      const found = fieldIn(tree);
      if (found !== undefined) return found;
    }
    at = Object.getPrototypeOf(at);
  }
  return undefined;
}

/** The first one of the outermost class. */
function fieldIn(tree: SyntaxNode): string | undefined {
  const [statement] = tree.body as SyntaxNode[];
  const { body } = statement!.expression as SyntaxNode;
  const members = (body as SyntaxNode).body as SyntaxNode[];
  for (const { type, static: isStatic, key } of members) {
    if (type !== "PropertyDefinition" || isStatic === true) continue;
    if (!isSyntaxNode(key) || key.type !== "PrivateIdentifier") continue;
    return `#${key.name}`;
  }
  return undefined;
}
