/**
 * The kinds of object that this process's values were taught: refs aside, each
 * by the room that knows it.
 *
 * @module
 */
import type { Bar } from "../wire/facts.ts";
import { type Extension, ValueCodec } from "../wire/values.ts";

const extensions: Extension<object>[] = [];

/** Teaches all values of this process a further kind of object. */
export function extendValues<T extends object>(extension: Extension<T>): void {
  extensions.push(extension as unknown as Extension<object>);
}

/** Classes whose instances travel as instances, wherever they are defined. */
// deno-lint-ignore ban-types -- any class
export const registered: Set<Function> = new Set();

let draw: (word: Bar) => void = () => {};

/** Sets what draws progress bars in this process. */
export function setProgressDrawer(drawer: (word: Bar) => void): void {
  draw = drawer;
}

/** A progress bar has moved, in whichever process of the program. */
export function progressTold(word: Bar): void {
  draw(word);
}

/** A codec that knows all of these. */
export function newCodec(): ValueCodec {
  return new ValueCodec(extensions, registered);
}

/** All that this process's values were taught. */
export function knownExtensions(): readonly Extension<object>[] {
  return extensions;
}
