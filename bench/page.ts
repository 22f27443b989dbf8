/**
 * A run of the bench as a page shows it: a table, and a picture of how many
 * times better manta is.
 *
 * Text only; which file it goes into is `main.ts`'s.
 *
 * @module
 */
import { machineLine, numberText, type ReportRow, titles } from "./report.ts";
import type { Machine } from "./report.ts";
import type { ContenderName } from "./rows.ts";

/** The lines between which a page's table lies. */
export const marks = {
  begin: "<!-- bench: written by `deno task bench --docs` -->",
  end: "<!-- /bench -->",
};

/** A page with the table in the place of the one that it has. */
export function withTable(page: string, table: string): string {
  const [before, rest] = page.split(marks.begin);
  const after = rest?.split(marks.end)[1];
  if (before === undefined || after === undefined) {
    throw new Error(`Cannot put a table there: no line "${marks.begin}"`);
  }
  return `${before}${marks.begin}\n\n${table}\n\n${marks.end}${after}`;
}

/** The table as Markdown. */
export function tableOf(
  reports: readonly ReportRow[],
  { columns, machine }: {
    columns: readonly ContenderName[];
    machine: Machine;
  },
): string {
  const shown = columns.filter((column) =>
    reports.some((report) => report[column] !== undefined)
  );
  const head = ["row", "unit", ...shown.map((column) => titles[column])];
  const lines = [
    head,
    head.map((_, at) => at < 2 ? "---" : "---:"),
    ...reports.map((report) => [
      report.name,
      report.unit,
      ...shown.map((column) => cellOf(report, column)),
    ]),
  ].map((cells) => `| ${cells.join(" | ")} |`);
  return [
    ...lines,
    "",
    `On ${machine.date.slice(0, 10)}: ${machineLine(machine)}.`,
    "×: how many times better manta is. ?: rounds lie more than 30 % apart, so that is no result.",
  ].join("\n");
}

function cellOf(report: ReportRow, column: ContenderName): string {
  const figure = report[column];
  if (figure === undefined) {
    return report.failures[column] === undefined ? "" : "failed";
  }
  const isUnsteady = (name: ContenderName) => report.unsteady.includes(name);
  const text = `${numberText(figure)}${isUnsteady(column) ? "?" : ""}`;
  const ratio = report.ratios[column];
  if (ratio === undefined) return text;
  const mark = isUnsteady(column) || isUnsteady("manta") ? "?" : "";
  return `${text} (×${numberText(ratio)}${mark})`;
}

const width = 860;
const labelWidth = 330;
const lineHeight = 20;
const decades = 4;

/** How many times better than one peer manta is, row by row, as SVG: to the right of the line it is ahead. */
export function plotOf(
  reports: readonly ReportRow[],
  peer: ContenderName,
): string {
  const rows = reports.filter(({ ratios }) => ratios[peer] !== undefined);
  const height = (rows.length + 3) * lineHeight;
  // A decade to the left of 1, the others to the right of it.
  const step = (width - labelWidth - 70) / (decades + 1);
  const xOf = (ratio: number) =>
    labelWidth +
    step * (1 + Math.min(decades, Math.max(-1, Math.log10(ratio))));
  const grid = Array.from({ length: decades + 2 }, (_, at) => {
    const x = xOf(10 ** (at - 1)).toFixed(1);
    const label = at === 0 ? "0.1" : String(10 ** (at - 1));
    return `<line x1="${x}" x2="${x}" y1="${
      lineHeight * 2
    }" y2="${height}" stroke="#8886"${
      at === 1 ? ' stroke-width="2"' : ""
    }/><text x="${x}" y="${
      lineHeight * 1.7
    }" text-anchor="middle">${label}×</text>`;
  });
  const bars = rows.map((report, at) => {
    const ratio = report.ratios[peer]!;
    const y = (at + 2) * lineHeight;
    const [from, to] = [xOf(1), xOf(ratio)].toSorted((a, b) => a - b);
    const isSteady = !report.unsteady.some((name) =>
      name === peer || name === "manta"
    );
    return `<text x="${labelWidth - 8}" y="${
      y + 14
    }" text-anchor="end">${report.name}</text><rect x="${
      from!.toFixed(1)
    }" y="${y + 4}" width="${(to! - from!).toFixed(1)}" height="12" fill="${
      ratio < 1 ? "#c0504d" : "#2a9d8f"
    }"${isSteady ? "" : ' opacity="0.45"'}/><text x="${
      (Math.max(from!, to!) + 6).toFixed(1)
    }" y="${y + 14}">${numberText(ratio)}${isSteady ? "" : "?"}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#808890">`,
    `<text x="8" y="14" font-size="14">How many times better than ${
      titles[peer]
    } (pale: rounds disagree, so that is no result)</text>`,
    ...grid,
    ...bars,
    "</svg>",
    "",
  ].join("\n");
}
