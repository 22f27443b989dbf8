/**
 * The way from a value to the part of it that can't travel, for the error.
 *
 * Walks the value a second time and only then, so that writing keeps no track
 * of where it is. Breadth first: the shortest way is the one to show.
 *
 * @module
 */
import type { Extension } from "./value_extension.ts";
import { hiddenErrorKeys } from "./value_tags.ts";

/** How the root is called: a name, or one name for each item of an argument list. */
export type RootLabel = string | readonly string[];

interface Step {
  readonly value: unknown;
  readonly path: string;
}

const shownLettersMax = 200;

/** A path short enough to be read. */
export function shortened(path: string): string {
  if (path.length <= shownLettersMax) return path;
  const half = shownLettersMax / 2;
  return `${path.slice(0, half)} … ${path.slice(-half)}`;
}

/** Where `culprit` stands in `root`; `undefined` stands for a property that throws. */
export function pathTo(
  culprit: unknown,
  root: unknown,
  options: {
    label: RootLabel;
    extensions: ReadonlyMap<object, Extension<object>>;
  },
): string {
  const { label, extensions } = options;
  const rootPath = typeof label === "string" ? label : "value";
  const seen = new Set<unknown>();
  const queue: Step[] = typeof label === "string"
    ? [{ value: root, path: label }]
    : (root as unknown[]).map((value, index) => ({
      value,
      path: label[index] ?? `argument ${index + 1}`,
    }));
  for (const { value, path } of queue) {
    if (value === culprit && culprit !== undefined) return path;
    const isObject = typeof value === "object" && value !== null;
    if (!isObject || seen.has(value)) continue;
    seen.add(value);
    const thrown = addParts(value, path, { queue, extensions });
    if (thrown !== undefined && culprit === undefined) return thrown;
  }
  return rootPath;
}

/** Appends what the writer would go into; answers the path of a part that threw. */
function addParts(
  value: object,
  path: string,
  into: { queue: Step[]; extensions: ReadonlyMap<object, Extension<object>> },
): string | undefined {
  let here = path;
  try {
    const prototype = Object.getPrototypeOf(value);
    const extension = into.extensions.get(prototype);
    if (extension !== undefined) {
      into.queue.push({ value: extension.toFields(value), path });
      return undefined;
    }
    if (value instanceof Map) addEntries(value, path, into.queue);
    else if (value instanceof Set) addItems(value, path, into.queue);
    if (ArrayBuffer.isView(value)) {
      into.queue.push({ value: value.buffer, path: `${path}.buffer` });
      return undefined;
    }
    const hidden = value instanceof Error ? hiddenErrorKeys : [];
    for (const key of new Set([...Object.keys(value), ...hidden])) {
      here = path + segment(key, Array.isArray(value));
      const part = (value as Record<string, unknown>)[key];
      into.queue.push({ value: part, path: here });
    }
  } catch {
    // A getter or a hook of the program threw: the writer met the same error
    // and keeps it as the cause; here only its place counts.
    return here;
  }
  return undefined;
}

function segment(key: string, isArray: boolean): string {
  if (isArray && /^\d+$/.test(key)) return `[${key}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key)
    ? `.${key}`
    : `[${JSON.stringify(key)}]`;
}

function addEntries(
  map: Map<unknown, unknown>,
  path: string,
  queue: Step[],
): void {
  for (const [key, value] of map) {
    const isText = typeof key === "string";
    const isObject = typeof key === "object" && key !== null;
    const shown = isText
      ? JSON.stringify(key)
      : isObject || typeof key === "function"
      ? "…"
      : String(key);
    queue.push({ value: value, path: `${path}.get(${shown})` });
    queue.push({ value: key, path: `${path}.keys()[${shown}]` });
  }
}

function addItems(set: Set<unknown>, path: string, queue: Step[]): void {
  let index = 0;
  for (const value of set) {
    queue.push({ value, path: `${path}.values()[${index++}]` });
  }
}
