/**
 * Amounts, spans and rows as people read them; knows nothing of what they are
 * of.
 *
 * @module
 */

/** A row: what is shown, by column. */
export type Cells = Record<string, unknown>;

/** Bytes for people. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let amount = bytes;
  while (amount >= 1024 && at < units.length - 1) {
    amount /= 1024;
    at++;
  }
  return `${at === 0 ? amount : amount.toFixed(1)} ${units[at]}`;
}

/** A time span for people. */
export function spanText(ms: number): string {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How many of them. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** An amount of a resource, to two digits. */
export function rounded(amount: number | undefined): number {
  return Math.round((amount ?? 0) * 100) / 100;
}

/** A script as people know it. */
export function nameOf(script: string | undefined): string {
  return script?.slice(script.lastIndexOf("/") + 1) ?? "no program";
}
