/**
 * The driver's side of `progress`: draws what it is told of all bars, on a
 * terminal, in a pipe, or below the cell of a notebook.
 *
 * @module
 */
import { variable } from "../base/environment.ts";
import { afterMs, type Timer } from "../base/clock.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { isNotebook, showInNotebook } from "../base/notebook.ts";
import { outputs } from "../base/outputs.ts";
import { setProgressDrawer } from "../owner/extensions.ts";
import type { Bar } from "../wire/facts.ts";
import { barDisplay, Bars, type BarState } from "./progress_bars.ts";

const bars = new Bars();
/** What a notebook has not been shown yet, and which bars it has. */
const unshown = new Map<string, BarState>();
const shown = new Set<string>();
let isShowing = false;
let drawTimer: Timer | undefined;

/** From now on this process draws the bars it is told of. */
export function drawBars(): void {
  setProgressDrawer(moved);
  globalThis.addEventListener("unload", () => write(bars.left()));
}

/** A bar has moved, in whichever process. */
function moved({ total, ...rest }: Bar): void {
  const bar = { ...rest, total };
  if (isNotebook()) unshown.set(bar.barId, bar);
  else bars.moved(bar);
  if (bar.isDone) draw();
  else drawTimer ??= afterMs(limits.progressDrawMs, draw);
}

function draw(): void {
  clearTimeout(drawTimer);
  drawTimer = undefined;
  if (isNotebook()) {
    if (!isShowing) show();
    return;
  }
  const columns = terminalColumns();
  const text = columns === undefined
    ? bars.plain(plainColumns)
    : bars.drawn(columns - 1);
  write(text);
}

function write(text: string): void {
  if (text !== "") outputs.stderr.print(text);
}

/** One bar after the other, each as it is when its turn comes. */
async function show(): Promise<void> {
  isShowing = true;
  try {
    for (const [id, bar] of unshown) {
      unshown.delete(id);
      const isShown = shown.has(id);
      shown.add(id);
      if (bar.isDone) shown.delete(id);
      await showInNotebook(barDisplay(bar), { id: `manta-${id}`, isShown });
    }
  } catch (error) {
    log.warn(`progress() could not be shown: ${error}`);
  } finally {
    isShowing = false;
  }
}

/** Columns of a line in a pipe. */
const plainColumns = 100;

/** How wide the terminal is; undefined where lines can't be drawn anew. */
function terminalColumns(): number | undefined {
  const isPlain = !Deno.stderr.isTerminal() || Deno.noColor ||
    variable("TERM") === "dumb" || (variable("CI") ?? "") !== "";
  if (isPlain) return undefined;
  // A terminal that does not know its size says 0.
  return Deno.consoleSize().columns || 80;
}
