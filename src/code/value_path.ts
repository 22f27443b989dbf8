/**
 * Where inside a captured value a function stands, for an error's text.
 *
 * Used only once something went wrong, so it may be slow; it looks through
 * what a person would write a path for, and gives up politely.
 *
 * @module
 */

const visitedMax = 10_000;

/** The path from a value to a function inside it, or an instance of it, like `.db.conn`. */
export function pathInside(root: unknown, culprit: unknown): string {
  const seen = new Set<unknown>();
  const queue: { value: unknown; path: string }[] = [{ value: root, path: "" }];
  for (const { value, path } of queue) {
    if (value === culprit) return path;
    if (typeof value !== "object" || value === null || seen.has(value)) {
      continue;
    }
    const prototype: object | null = Object.getPrototypeOf(value);
    if (prototype?.constructor === culprit) return path;
    if (seen.size >= visitedMax) break;
    seen.add(value);
    if (value instanceof Map) {
      for (const [key, item] of value) {
        queue.push({ value: item, path: `${path}.get(${label(key)})` });
      }
    }
    for (const key of Object.keys(value)) {
      const property = Object.getOwnPropertyDescriptor(value, key);
      queue.push({ value: property?.value, path: path + segment(key, value) });
    }
  }
  return "";
}

function segment(key: string, holder: object): string {
  if (Array.isArray(holder)) return `[${key}]`;
  return /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key)
    ? `.${key}`
    : `[${JSON.stringify(key)}]`;
}

function label(key: unknown): string {
  return typeof key === "string" ? JSON.stringify(key) : String(key);
}
