/**
 * Tables for people: columns as wide as their texts, cut to the terminal, with
 * colours where there is one. Knows nothing of what is in them.
 *
 * @module
 */
import { variable } from "../base/environment.ts";
import { printable } from "../base/text.ts";
import type { Cells } from "../inspect/words.ts";

/** How a table is shown. */
export interface TableStyle {
  /** Characters of a line. */
  widthMax: number;
  hasColours: boolean;
  /** What stands for no rows. */
  none?: string;
}

const gap = "  ";
/** A column is not cut to less, as long as others can give. */
const widthMin = 4;
const columnsUnknown = 80;

const colours: Record<string, number> = {
  alive: 32,
  running: 32,
  ready: 32,
  finished: 32,
  ok: 32,
  failed: 31,
  dead: 31,
  crashed: 31,
  gone: 31,
  lost: 31,
  missing: 31,
  waiting: 33,
  pending: 33,
  draining: 33,
  restarting: 33,
  stopped: 33,
};

/** How a table on standard output is to look. */
export function outputStyle(): TableStyle {
  const isTerminal = Deno.stdout.isTerminal();
  return {
    widthMax: isTerminal ? columnCount() : Infinity,
    hasColours: isTerminal && !Deno.noColor,
  };
}

/** A terminal that does not know its width, as of an emulator or in CI, says 0. */
function columnCount(): number {
  const said = Number(variable("COLUMNS") ?? 0) || Deno.consoleSize().columns;
  return said > 0 ? said : columnsUnknown;
}

/** Rows as a table. All have the columns of the first one. */
export function table(rows: readonly Cells[], style: TableStyle): string {
  const [first] = rows;
  if (first === undefined) return style.none ?? "none";
  const names = Object.keys(first);
  const lines = rows.map((row) => names.map((name) => cellText(row[name])));
  const isNumeric = names.map((name) =>
    rows.every((row) => row[name] === undefined || isAmount(row[name]))
  );
  const widths = fitted(
    names.map((name, at) =>
      Math.max(name.length, ...lines.map((line) => line[at]!.length))
    ),
    style.widthMax,
  );
  const print = (texts: string[], colour: (text: string) => string) =>
    texts.map((text, at) => {
      const cut = cutTo(text, widths[at]!);
      const padding = " ".repeat(widths[at]! - cut.length);
      const shown = text === cut ? colour(text) : cut;
      return isNumeric[at] ? padding + shown : shown + padding;
    }).join(gap).trimEnd();
  const head = print(names, (text) => style.hasColours ? paint(text, 1) : text);
  return [
    head,
    ...lines.map((line) =>
      print(line, (text) => {
        const code = style.hasColours ? colours[text] : undefined;
        return code === undefined ? text : paint(text, code);
      })
    ),
  ].join("\n");
}

function isAmount(value: unknown): boolean {
  return typeof value === "number" ||
    typeof value === "string" && /^[\d.]+( (B|[KMGT]iB|ms|s))?$/.test(value);
}

function cellText(value: unknown): string {
  if (value === undefined || value === null || value === "") return "-";
  if (typeof value === "number" && !Number.isInteger(value)) {
    return value.toFixed(3);
  }
  // A name or a line of a program may hold anything; a cell is one line.
  return printable(String(value));
}

/** Widths that fit together: the widest column gives first, and the one that names the row last. */
function fitted(widths: number[], widthMax: number): number[] {
  const fit = [...widths];
  const sum = () =>
    fit.reduce((all, width) => all + width, gap.length * (fit.length - 1));
  for (const from of [1, 0]) {
    while (sum() > widthMax) {
      const widest = Math.max(...fit.slice(from));
      if (widest <= widthMin) break;
      fit[fit.indexOf(widest, from)]!--;
    }
  }
  return fit;
}

function cutTo(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

function paint(text: string, code: number): string {
  return `\x1b[${code}m${text}\x1b[0m`;
}
