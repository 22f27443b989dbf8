/**
 * Which lines of a stack trace are the user's: those that are neither of this
 * library nor of the runtime below it.
 *
 * @module
 */

const own = new URL("../", import.meta.url).href;
const ownShown = shown(own);

/** The user's lines of a stack trace, in order, each as it stands there. */
export function userFrames(stack: string): string[] {
  return stack.split("\n").filter((line) => isFrame(line) && !isOwn(line));
}

/** A stack trace without this library's lines: head line (or lines) first. */
export function withoutOwnFrames(stack: string): string {
  const lines = stack.split("\n");
  return lines.filter((line) => !isFrame(line) || !isOwn(line)).join("\n");
}

function isFrame(line: string): boolean {
  return /^\s+at /.test(line);
}

function isOwn(line: string): boolean {
  return line.includes(own) || line.includes(ownShown) ||
    /[( ](?:ext|node):/.test(line);
}

function shown(url: string): string {
  try {
    return decodeURI(url);
  } catch {
    // A stray percent sign: it is shown as it is.
    return url;
  }
}
