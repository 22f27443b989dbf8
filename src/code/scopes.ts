/**
 * Which functions share a scope.
 *
 * V8 gives a copy of a scope each time it is asked, so sameness is inferred: a
 * script has one module scope; inner scopes are the same when they lie in the
 * same scope, have the same names and hold the very same values, unless both
 * made a function of the same place in the text: one call makes it once.
 *
 * @module
 */
import type { Described, FunctionScope } from "./inspector.ts";

/** A variable still in its dead zone. */
export const deadZone = Symbol("dead zone");

/** Reads a variable of a scope. */
export function readVariable(
  variables: Record<string, unknown>,
  name: string,
): unknown {
  try {
    return variables[name];
  } catch {
    // The variable's declaration has not run yet.
    return deadZone;
  }
}

interface KnownScope {
  readonly id: number;
  readonly names: readonly string[];
  readonly variables: Record<string, unknown>;
  /** Where the functions stand that were made right in it. */
  readonly places: Set<string>;
}

/** Gives scopes their numbers. */
export class ScopeTable {
  readonly #known = new Map<string, KnownScope[]>();
  #count = 0;

  /** The number of the scope of globals that the program made. */
  readonly globalId = this.#count++;

  /** The numbers of a function's scopes, innermost first. */
  idsOf(described: Described): number[] {
    const { location, scopes } = described;
    const { scriptId, line, column } = location!;
    const ids: number[] = [];
    let outer = "";
    for (const scope of scopes.toReversed()) {
      const key = scope.label === "Script"
        ? "Script"
        : `${scriptId} ${outer} ${scope.label}`;
      const place = scope === scopes[0] ? `${line}:${column}` : undefined;
      const id = this.#idOf(key, scope, place);
      ids.unshift(id);
      outer = String(id);
    }
    return ids;
  }

  #idOf(key: string, scope: FunctionScope, place: string | undefined): number {
    let candidates = this.#known.get(key);
    if (candidates === undefined) this.#known.set(key, candidates = []);
    const { variables, label } = scope;
    const isSingle = label === "Module" || label === "Script";
    const names = isSingle ? [] : Object.keys(variables);
    let found = candidates.find((candidate) =>
      isSingle ||
      (areSame(candidate, names, variables) &&
        (place === undefined || !candidate.places.has(place)))
    );
    if (found === undefined) {
      found = { id: this.#count++, names, variables, places: new Set() };
      candidates.push(found);
    }
    if (place !== undefined) found.places.add(place);
    return found.id;
  }
}

function areSame(
  known: KnownScope,
  names: readonly string[],
  variables: Record<string, unknown>,
): boolean {
  return names.length === known.names.length &&
    names.every((name, index) =>
      name === known.names[index] &&
      Object.is(
        readVariable(variables, name),
        readVariable(known.variables, name),
      )
    );
}
