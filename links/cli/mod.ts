/**
 * Stands in for `@std/cli` in this checkout: `parseArgs` alone.
 *
 * Takes what the real one takes except dotted names (`--a.b`), and types
 * results as the real one does for flat names.
 *
 * @module
 */

type Names = string | undefined;

/** What {@linkcode parseArgs} gives. */
export type Args<Flags> = Flags & {
  /** What belongs to no option, in order. */
  _: (string | number)[];
  /** What stands after `--`, where the option `"--"` asks for it. */
  "--"?: string[];
};

/** Options of {@linkcode parseArgs}. */
export interface ParseOptions<
  B extends Names,
  S extends Names,
  C extends Names,
> {
  /** Gives what stands after `--` under that name instead of in `_`. */
  "--"?: boolean;
  /** Further names, by name. */
  alias?: Record<string, string | readonly string[]>;
  /** Names that take no value; or true: so are all `--name` without `=`. */
  boolean?: boolean | B | readonly Extract<B, string>[];
  /** Values of names that do not occur. */
  default?: Record<string, unknown>;
  /** Leaves all from the first argument that is no option in `_`. */
  stopEarly?: boolean;
  /** Names whose values stay strings. */
  string?: S | readonly Extract<S, string>[];
  /** Names that may occur again and again. */
  collect?: C | readonly Extract<C, string>[];
  /** Names that `--no-name` sets to false. */
  negatable?: string | readonly string[];
  /** Told of each argument that no option names; false drops it. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Flags<B extends Names, S extends Names, C extends Names> =
  & Record<string, unknown>
  & { [Name in Exclude<Extract<B, string>, C>]: boolean }
  & { [Name in Extract<B, C> & string]: boolean[] }
  & { [Name in Exclude<Extract<S, string>, C>]?: string }
  & { [Name in Extract<S, C> & string]: string[] };

type Value = string | number | boolean;

/** Reads command line arguments by the rules of `@std/cli`. */
export function parseArgs<
  const B extends Names = undefined,
  const S extends Names = undefined,
  const C extends Names = undefined,
>(
  args: string[],
  options: ParseOptions<B, S, C> = {},
): Args<Flags<B, S, C>> {
  return new Parser(options).parse(args) as Args<Flags<B, S, C>>;
}

class Parser {
  readonly #options: ParseOptions<Names, Names, Names>;
  readonly #aliases: Map<string, Set<string>>;
  readonly #booleans: Set<string>;
  readonly #strings: Set<string>;
  readonly #collects: Set<string>;
  readonly #negatables: Set<string>;
  readonly #result: Record<string, unknown> & { _: Value[] } = { _: [] };

  constructor(options: ParseOptions<Names, Names, Names>) {
    this.#options = options;
    this.#aliases = aliasesOf(options.alias ?? {});
    const { boolean } = options;
    const booleans = typeof boolean === "boolean" ? undefined : boolean;
    this.#booleans = this.#withAliases(booleans);
    this.#strings = this.#withAliases(options.string);
    this.#collects = this.#withAliases(options.collect);
    this.#negatables = this.#withAliases(options.negatable);
  }

  parse(args: string[]): unknown {
    const dashes = args.indexOf("--");
    const rest = dashes < 0 ? [] : args.slice(dashes + 1);
    const own = dashes < 0 ? args : args.slice(0, dashes);
    for (let at = 0; at < own.length;) {
      const arg = own[at]!;
      if (/^--./s.test(arg)) at += this.#long(arg, own[at + 1]);
      else if (/^-./s.test(arg)) at += this.#short(arg, own[at + 1]);
      else {
        at++;
        if (this.#options.unknown?.(arg) !== false) {
          this.#result._.push(this.#strings.has("_") ? arg : numbered(arg));
        }
        if (this.#options.stopEarly) {
          this.#result._.push(...own.slice(at));
          break;
        }
      }
    }
    this.#fillIn();
    if (this.#options["--"]) this.#result["--"] = rest;
    else this.#result._.push(...rest);
    return this.#result;
  }

  /** Takes a `--name`, and returns how many arguments it was. */
  #long(arg: string, next: string | undefined): number {
    const { name = "", value } =
      /^--(?<name>.+?)(?:=(?<value>.+?))?$/s.exec(arg)?.groups ?? {};
    if (value !== undefined) {
      const isBoolean = this.#booleans.has(name);
      this.#set(name, isBoolean ? value !== "false" : value, { arg });
      return 1;
    }
    const negated = /^no-(.+)$/s.exec(name)?.[1];
    if (negated !== undefined && this.#negatables.has(negated)) {
      this.#set(negated, false, { arg, isNegated: true });
      return 1;
    }
    const takesValue = !this.#isBoolean(name) && this.#options.boolean !== true;
    if (next && takesValue && !next.startsWith("-")) {
      this.#set(name, next, { arg });
      return 2;
    }
    return this.#setBare(name, arg, next);
  }

  /** Takes a `-abc`, and returns how many arguments it was. */
  #short(arg: string, next: string | undefined): number {
    const letters = arg.slice(1);
    for (let at = 0; at < letters.length - 1; at++) {
      const letter = letters[at]!;
      const tail = letters.slice(at + 1);
      if (tail === "-") {
        this.#set(letter, tail, { arg });
        return 1;
      }
      if (/[A-Za-z]/.test(letter) && tail.includes("=")) {
        this.#set(letter, /=(.+)/s.exec(tail)?.[1] ?? "", { arg });
        return 1;
      }
      const isNumberNext = /-?\d+(\.\d*)?(e-?\d+)?$/.test(tail);
      if (/[A-Za-z]/.test(letter) && isNumberNext || /^\W/.test(tail)) {
        this.#set(letter, tail, { arg });
        return 1;
      }
      this.#set(letter, this.#strings.has(letter) ? "" : true, { arg });
    }
    const last = letters.at(-1)!;
    const isValue = next && !/^--?[^-]/.test(next);
    if (isValue && !this.#isBoolean(last)) {
      this.#set(last, next, { arg });
      return 2;
    }
    return this.#setBare(last, arg, next);
  }

  #setBare(name: string, arg: string, next: string | undefined): number {
    if (next === "true" || next === "false") {
      this.#set(name, next === "true", { arg });
      return 2;
    }
    this.#set(name, this.#strings.has(name) ? "" : true, { arg });
    return 1;
  }

  #set(
    name: string,
    value: Value,
    { arg, isNegated = false }: { arg: string; isNegated?: boolean },
  ): void {
    const isNamed = this.#booleans.has(name) || this.#strings.has(name) ||
      this.#aliases.has(name) ||
      this.#options.boolean === true && /^--[^=]+$/.test(arg);
    if (!isNamed && this.#options.unknown?.(arg, name, value) === false) return;
    const isText = typeof value !== "string" || this.#strings.has(name);
    const typed = isText ? value : numbered(value);
    const isCollected = this.#collects.has(name) && !isNegated;
    for (const each of [name, ...this.#aliases.get(name) ?? []]) {
      const before = this.#result[each];
      if (!isCollected) this.#result[each] = typed;
      else if (Array.isArray(before)) before.push(typed);
      else this.#result[each] = before ? [before, typed] : [typed];
    }
  }

  #fillIn(): void {
    for (const [name, value] of Object.entries(this.#options.default ?? {})) {
      if (Object.hasOwn(this.#result, name)) continue;
      for (const each of [name, ...this.#aliases.get(name) ?? []]) {
        this.#result[each] = value;
      }
    }
    for (const name of this.#booleans) {
      if (Object.hasOwn(this.#result, name)) continue;
      this.#result[name] = this.#collects.has(name) ? [] : false;
    }
    for (const name of this.#strings) {
      if (Object.hasOwn(this.#result, name)) continue;
      if (this.#collects.has(name)) this.#result[name] = [];
    }
  }

  #isBoolean(name: string): boolean {
    if (this.#booleans.has(name)) return true;
    return [...this.#aliases.get(name) ?? []].some((each) =>
      this.#booleans.has(each)
    );
  }

  #withAliases(names: string | readonly string[] | undefined): Set<string> {
    const all = new Set<string>();
    for (const name of [names ?? []].flat()) {
      all.add(name);
      for (const each of this.#aliases.get(name) ?? []) all.add(each);
    }
    return all;
  }
}

function aliasesOf(
  alias: Record<string, string | readonly string[]>,
): Map<string, Set<string>> {
  const aliases = new Map<string, Set<string>>();
  for (const [name, others] of Object.entries(alias)) {
    const group = [name, ...[others].flat()];
    for (const each of group) {
      aliases.set(each, new Set(group.filter((other) => other !== each)));
    }
  }
  return aliases;
}

function numbered(text: string): string | number {
  return /\S/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}
