/**
 * What the rounds of a row come to: median, spread, ratio. Numbers only.
 *
 * @module
 */

/** Rounds that lie further apart than this are no result. */
export const spreadMax = 0.3;

/** What one contender's rounds of one row come to. */
export interface Figure {
  readonly median: number;
  /** Highest less lowest, as a part of the median. */
  readonly spread: number;
  readonly rounds: readonly number[];
}

/** Sums up rounds, of which there must be one at least. */
export function figureOf(rounds: readonly number[]): Figure {
  if (rounds.length === 0) {
    throw new RangeError("Cannot sum up rounds: there are none");
  }
  const sorted = rounds.toSorted((a, b) => a - b);
  const median = (at(sorted, (sorted.length - 1) >> 1) +
    at(sorted, sorted.length >> 1)) / 2;
  const range = at(sorted, sorted.length - 1) - at(sorted, 0);
  return { median, spread: median === 0 ? 0 : range / median, rounds };
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`No value at ${index}`);
  return value;
}

/** Whether the rounds agree well enough to be called a result. */
export function isSteady(figure: Figure): boolean {
  return figure.spread <= spreadMax;
}

/** How many times better `ours` is than `theirs`. */
export function ratioOf(
  ours: Figure,
  theirs: Figure,
  { isCost }: { isCost: boolean },
): number {
  return isCost ? theirs.median / ours.median : ours.median / theirs.median;
}
