/**
 * The free names of a piece of syntax: what it reads or assigns and does not
 * declare itself.
 *
 * Follows the language's scopes (`var` and parameters belong to functions,
 * the rest to blocks). Knows nothing of values: whether a name is a captured
 * variable or a global is for others to find out.
 *
 * @module
 */
import { isSyntaxNode, partsOf, type SyntaxNode } from "./syntax.ts";

/** One place where a free name stands. */
export interface FreeUse {
  /** Its first letter. */
  readonly start: number;
  /** After its last letter. */
  readonly end: number;
  /** Whether it stands for both key and value, as in `{ name }`. */
  readonly shorthand: boolean;
}

/** One free name. */
export interface FreeName {
  /** All places where it stands. */
  readonly uses: FreeUse[];
  /** Whether any of them assigns it. */
  assigned: boolean;
}

/** What a piece of syntax needs of its surroundings. */
export interface FreeNames {
  /** The free names, in order of appearance. */
  readonly names: Map<string, FreeName>;
  /** Where `import.meta` stands. */
  readonly importMetas: { start: number; end: number }[];
  /** Whether it uses the `this` of its surroundings. */
  usesThis: boolean;
  /** Whether it uses the `super` of its surroundings. */
  usesSuper: boolean;
  /** Whether it calls `eval` by that name, so that any name may be used. */
  usesEval: boolean;
}

interface Scope {
  readonly names: Set<string>;
  readonly outer: Scope | undefined;
  /** Whether `var` stops here. */
  readonly isFunction: boolean;
}

interface Reference extends FreeUse {
  readonly name: string;
  readonly scope: Scope;
  readonly assigned: boolean;
}

const functionTypes = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);

/** Finds the free names of `root`; `skip` names nodes that are to be left out. */
export function freeNamesOf(
  root: SyntaxNode,
  skip: ReadonlySet<SyntaxNode> = new Set(),
): FreeNames {
  const walk = new Walk(skip);
  walk.visit(root, {
    names: new Set(),
    outer: undefined,
    isFunction: true,
  });
  return walk.finish();
}

class Walk {
  readonly #skip: ReadonlySet<SyntaxNode>;
  readonly #references: Reference[] = [];
  readonly #found: FreeNames = {
    names: new Map(),
    importMetas: [],
    usesThis: false,
    usesSuper: false,
    usesEval: false,
  };
  /** How many functions with a `this` of their own stand around. */
  #thisDepth = 0;
  /** How many methods, which have a `super` of their own, stand around. */
  #homeDepth = 0;

  constructor(skip: ReadonlySet<SyntaxNode>) {
    this.#skip = skip;
  }

  finish(): FreeNames {
    for (const reference of this.#references) {
      if (isDeclared(reference)) continue;
      const { name, start, end, shorthand, assigned } = reference;
      let free = this.#found.names.get(name);
      if (free === undefined) {
        free = { uses: [], assigned: false };
        this.#found.names.set(name, free);
      }
      free.uses.push({ start, end, shorthand });
      free.assigned ||= assigned;
    }
    return this.#found;
  }

  visit(node: SyntaxNode, scope: Scope): void {
    if (this.#skip.has(node)) return;
    if (functionTypes.has(node.type)) return this.#function(node, scope);
    switch (node.type) {
      case "Identifier":
        return this.#reference(node, scope, {});
      case "ThisExpression":
        if (this.#thisDepth === 0) this.#found.usesThis = true;
        return;
      case "Super":
        if (this.#homeDepth === 0) this.#found.usesSuper = true;
        return;
      case "MetaProperty":
        return this.#metaProperty(node);
      case "MemberExpression":
        this.visit(node.object as SyntaxNode, scope);
        if (node.computed) this.visit(node.property as SyntaxNode, scope);
        return;
      case "CallExpression":
        if ((node.callee as SyntaxNode).name === "eval") {
          this.#found.usesEval = true;
        }
        return this.#parts(node, scope);
      case "Property":
      case "MethodDefinition":
        return this.#property(node, scope);
      case "PropertyDefinition":
        return this.#field(node, scope);
      case "StaticBlock":
        return this.#member(node, newScope(scope, true));
      case "ClassDeclaration":
      case "ClassExpression":
        return this.#class(node, scope);
      case "AssignmentExpression":
        this.#target(node.left as SyntaxNode, scope);
        return this.visit(node.right as SyntaxNode, scope);
      case "UpdateExpression":
        return this.#target(node.argument as SyntaxNode, scope);
      case "VariableDeclaration":
        return this.#variables(node, scope);
      case "ForInStatement":
      case "ForOfStatement":
      case "ForStatement":
        return this.#loop(node, newScope(scope));
      case "BlockStatement":
      case "SwitchStatement":
      case "Program":
        return this.#parts(node, newScope(scope));
      case "CatchClause": {
        const inner = newScope(scope);
        if (isSyntaxNode(node.param)) this.#declare(node.param, inner, inner);
        return this.visit(node.body as SyntaxNode, inner);
      }
      case "LabeledStatement":
        return this.visit(node.body as SyntaxNode, scope);
      case "BreakStatement":
      case "ContinueStatement":
        return;
      default:
        return this.#parts(node, scope);
    }
  }

  #parts(node: SyntaxNode, scope: Scope): void {
    for (const part of partsOf(node)) this.visit(part, scope);
  }

  /** Walks a part of a class or object that has a `this` and `super` of its own. */
  #member(node: SyntaxNode, scope: Scope): void {
    this.#thisDepth++;
    this.#homeDepth++;
    if (node.type === "StaticBlock") this.#parts(node, scope);
    else this.visit(node, scope);
    this.#thisDepth--;
    this.#homeDepth--;
  }

  #reference(
    node: SyntaxNode,
    scope: Scope,
    options: { assigned?: boolean; shorthand?: boolean },
  ): void {
    this.#references.push({
      name: node.name as string,
      scope,
      start: node.start,
      end: node.end,
      assigned: options.assigned ?? false,
      shorthand: options.shorthand ?? false,
    });
  }

  #metaProperty(node: SyntaxNode): void {
    if ((node.meta as SyntaxNode).name !== "import") return;
    this.#found.importMetas.push({ start: node.start, end: node.end });
  }

  #function(node: SyntaxNode, scope: Scope): void {
    const inner = newScope(scope, true);
    const isArrow = node.type === "ArrowFunctionExpression";
    if (isSyntaxNode(node.id)) {
      const name = node.id.name as string;
      (node.type === "FunctionDeclaration" ? scope : inner).names.add(name);
    }
    if (!isArrow) {
      inner.names.add("arguments");
      this.#thisDepth++;
    }
    for (const parameter of node.params as SyntaxNode[]) {
      this.#declare(parameter, inner, inner);
    }
    this.visit(node.body as SyntaxNode, inner);
    if (!isArrow) this.#thisDepth--;
  }

  #class(node: SyntaxNode, scope: Scope): void {
    const inner = newScope(scope);
    if (isSyntaxNode(node.id)) {
      const name = node.id.name as string;
      inner.names.add(name);
      if (node.type === "ClassDeclaration") scope.names.add(name);
    }
    if (isSyntaxNode(node.superClass)) this.visit(node.superClass, inner);
    for (const part of partsOf(node)) {
      if (part.type === "ClassBody" || part.type === "Decorator") {
        this.visit(part, inner);
      }
    }
  }

  #property(node: SyntaxNode, scope: Scope): void {
    if (node.computed) this.visit(node.key as SyntaxNode, scope);
    const value = node.value as SyntaxNode;
    if (node.shorthand && value.type === "Identifier") {
      return this.#reference(value, scope, { shorthand: true });
    }
    const isMethod = node.type === "MethodDefinition" || node.method ||
      node.kind === "get" || node.kind === "set";
    if (isMethod) this.#member(value, scope);
    else this.visit(value, scope);
  }

  #field(node: SyntaxNode, scope: Scope): void {
    if (node.computed) this.visit(node.key as SyntaxNode, scope);
    if (!isSyntaxNode(node.value)) return;
    this.#member(node.value, newScope(scope, true));
  }

  #variables(node: SyntaxNode, scope: Scope): void {
    const home = node.kind === "var" ? functionScope(scope) : scope;
    for (const declarator of node.declarations as SyntaxNode[]) {
      this.#declare(declarator.id as SyntaxNode, home, scope);
      if (isSyntaxNode(declarator.init)) this.visit(declarator.init, scope);
    }
  }

  #loop(node: SyntaxNode, scope: Scope): void {
    const isOver = node.type !== "ForStatement";
    const left = node.left as SyntaxNode | undefined;
    for (const part of partsOf(node)) {
      const isTarget = isOver && part === left &&
        part.type !== "VariableDeclaration";
      if (isTarget) this.#target(part, scope);
      else this.visit(part, scope);
    }
  }

  /** Walks a pattern that declares its names in `home`. */
  #declare(pattern: SyntaxNode, home: Scope, scope: Scope): void {
    this.#pattern(pattern, scope, (name) => {
      home.names.add(name.name as string);
    });
  }

  /** Walks a pattern that assigns its names. */
  #target(pattern: SyntaxNode, scope: Scope): void {
    this.#pattern(pattern, scope, (name, shorthand) => {
      this.#reference(name, scope, { assigned: true, shorthand });
    });
  }

  #pattern(
    node: SyntaxNode,
    scope: Scope,
    take: (name: SyntaxNode, shorthand: boolean) => void,
    shorthand = false,
  ): void {
    switch (node.type) {
      case "Identifier":
        return take(node, shorthand);
      case "AssignmentPattern":
        this.#pattern(node.left as SyntaxNode, scope, take, shorthand);
        return this.visit(node.right as SyntaxNode, scope);
      case "RestElement":
        return this.#pattern(node.argument as SyntaxNode, scope, take);
      case "ArrayPattern":
        for (const item of node.elements as (SyntaxNode | null)[]) {
          if (item !== null) this.#pattern(item, scope, take);
        }
        return;
      case "ObjectPattern":
        for (const property of node.properties as SyntaxNode[]) {
          if (property.type === "RestElement") {
            this.#pattern(property, scope, take);
            continue;
          }
          if (property.computed) this.visit(property.key as SyntaxNode, scope);
          const value = property.value as SyntaxNode;
          this.#pattern(value, scope, take, property.shorthand === true);
        }
        return;
      default:
        return this.visit(node, scope);
    }
  }
}

function newScope(outer: Scope, isFunction = false): Scope {
  return { names: new Set(), outer, isFunction };
}

function functionScope(scope: Scope): Scope {
  let home = scope;
  while (!home.isFunction && home.outer !== undefined) home = home.outer;
  return home;
}

function isDeclared(reference: Reference): boolean {
  let scope: Scope | undefined = reference.scope;
  while (scope !== undefined) {
    if (scope.names.has(reference.name)) return true;
    scope = scope.outer;
  }
  return false;
}
