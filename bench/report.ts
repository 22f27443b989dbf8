/**
 * The table for people, the JSON for programs, and the line on the machine.
 *
 * Text only: what the figures mean is `statistics.ts`.
 *
 * @module
 */
import { cpus } from "node:os";
import type { Outcomes, Pace } from "./harness.ts";
import { type ContenderName, isCost, type Row } from "./rows.ts";
import { type Figure, isSteady, ratioOf, spreadMax } from "./statistics.ts";

/** Where all this was measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  readonly date: string;
  readonly versions: readonly string[];
  /** Over 1, 5 and 15 minutes, before the first row. */
  readonly loadAverage: readonly number[];
  readonly rounds: number;
  readonly roundMs: number;
}

/** One row in the JSON: medians under the contenders' names. */
export type ReportRow =
  & { name: string; unit: string }
  & Partial<Record<ContenderName, number>>
  & {
    /** How many times better manta is, by contender. */
    ratios: Partial<Record<ContenderName, number>>;
    spread: Partial<Record<ContenderName, number>>;
    rounds: Partial<Record<ContenderName, readonly number[]>>;
    /** Whose rounds disagree too much to be called a result. */
    unsteady: ContenderName[];
    failures: Partial<Record<ContenderName, string>>;
  };

/** The contenders' names for people. */
export const titles: Record<ContenderName, string> = {
  manta: "manta",
  socket: "bare socket",
  ray: "ray",
  piscina: "piscina",
  piscina64: "piscina, 64 in flight",
  tinypool: "tinypool",
  workerpool: "workerpool",
};
const figureWidth = 17;

/** What is known of the machine. */
export function machineNow(
  pace: Pace,
  { loadAverage, versions }: Pick<Machine, "loadAverage" | "versions">,
): Machine {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: navigator.hardwareConcurrency,
    memoryGiB: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    os: `${Deno.build.os} ${Deno.osRelease()} ${Deno.build.arch}`,
    date: new Date().toISOString(),
    versions,
    loadAverage,
    rounds: pace.rounds,
    roundMs: pace.roundMs,
  };
}

/** The machine in one line. */
export function machineLine(machine: Machine): string {
  const { cores, cpu, memoryGiB, os, versions, rounds, roundMs } = machine;
  const load = machine.loadAverage.map((value) => value.toFixed(2)).join(" ");
  return [
    `${cores} cores, ${cpu}, ${memoryGiB} GiB, ${os}`,
    ...versions,
    `load average ${load}`,
    `medians of ${rounds} rounds of ${roundMs} ms`,
  ].join("; ");
}

/** Lays rows out below each other as they come. */
export class Table {
  readonly #columns: readonly ContenderName[];
  readonly #nameWidth: number;

  constructor(rows: readonly Row[], columns: readonly ContenderName[]) {
    this.#nameWidth = Math.max(...rows.map(({ name }) => name.length));
    this.#columns = columns;
  }

  /** The first line. */
  header(): string {
    return this.#line("", "", (column) => titles[column], () => "×");
  }

  /** One row. */
  row(row: Row, outcomes: Outcomes): string {
    const figure = (column: ContenderName) => figureIn(outcomes, column);
    return this.#line(row.name, row.unit, (column) => {
      const outcome = outcomes.get(column);
      if (outcome === undefined) return "-";
      if ("failure" in outcome) return "failed";
      return figureText(outcome);
    }, (column) => {
      const [ours, theirs] = [figure("manta"), figure(column)];
      if (ours === undefined || theirs === undefined) return "";
      const isResult = isSteady(ours) && isSteady(theirs);
      const ratio = ratioOf(ours, theirs, { isCost: isCost(row) });
      return isResult ? numberText(ratio) : `${numberText(ratio)}?`;
    });
  }

  /** What the marks mean, and what failed. */
  footer(results: ReadonlyMap<Row, Outcomes>): string {
    const lines = [
      "In brackets: highest less lowest round, of the median. " +
      `×: how many times better manta is. ?: rounds disagree by more than ${
        100 * spreadMax
      } %, so that is no result.`,
    ];
    for (const [row, outcomes] of results) {
      for (const [name, outcome] of outcomes) {
        if (!("failure" in outcome)) continue;
        lines.push(`${row.name}, ${name}: failed: ${outcome.failure}`);
      }
    }
    return lines.join("\n");
  }

  #line(
    name: string,
    unit: string,
    figure: (column: ContenderName) => string,
    ratio: (column: ContenderName) => string,
  ): string {
    const cells = this.#columns.map((column) => {
      const width = Math.max(figureWidth, titles[column].length);
      const text = figure(column).padStart(width);
      // Nobody is a multiple of himself.
      return column === "manta" ? text : text + ratio(column).padStart(8);
    });
    const columns = [name.padEnd(this.#nameWidth), unit.padEnd(4), ...cells];
    return columns.join("  ").trimEnd();
  }
}

/** One row of the JSON. */
export function reportRow(row: Row, outcomes: Outcomes): ReportRow {
  const report: ReportRow = {
    name: row.name,
    unit: row.unit,
    ratios: {},
    spread: {},
    rounds: {},
    unsteady: [],
    failures: {},
  };
  const ours = figureIn(outcomes, "manta");
  for (const [name, outcome] of outcomes) {
    if ("failure" in outcome) {
      report.failures[name] = outcome.failure;
      continue;
    }
    report[name] = outcome.median;
    report.spread[name] = outcome.spread;
    report.rounds[name] = outcome.rounds;
    if (!isSteady(outcome)) report.unsteady.push(name);
    if (ours === undefined || name === "manta") continue;
    report.ratios[name] = ratioOf(ours, outcome, {
      isCost: isCost(row),
    });
  }
  return report;
}

function figureIn(
  outcomes: Outcomes,
  name: ContenderName,
): Figure | undefined {
  const outcome = outcomes.get(name);
  return outcome === undefined || "failure" in outcome ? undefined : outcome;
}

function figureText(figure: Figure): string {
  const text = numberText(figure.median);
  if (figure.rounds.length < 2) return `${text} (once)`;
  const mark = isSteady(figure) ? "" : "?";
  return `${text}${mark} (${Math.round(100 * figure.spread)}%)`;
}

/** Three digits at least, or a tenth of a thousandth, and no more decimals than that takes. */
export function numberText(value: number): string {
  const decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 4;
  return value.toLocaleString("en", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}
