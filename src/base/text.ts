/**
 * Texts that came from a program, as they may stand in a line of the runtime's.
 *
 * @module
 */

/** One line of it: a message may have many. */
export function oneLine(text: string): string {
  return text.replace(/\s*[\r\n]\s*/g, " ").trim();
}

/** Without what would steer a terminal: a name may hold anything. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ");
}

/** So many of something: "1 task", "2 tasks". */
export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
