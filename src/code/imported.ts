/**
 * What this process imported on behalf of revived code, by value.
 *
 * Code that was revived has no import statements any more, so when a task
 * submits tasks of its own, this is how its imports are known for what they
 * are. Holds weakly; no more than a note.
 *
 * @module
 */

/** Where a value was imported from. */
export interface Imported {
  /** Address of the module that the specifier is resolved against. */
  readonly base: string;
  readonly specifier: string;
  /** Name of the export; `*` is the whole namespace. */
  readonly name: string;
  readonly attributes?: Record<string, string>;
  readonly member?: string;
}

const imported = new WeakMap<object, Imported>();
const metas = new WeakMap<object, string>();

/** Notes where a value was imported from. */
export function noteImport(value: unknown, from: Imported): void {
  if (isKeyed(value) && !imported.has(value)) imported.set(value, from);
}

/** Where a value was imported from, if revived code imported it. */
export function importOf(value: unknown): Imported | undefined {
  return isKeyed(value) ? imported.get(value) : undefined;
}

/** Notes that an object stands for a module's `import.meta`. */
export function noteImportMeta(meta: object, url: string): void {
  metas.set(meta, url);
}

/** The module whose `import.meta` an object stands for. */
export function importMetaOf(value: unknown): string | undefined {
  return isKeyed(value) ? metas.get(value) : undefined;
}

function isKeyed(value: unknown): value is object {
  return typeof value === "function" ||
    (typeof value === "object" && value !== null);
}
