/**
 * Options of commands as they are given: read, checked, and refused by name.
 *
 * @module
 */
import { parseArgs } from "@std/cli";

/** A command that was misused: exit status 2. */
export class UsageError extends Error {}

/** What one command takes. */
export interface FlagKinds {
  readonly texts?: readonly string[];
  readonly booleans?: readonly string[];
  /** Words beside options; default: any number. */
  readonly wordsMax?: number;
}

/** Options and what else stands there, in order. */
export interface Given {
  readonly words: readonly string[];
  text(name: string): string | undefined;
  has(name: string): boolean;
  /** One of these words. */
  oneOf<T extends string>(name: string, known: readonly T[]): T | undefined;
  /** A whole number, `least` or more. */
  whole(name: string, least: number): number | undefined;
  /** A port; 0 for any. */
  port(name: string): number | undefined;
  /** A number that is not negative. */
  amount(name: string): number | undefined;
}

/** Reads a command's arguments; throws for what it does not take. */
export function readFlags(
  args: string[],
  { texts = [], booleans = [], wordsMax = Infinity }: FlagKinds,
): Given {
  const parsed = parseArgs(args, {
    string: ["_", ...texts],
    boolean: ["help", "json", ...booleans],
    unknown: (arg) => {
      if (arg.startsWith("-") && arg !== "-") {
        throw new UsageError(`no such option ${arg.split("=")[0]}`);
      }
    },
  }) as Record<string, unknown> & { _: (string | number)[] };
  const surplus = parsed._[wordsMax];
  if (surplus !== undefined) {
    throw new UsageError(`"${surplus}" is more than this command takes`);
  }
  const text = (name: string) => {
    const value = parsed[name];
    if (value === undefined) return undefined;
    if (value === "" || Array.isArray(value)) {
      throw new UsageError(`--${name} needs one value`);
    }
    return String(value);
  };
  const number = (name: string, isGood: (value: number) => boolean) => {
    const given = text(name);
    if (given === undefined) return undefined;
    const value = Number(given);
    if (given.trim() === "" || !isGood(value)) {
      throw new UsageError(`--${name} can't be "${given}"`);
    }
    return value;
  };
  return {
    words: parsed._.map(String),
    text,
    has: (name) => parsed[name] === true,
    oneOf: (name, known) => {
      const given = text(name);
      if (given === undefined) return undefined;
      const word = known.find((one) => one === given);
      if (word !== undefined) return word;
      throw new UsageError(
        `--${name} can't be "${given}": one of ${known.join(", ")}`,
      );
    },
    whole: (name, least) =>
      number(name, (value) => Number.isSafeInteger(value) && value >= least),
    port: (name) =>
      number(
        name,
        (value) => Number.isInteger(value) && value >= 0 && value <= 65_535,
      ),
    amount: (name) =>
      number(name, (value) => Number.isFinite(value) && value >= 0),
  };
}

/** A command's own options, and from its first word on what is a script's. */
export function splitAtScript(
  args: string[],
  texts: readonly string[],
): { own: string[]; rest: string[] } {
  const at = args.findIndex((arg, at) => {
    const before = args[at - 1];
    const isValue = before !== undefined && before.startsWith("--") &&
      texts.includes(before.slice(2));
    return !arg.startsWith("-") && !isValue;
  });
  return at < 0
    ? { own: args, rest: [] }
    : { own: args.slice(0, at), rest: args.slice(at) };
}

/** Amounts by name, from `--resources '{"red": 2}'`. */
export function readAmounts(text: string | undefined): Record<string, number> {
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageError(`--resources is no JSON: ${text}`);
  }
  const isObject = typeof value === "object" && value !== null &&
    !Array.isArray(value);
  if (!isObject) {
    throw new UsageError(`--resources needs an object such as '{"red": 2}'`);
  }
  for (const [name, amount] of Object.entries(value as object)) {
    const isGood = typeof amount === "number" && Number.isFinite(amount) &&
      amount >= 0;
    if (!isGood) {
      throw new UsageError(
        `--resources: "${name}" can't be ${JSON.stringify(amount)}`,
      );
    }
    if (name === "CPU" || name === "GPU" || name === "memory") {
      throw new UsageError(`--resources: "${name}" has an option of its own`);
    }
  }
  return value as Record<string, number>;
}

/** Labels, from `--labels zone=a,disk=ssd`. */
export function readLabels(text: string | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of text?.split(",") ?? []) {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
    if (name === undefined) {
      throw new UsageError(`--labels needs k=v,… and not "${pair}"`);
    }
    labels[name] = value!;
  }
  return labels;
}
