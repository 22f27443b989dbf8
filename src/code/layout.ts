/**
 * The program text that makes functions again.
 *
 * Functions that assign a variable they share go into one text, so that they
 * share one scope there too; every other function has a text of its own, where
 * V8 finds its variables as quickly as it found the first ones. A function
 * stands in its text at the line and column it stood at in its module, so that
 * stack traces need no translation.
 *
 * @module
 */
import type { CodeNode, Meta, ModuleMeta } from "./meta.ts";
import { heritageName, privateName } from "./shape.ts";

/** One text, and what it gives when it is run. */
export interface Layout {
  /** Evaluates to a {@linkcode Made} of these nodes and variables. */
  readonly text: string;
  /** Line of the module that the text's first line is to count as. */
  readonly lineOffset: number;
  /** Indices of the nodes that it makes. */
  readonly nodes: readonly number[];
  /** The module that its functions stood in. */
  readonly module: ModuleMeta;
}

/** Makes a function; a class tells how to set each of its static `#private` fields. */
export type Maker = (
  base?: unknown,
  takePrivate?: (name: string, set: (value: unknown) => void) => void,
) => unknown;

/** What a text evaluates to. */
export interface Made {
  /** For each node, in order: makes the function, given what a class extends. */
  readonly make: Maker[];
  /** For each variable that it declares: its index and how to set it. */
  readonly set: [variable: number, set: (value: unknown) => void][];
}

/** Lays out all functions of a bundle that travel as text. */
export function layOut(meta: Meta): Layout[] {
  return groupsOf(meta).map((group) => new Page(meta, group).finish());
}

function codeNode(meta: Meta, index: number): CodeNode {
  return meta.nodes[index] as CodeNode;
}

/** Joins the nodes that share a variable which one of them assigns. */
function groupsOf(meta: Meta): number[][] {
  const assigned = new Set<number>();
  const indices = [...meta.nodes.keys()]
    .filter((index) => meta.nodes[index]!.kind === "code");
  for (const index of indices) {
    for (const variable of codeNode(meta, index).assigned) {
      assigned.add(variable);
    }
  }
  const groupOf = new Map<number, number[]>();
  const groupByVariable = new Map<number, number[]>();
  for (const index of indices) {
    let group = [index];
    groupOf.set(index, group);
    for (const variable of codeNode(meta, index).variables) {
      if (!assigned.has(variable)) continue;
      const other = groupByVariable.get(variable);
      groupByVariable.set(variable, group);
      if (other === undefined || groupOf.get(other[0]!) === group) continue;
      group = [...groupOf.get(other[0]!)!, ...group];
      for (const member of group) groupOf.set(member, group);
      groupByVariable.set(variable, group);
    }
  }
  return [...new Set(indices.map((index) => groupOf.get(index)!))];
}

/** Columns beyond this are those of minified code, which nobody reads. */
const columnMax = 2000;

/** One text while it is written. */
class Page {
  readonly #meta: Meta;
  readonly #group: readonly number[];
  readonly #shared: ReadonlySet<number>;
  readonly #made: number[] = [];
  #text = "";
  #line: number;
  #column = 0;

  constructor(meta: Meta, group: readonly number[]) {
    this.#meta = meta;
    this.#group = group.toSorted((a, b) => {
      const first = codeNode(meta, a);
      const second = codeNode(meta, b);
      return first.line - second.line || first.column - second.column;
    });
    this.#line = codeNode(meta, this.#group[0]!).line - 1;
    const shared = new Set<number>();
    if (group.length > 1) {
      for (const index of group) {
        for (const one of codeNode(meta, index).assigned) shared.add(one);
      }
    }
    this.#shared = shared;
  }

  finish(): Layout {
    const first = codeNode(this.#meta, this.#group[0]!);
    const lineOffset = this.#line;
    const isSloppy = this.#group.some((index) =>
      codeNode(this.#meta, index).sloppy
    );
    if (!isSloppy) this.#write('"use strict";');
    this.#write("(function(){const $manta={make:[],set:[]};");
    this.#writeScope(this.#scopeTree());
    this.#write("return $manta;})()");
    return {
      text: this.#text,
      lineOffset,
      nodes: this.#made,
      module: this.#meta.modules[first.module]!,
    };
  }

  /** The shared scopes as they lay in each other, and the functions in them. */
  #scopeTree(): ScopeBranch {
    const root: ScopeBranch = { variables: [], nodes: [], inner: new Map() };
    const home = new Map<number, ScopeBranch>();
    const sharedScopes = new Map<number, number[]>();
    for (const variable of this.#shared) {
      const { scope } = this.#meta.variables[variable]!;
      sharedScopes.set(scope, [...sharedScopes.get(scope) ?? [], variable]);
    }
    for (const index of this.#group) {
      let branch = root;
      for (const scope of codeNode(this.#meta, index).scopes) {
        const variables = sharedScopes.get(scope);
        if (variables === undefined) continue;
        let next = branch.inner.get(scope) ?? home.get(scope);
        if (next === undefined) {
          next = { variables, nodes: [], inner: new Map() };
          branch.inner.set(scope, next);
          home.set(scope, next);
        }
        branch = next;
      }
      branch.nodes.push(index);
    }
    return root;
  }

  #writeScope(branch: ScopeBranch): void {
    this.#write("(function(){");
    this.#writeVariables(branch.variables);
    for (const inner of branch.inner.values()) this.#writeScope(inner);
    for (const index of branch.nodes) this.#writeNode(index);
    this.#write("})();");
  }

  #writeVariables(variables: readonly number[]): void {
    if (variables.length === 0) return;
    const names = variables.map((index) => this.#meta.variables[index]!.name);
    this.#write(`let ${names.join(",")};$manta.set.push(`);
    const setters = variables.map((index, at) => {
      const parameter = names[at] === "$value" ? "$other" : "$value";
      return `[${index},function(${parameter}){${names[at]}=${parameter}}]`;
    });
    this.#write(`${setters.join(",")});`);
  }

  #writeNode(index: number): void {
    const node = codeNode(this.#meta, index);
    this.#made.push(index);
    const own = node.variables.filter((variable) =>
      !this.#shared.has(variable)
    );
    const [before, after] = frameOf(node);
    this.#write("(function(){");
    this.#writeVariables(own);
    const parameters = `${node.baseName ?? heritageName},${privateName}`;
    this.#write(`$manta.make.push(function(${parameters}){return(${before}`);
    this.#moveTo(node.line, node.column);
    this.#write(node.text);
    this.#write(`${after})});})();`);
  }

  #write(text: string): void {
    this.#text += text;
    const lines = text.split("\n");
    this.#line += lines.length - 1;
    this.#column = lines.length > 1
      ? lines.at(-1)!.length
      : this.#column + text.length;
  }

  /** Goes on to a place; one that was passed already can't be had any more. */
  #moveTo(line: number, column: number): void {
    if (line > this.#line) this.#write("\n".repeat(line - this.#line));
    if (column > columnMax) return;
    if (line === this.#line && column > this.#column) {
      this.#write(" ".repeat(column - this.#column));
    }
  }
}

interface ScopeBranch {
  readonly variables: readonly number[];
  readonly nodes: number[];
  readonly inner: Map<number, ScopeBranch>;
}

/** What stands around a text so that it is an expression. */
function frameOf(node: CodeNode): [before: string, after: string] {
  const key = JSON.stringify(node.key);
  switch (node.form) {
    case "expression":
      return ["", ""];
    case "method":
      return ["{", `}[${key}]`];
    case "get":
    case "set":
      return [
        "Object.getOwnPropertyDescriptor({",
        `},${key}).${node.form}`,
      ];
  }
}
