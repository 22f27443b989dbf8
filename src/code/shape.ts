/**
 * What a function's own text says of it: which form it has, which names it
 * needs, and which parts of the text can't go along as they are.
 *
 * A text that V8 gives for a function is no program: a method's text is only
 * one inside an object, a class's heritage and computed keys are evaluated
 * outside of it. This room finds a form in which it can be evaluated again.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { type FreeNames, freeNamesOf } from "./free_names.ts";
import {
  isSyntaxNode,
  type Parser,
  parseText,
  type SyntaxNode,
} from "./syntax.ts";

/** A piece of text to be replaced. */
export interface Edit {
  /** Its first letter. */
  readonly start: number;
  /** After its last letter. */
  readonly end: number;
  /** What comes instead. */
  readonly text: string;
}

/** A member that a class's body defines. */
export interface Member {
  /** Whether it belongs to the class itself. */
  readonly isStatic: boolean;
  /** Its key where it is plain; for a computed key, the key it was matched to. */
  readonly key: PropertyKey | undefined;
  /** Its text. */
  readonly text: string;
}

/** How a text can be evaluated again. */
export type Form = "expression" | "method" | "get" | "set";

/** What is known of a function by its text. */
export interface Shape {
  readonly form: Form;
  /** The key that a method, getter or setter is evaluated under. */
  readonly key: string;
  readonly isClass: boolean;
  readonly isArrow: boolean;
  /** Whether the class names a heritage, by a name like {@linkcode heritageName} after the edits. */
  readonly hasHeritage: boolean;
  /** That name. */
  readonly baseName: string;
  readonly isSloppy: boolean;
  readonly free: FreeNames;
  /** The name that stands for `import.meta` after the edits. */
  readonly importMetaName: string;
  readonly members: readonly Member[];
  /** Static `#private` fields, whose values {@linkcode privateName} is told how to set. */
  readonly privates: readonly string[];
  /** A `#private` member of its instances, which nobody outside can give them. */
  readonly hides: string | undefined;
  readonly edits: readonly Edit[];
}

/** The name that stands for a class's heritage in an edited text. */
export const heritageName = "$base";

/** The function that an edited class calls with the name and the setter of each static `#private` field. */
export const privateName = "$manta_private";

/** The name that stands for `import.meta` in an edited text: as long as that. */
const importMetaName = "import_meta";

/** A function's text, whatever its own `toString` says. */
export function textOf(fn: AnyFunction): string {
  return Function.prototype.toString.call(fn);
}

/** A function's name, also where a class made something else of it. */
export function nameOf(fn: AnyFunction): string {
  const name: unknown = fn.name;
  return typeof name === "string" ? name : "";
}

/** Reads a function's text; throws the parser's SyntaxError if it is none. */
export function shapeOf(fn: AnyFunction, parser: Parser): Shape {
  const text = textOf(fn);
  const parsed = parseFunction(text, parser);
  const { node, offset, isSloppy } = parsed;
  const builder = new ShapeBuilder(fn, text, offset);
  const property = parsed.property;
  if (property !== undefined) builder.takeKey(property);
  if (node.type === "ClassExpression") builder.takeClass(node);
  const free = freeNamesOf(node, builder.skipped);
  const shifted = shiftNames(free, offset);
  const metaName = unusedName(importMetaName, text);
  for (const { start, end } of shifted.importMetas) {
    builder.edits.push({ start, end, text: metaName.padEnd(end - start) });
  }
  return {
    form: formOf(property),
    key: builder.key,
    isClass: node.type === "ClassExpression",
    isArrow: node.type === "ArrowFunctionExpression",
    hasHeritage: builder.hasHeritage,
    baseName: builder.baseName,
    isSloppy,
    free: shifted,
    importMetaName: metaName,
    members: builder.members,
    privates: builder.privates,
    hides: builder.hides,
    edits: builder.edits,
  };
}

/** A name like this one that the program does not use itself in a text. */
function unusedName(name: string, text: string): string {
  return text.includes(name) ? unusedName(`${name}$`, text) : name;
}

/** Applies edits that don't overlap. */
export function edited(text: string, edits: readonly Edit[]): string {
  const inOrder = [...edits].sort((a, b) => a.start - b.start);
  let result = "";
  let position = 0;
  for (const edit of inOrder) {
    result += text.slice(position, edit.start) + edit.text;
    position = edit.end;
  }
  return result + text.slice(position);
}

interface ParsedFunction {
  readonly node: SyntaxNode;
  readonly property: SyntaxNode | undefined;
  /** What to take off an offset in the parsed text. */
  readonly offset: number;
  readonly isSloppy: boolean;
}

function parseFunction(text: string, parser: Parser): ParsedFunction {
  let firstError: unknown;
  for (const sloppy of [false, true]) {
    for (const isMethod of [false, true]) {
      const wrapped = isMethod ? `({${text}})` : `(${text})`;
      try {
        const program = parseText(parser, wrapped, { sloppy });
        const found = functionIn(program, isMethod);
        if (found === undefined) continue;
        return { ...found, offset: isMethod ? 2 : 1, isSloppy: sloppy };
      } catch (error) {
        firstError ??= error;
        // A method's text is no expression, so its error says the most.
        if (isMethod && /Private field/.test(String(error))) throw error;
      }
    }
  }
  if (usesForeignPrivate(text, parser)) {
    throw new SyntaxError("Private field of a class around it");
  }
  throw firstError ?? new SyntaxError("not the text of a function");
}

/** Whether a text can be read where its `#private` names are declared: `#x in o` can't be elsewhere. */
function usesForeignPrivate(text: string, parser: Parser): boolean {
  const names = new Set(text.match(/#[\p{L}_$][\p{L}\p{N}_$]*/gu));
  if (names.size === 0) return false;
  const declared = [...names].map((name) => `${name};`).join("");
  return [text, `static at = (${text})`].some((member) => {
    try {
      parseText(parser, `(class{${declared}${member}})`);
      return true;
    } catch {
      // Not in this form either.
      return false;
    }
  });
}

function functionIn(
  program: SyntaxNode,
  isMethod: boolean,
): Pick<ParsedFunction, "node" | "property"> | undefined {
  const [statement] = program.body as SyntaxNode[];
  const expression = statement?.expression as SyntaxNode | undefined;
  if (expression === undefined) return undefined;
  if (!isMethod) {
    const isFunction = /^(Arrow)?FunctionExpression$|^ClassExpression$/
      .test(expression.type);
    return isFunction ? { node: expression, property: undefined } : undefined;
  }
  const [property] = (expression.properties ?? []) as SyntaxNode[];
  if (property === undefined || !isSyntaxNode(property.value)) return undefined;
  return { node: property.value, property };
}

function formOf(property: SyntaxNode | undefined): Form {
  if (property === undefined) return "expression";
  if (property.kind === "get" || property.kind === "set") return property.kind;
  return "method";
}

function shiftNames(free: FreeNames, offset: number): FreeNames {
  for (const name of free.names.values()) {
    name.uses.forEach((use, index) => {
      name.uses[index] = {
        start: use.start - offset,
        end: use.end - offset,
        shorthand: use.shorthand,
      };
    });
  }
  const importMetas = free.importMetas.map(({ start, end }) => ({
    start: start - offset,
    end: end - offset,
  }));
  return { ...free, importMetas };
}

class ShapeBuilder {
  readonly #fn: AnyFunction;
  readonly #text: string;
  readonly #offset: number;
  readonly edits: Edit[] = [];
  readonly members: Member[] = [];
  readonly privates: string[] = [];
  readonly skipped = new Set<SyntaxNode>();
  hides: string | undefined;
  key = "";
  hasHeritage = false;
  baseName = heritageName;

  constructor(fn: AnyFunction, text: string, offset: number) {
    this.#fn = fn;
    this.#text = text;
    this.#offset = offset;
  }

  /** A method's key is evaluated outside of it: a plain one comes instead. */
  takeKey(property: SyntaxNode): void {
    const key = property.key as SyntaxNode;
    this.skipped.add(key);
    const plain = plainKey(property);
    if (plain !== undefined) {
      this.key = plain;
      return;
    }
    this.key = nameOf(this.#fn).replace(/^(get|set) /, "");
    const { start, end } = this.#keyRange(property);
    this.edits.push({ start, end, text: JSON.stringify(this.key) });
  }

  takeClass(node: SyntaxNode): void {
    if (isSyntaxNode(node.superClass)) {
      this.hasHeritage = true;
      this.skipped.add(node.superClass);
      const start = node.superClass.start - this.#offset;
      const end = node.superClass.end - this.#offset;
      const others = this.#text.slice(0, start) + this.#text.slice(end);
      this.baseName = unusedName(heritageName, others);
      const text = this.baseName.padEnd(end - start);
      this.edits.push({ start, end, text });
    }
    const body = node.body as SyntaxNode;
    for (const member of body.body as SyntaxNode[]) this.#takeMember(member);
  }

  #takeMember(member: SyntaxNode): void {
    const start = member.start - this.#offset;
    const end = member.end - this.#offset;
    const text = this.#text.slice(start, end);
    if (member.type === "StaticBlock") {
      // What it did is in the class by now.
      this.#blank(member, start, end);
      return;
    }
    const isStatic = member.static === true;
    const memberKey = member.key as SyntaxNode;
    if (memberKey.type === "PrivateIdentifier") {
      const name = `#${memberKey.name}`;
      if (!isStatic) this.hides ??= name;
      else if (member.type === "PropertyDefinition") {
        this.#takePrivate(member, name);
      }
      return;
    }
    if (member.type === "PropertyDefinition") {
      if (isStatic) this.#blank(member, start, end);
      return;
    }
    let key: PropertyKey | undefined = plainKey(member);
    if (key === undefined) {
      key = this.#matchedKey(text, isStatic);
      const literal = keyLiteral(key);
      if (literal !== undefined) {
        this.skipped.add(member.key as SyntaxNode);
        this.edits.push({ ...this.#keyRange(member), text: literal });
      }
    }
    this.members.push({ isStatic, key, text });
  }

  /** It holds what it holds now, which is set from inside of the class. */
  #takePrivate(member: SyntaxNode, name: string): void {
    this.privates.push(name);
    if (isSyntaxNode(member.value)) this.skipped.add(member.value);
    const start = member.start - this.#offset;
    const end = member.end - this.#offset;
    const lines = this.#text.slice(start, end).replace(/[^\n]/g, "");
    const set = `($value)=>{this.${name}=$value}`;
    const block = `static{${privateName}(${JSON.stringify(name)},${set})}`;
    this.edits.push({ start, end, text: `static ${name};${block}${lines}` });
  }

  /** Static fields hold what they hold now, so their first values must not be made again. */
  #blank(member: SyntaxNode, start: number, end: number): void {
    this.skipped.add(member);
    const text = this.#text.slice(start, end).replace(
      /[^\n\r\u2028\u2029]/g,
      " ",
    );
    this.edits.push({ start, end, text });
  }

  #matchedKey(text: string, isStatic: boolean): PropertyKey | undefined {
    const home = isStatic ? this.#fn : this.#fn.prototype;
    for (const key of Reflect.ownKeys(home)) {
      const property = Object.getOwnPropertyDescriptor(home, key)!;
      for (const fn of [property.value, property.get, property.set]) {
        if (typeof fn === "function" && text.endsWith(textOf(fn))) {
          return key;
        }
      }
    }
    return undefined;
  }

  /** Where a key stands, brackets included. */
  #keyRange(property: SyntaxNode): { start: number; end: number } {
    const key = property.key as SyntaxNode;
    let start = key.start - this.#offset;
    let end = key.end - this.#offset;
    if (property.computed) {
      start = this.#text.lastIndexOf("[", start);
      end = this.#text.indexOf("]", end) + 1;
    }
    return { start, end };
  }
}

function plainKey(property: SyntaxNode): string | undefined {
  const key = property.key as SyntaxNode;
  if (key.type === "Literal") return String(key.value);
  if (property.computed || key.type !== "Identifier") return undefined;
  return key.name as string;
}

function keyLiteral(key: PropertyKey | undefined): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key !== "symbol") return `[${JSON.stringify(String(key))}]`;
  const registered = Symbol.keyFor(key);
  if (registered !== undefined) {
    return `[Symbol.for(${JSON.stringify(registered)})]`;
  }
  const name = wellKnownName(key);
  return name === undefined ? undefined : `[Symbol.${name}]`;
}

/** The name under which `Symbol` holds a symbol of the language. */
export function wellKnownName(symbol: symbol): string | undefined {
  const name = symbol.description?.replace(/^Symbol\./, "");
  if (name === undefined) return undefined;
  const known: unknown = Reflect.get(Symbol, name);
  return known === symbol ? name : undefined;
}
