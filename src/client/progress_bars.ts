/**
 * Progress bars as text: told how far each is, answers what to print. Knows no
 * clock and no terminal.
 *
 * @module
 */

import { type DisplayData, escaped } from "../base/notebook.ts";
import { printable } from "../base/text.ts";

/** How far one bar is. */
export interface BarState {
  readonly barId: string;
  readonly label: string;
  readonly count: number;
  /** Undefined where nobody knows. */
  readonly total: number | undefined;
  readonly isDone: boolean;
  /** Since it began. */
  readonly elapsedMs: number;
}

/** One line for a bar, `width` columns at most. */
export function barLine(bar: BarState, width: number): string {
  const label = printable(bar.label);
  const share = shareOf(bar);
  if (share === undefined) {
    return `${label}: ${factsOf(bar)}`.slice(0, width);
  }
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  const facts = ` ${percent} % ${factsOf(bar)}`;
  const room = width - label.length - facts.length - 3;
  if (room < 5) return `${label}:${facts}`.slice(0, width);
  const barWidth = Math.min(room, 30);
  const filled = Math.round(share * barWidth);
  const drawn = "#".repeat(filled) + "-".repeat(barWidth - filled);
  return `${label} [${drawn}]${facts}`.slice(0, width);
}

/** A bar as a notebook shows it. */
export function barDisplay(bar: BarState): DisplayData {
  const share = shareOf(bar);
  const value = share === undefined
    ? bar.isDone ? ' value="1"' : ""
    : ` value="${share}"`;
  const label = escaped(bar.label);
  return {
    "text/plain": barLine(bar, 100),
    "text/html": `<div>${label} <progress${value}></progress> ${
      factsOf(bar)
    }</div>`,
  };
}

/** How much of it is done, from 0 to 1, where anybody knows. */
function shareOf({ count, total }: BarState): number | undefined {
  if (total === undefined) return undefined;
  return total === 0 ? 1 : Math.max(0, Math.min(1, count / total));
}

function factsOf({ count, total, isDone, elapsedMs }: BarState): string {
  const perSecond = elapsedMs > 0 ? count / elapsedMs * 1000 : 0;
  const rate = perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(1);
  const end = isDone ? ` in ${(elapsedMs / 1000).toFixed(1)} s` : "";
  const of = total === undefined ? "" : `/${total}`;
  return `${count}${of} (${rate}/s)${end}`;
}

/** Lines of all bars, and when which is printed. */
export class Bars {
  readonly #bars = new Map<string, BarState>();
  /** Where there is no terminal: the share of each bar that was last printed. */
  readonly #printed = new Map<string, number>();
  #openCount = 0;

  /** A bar has moved. */
  moved(state: BarState): void {
    this.#bars.set(state.barId, state);
  }

  /**
   * For a terminal: the text that draws all bars anew. The cursor then stands
   * above them, on an empty line: what the program prints meanwhile goes there,
   * and no line of it is lost to the next drawing.
   */
  drawn(width: number): string {
    const done = [...this.#bars.values()].filter(({ isDone }) => isDone);
    const open = [...this.#bars.values()].filter(({ isDone }) => !isDone);
    const lines = (bars: BarState[]) =>
      bars.map((bar) => `${barLine(bar, width)}\n`).join("");
    for (const { barId } of done) this.#bars.delete(barId);
    this.#openCount = open.length;
    const below = open.length === 0
      ? ""
      : `\n${lines(open)}\x1b[${open.length + 1}A`;
    return `\r\x1b[J${lines(done)}${below}`;
  }

  /** For a terminal, at the program's end: goes below what is drawn. */
  left(): string {
    return "\n".repeat(this.#openCount === 0 ? 0 : this.#openCount + 1);
  }

  /** For a pipe: plain lines, of each bar a few from its begin to its end. */
  plain(width: number): string {
    let text = "";
    for (const bar of [...this.#bars.values()]) {
      const { barId, count, total, isDone } = bar;
      const step = total === undefined || total === 0
        ? Math.floor(Math.log2(count + 1))
        : Math.floor(count / total * 4);
      const last = this.#printed.get(barId) ?? 0;
      if (step <= last && !isDone) continue;
      this.#printed.set(barId, step);
      text += `${barLine(bar, width)}\n`;
      if (!isDone) continue;
      this.#bars.delete(barId);
      this.#printed.delete(barId);
    }
    return text;
  }
}
