/**
 * Which functions share a scope.
 *
 * V8 gives a copy of a scope each time it is asked, so sameness is inferred: a
 * script has one module scope; inner scopes are the same when they lie in the
 * same scope, have the same names and hold the very same values. Two that
 * can't be told apart differ only in what is assigned later.
 *
 * @module
 */
import type { FunctionScope } from "./inspector.ts";

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
}

/** Gives scopes their numbers. */
export class ScopeTable {
  readonly #known = new Map<string, KnownScope[]>();
  #count = 0;

  /** The number of the scope of globals that the program made. */
  readonly globalId = this.#count++;

  /** The numbers of a function's scopes, in the order given: innermost first. */
  idsOf(scriptId: string, scopes: readonly FunctionScope[]): number[] {
    const ids: number[] = [];
    let outer = "";
    for (const scope of scopes.toReversed()) {
      const key = scope.label === "Script"
        ? "Script"
        : `${scriptId} ${outer} ${scope.label}`;
      const id = this.#idOf(key, scope);
      ids.unshift(id);
      outer = String(id);
    }
    return ids;
  }

  #idOf(key: string, scope: FunctionScope): number {
    let candidates = this.#known.get(key);
    if (candidates === undefined) this.#known.set(key, candidates = []);
    const { variables, label } = scope;
    const isSingle = label === "Module" || label === "Script";
    const names = isSingle ? [] : Object.keys(variables);
    for (const candidate of candidates) {
      if (isSingle || areSame(candidate, names, variables)) return candidate.id;
    }
    const id = this.#count++;
    candidates.push({ id, names, variables });
    return id;
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
