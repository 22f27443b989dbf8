/**
 * Progress bars as text: told how far each is, answers what to print. Knows no
 * clock and no terminal.
 *
 * @module
 */

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
export function barLine(
  { label, count, total, isDone, elapsedMs }: BarState,
  width: number,
): string {
  const perSecond = elapsedMs > 0 ? count / elapsedMs * 1000 : 0;
  const rate = perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(1);
  const end = isDone ? ` in ${(elapsedMs / 1000).toFixed(1)} s` : "";
  if (total === undefined) {
    return `${label}: ${count} (${rate}/s)${end}`.slice(0, width);
  }
  const share = total === 0 ? 1 : Math.min(1, count / total);
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  const facts = ` ${percent} % ${count}/${total} (${rate}/s)${end}`;
  const room = width - label.length - facts.length - 3;
  if (room < 5) return `${label}:${facts}`.slice(0, width);
  const barWidth = Math.min(room, 30);
  const filled = Math.round(share * barWidth);
  const bar = "#".repeat(filled) + "-".repeat(barWidth - filled);
  return `${label} [${bar}]${facts}`.slice(0, width);
}

/** Lines of all bars, and when which is printed. */
export class Bars {
  readonly #bars = new Map<string, BarState>();
  /** Where there is no terminal: the share of each bar that was last printed. */
  readonly #printed = new Map<string, number>();
  #drawnCount = 0;

  /** A bar has moved. */
  moved(state: BarState): void {
    this.#bars.set(state.barId, state);
  }

  /** For a terminal: the text that draws all bars anew over the last ones. */
  drawn(width: number): string {
    const up = this.#drawnCount > 0 ? `\x1b[${this.#drawnCount}A` : "";
    const done = [...this.#bars.values()].filter(({ isDone }) => isDone);
    const open = [...this.#bars.values()].filter(({ isDone }) => !isDone);
    // Finished ones stay above, where they are not drawn again.
    const lines = [...done, ...open].map((bar) =>
      `\r\x1b[2K${barLine(bar, width)}\n`
    );
    for (const { barId } of done) this.#bars.delete(barId);
    this.#drawnCount = open.length;
    return `${up}${lines.join("")}`;
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
