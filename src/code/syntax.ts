/**
 * Parsing, and the little of a syntax tree that this folder reads.
 *
 * The parser is loaded when the first function is captured, so that a process
 * which captures none never pays for it. What is parsed is JavaScript: V8
 * holds the transpiled text.
 *
 * @module
 */
import type { Options } from "acorn";

/** One node of an ESTree, as loosely as a walk over all kinds of node needs it. */
export interface SyntaxNode {
  /** Kind of the node, as ESTree names it. */
  readonly type: string;
  /** Offset of its first letter. */
  readonly start: number;
  /** Offset after its last letter. */
  readonly end: number;
  /** Its parts. */
  readonly [part: string]: unknown;
}

/** The part of acorn that is used. */
export interface Parser {
  /** Parses a whole text. */
  parse(text: string, options: Options): unknown;
}

let loading: Promise<Parser> | undefined;

/** Loads the parser; later calls give the same one. */
export function loadParser(): Promise<Parser> {
  return loading ??= import("acorn");
}

/** Parses a whole text; throws the parser's SyntaxError. */
export function parseText(
  parser: Parser,
  text: string,
  options: { sloppy?: boolean } = {},
): SyntaxNode {
  return parser.parse(text, {
    ecmaVersion: "latest",
    sourceType: options.sloppy ? "script" : "module",
    allowHashBang: true,
    allowSuperOutsideMethod: true,
  }) as SyntaxNode;
}

/** Whether a value found in a node is itself a node. */
export function isSyntaxNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null &&
    typeof (value as { type?: unknown }).type === "string";
}

/** The nodes directly inside a node, in order of their keys. */
export function* partsOf(node: SyntaxNode): Generator<SyntaxNode> {
  for (const key in node) {
    const part = node[key];
    if (Array.isArray(part)) {
      for (const item of part) if (isSyntaxNode(item)) yield item;
    } else if (isSyntaxNode(part)) {
      yield part;
    }
  }
}
