/**
 * Reads Deno's configuration files: JSON with comments and commas too many.
 *
 * @module
 */
import {
  isSyntaxNode,
  loadParser,
  parseText,
  type SyntaxNode,
} from "./syntax.ts";

/** The object in a text; throws a SyntaxError where there is none. */
export async function parseJsonc(
  text: string,
): Promise<Record<string, unknown>> {
  const program = parseText(await loadParser(), `(${text}\n)`);
  const [statement] = program.body as SyntaxNode[];
  const value = valueOf(statement!.expression as SyntaxNode);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new SyntaxError("It holds no object");
}

function valueOf(node: SyntaxNode): unknown {
  switch (node.type) {
    case "Literal":
      return node.value;
    case "UnaryExpression":
      return -Number(valueOf(node.argument as SyntaxNode));
    case "ArrayExpression":
      return (node.elements as SyntaxNode[]).map(valueOf);
    case "ObjectExpression":
      return Object.fromEntries(
        (node.properties as SyntaxNode[]).map(({ key, value }) => {
          if (!isSyntaxNode(key) || !isSyntaxNode(value)) {
            throw new SyntaxError("It holds more than data");
          }
          return [String(key.value ?? key.name), valueOf(value)];
        }),
      );
    default:
      throw new SyntaxError(`It holds a ${node.type}`);
  }
}
