/**
 * `list`: the rows of a lineage file, for people and programs.
 *
 * @module
 */
import { openLineage } from "../store/lineage_reader.ts";

/** What can be listed. */
export const listable = ["jobs", "tasks", "actors", "objects"] as const;

/** The rows of one kind, plain data each. */
export function listRows(
  path: string,
  kind: typeof listable[number],
): Record<string, unknown>[] {
  using lineage = openLineage(path);
  const rows: readonly object[] = lineage[kind]();
  return rows.map((row) => ({ ...row }));
}

/** Rows as a table whose columns are as wide as their texts, `widthMax` at most in all. */
export function table(
  rows: Record<string, unknown>[],
  widthMax: number,
): string {
  const first = rows[0];
  if (first === undefined) return "none";
  const names = Object.keys(first);
  const texts = [
    names,
    ...rows.map((row) => names.map((name) => cell(row[name]))),
  ];
  const widths = names.map((_, at) =>
    Math.max(...texts.map((line) => line[at]!.length))
  );
  return texts.map((line) =>
    line.map((text, at) => text.padEnd(widths[at]!)).join("  ").trimEnd()
      .slice(0, widthMax)
  ).join("\n");
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return "-";
  if (typeof value === "number" && !Number.isInteger(value)) {
    return value.toFixed(3);
  }
  return String(value);
}
