/**
 * Checks of options: each fault is named at the call, with what was expected.
 *
 * @module
 */

/** Checks one option; throws for a wrong one. */
export type Check = (value: unknown, name: string) => void;

/** Throws unless every given option is known and passes its check. */
export function checkOptions(
  options: unknown,
  { checks, what }: { checks: Record<string, Check>; what: string },
): void {
  if (options === undefined) return;
  if (
    typeof options !== "object" || options === null || Array.isArray(options)
  ) {
    throw new TypeError(
      `Cannot use ${what}: expected an object of options, got ${show(options)}`,
    );
  }
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (check === undefined) throw unknownOption(name, { checks, what });
    if (value !== undefined) check(value, `${what} "${name}"`);
  }
}

function unknownOption(
  name: string,
  { checks, what }: { checks: Record<string, Check>; what: string },
): TypeError {
  const names = Object.keys(checks);
  const near = names.find((known) => isNear(known, name));
  const advice = near === undefined
    ? `known are ${names.join(", ")}`
    : `did you mean "${near}"?`;
  return new TypeError(
    `Cannot use ${what} "${name}": no such option; ${advice}`,
  );
}

/** A number from 0 up, fractions allowed. */
export function amount(value: unknown, name: string): void {
  finite(value, name);
  if ((value as number) < 0) throw negative(value, name);
}

/** A number above 0, in milliseconds. */
export function duration(value: unknown, name: string): void {
  amount(value, name);
  if (value === 0) {
    throw new RangeError(
      `Cannot use ${name} 0: it must be above 0; leave it out for no limit`,
    );
  }
  if ((value as number) > 2 ** 31 - 1) {
    throw new RangeError(
      `Cannot use ${name} ${value}: at most ${2 ** 31 - 1} ms`,
    );
  }
}

/** A number of milliseconds from 0 up. */
export function delayMs(value: unknown, name: string): void {
  amount(value, name);
  if ((value as number) > 2 ** 31 - 1) {
    throw new RangeError(
      `Cannot use ${name} ${value}: at most ${2 ** 31 - 1} ms`,
    );
  }
}

/** A whole number within bounds. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER): Check {
  return (value, name) => {
    finite(value, name);
    if (!Number.isInteger(value)) {
      throw new RangeError(
        `Cannot use ${name} ${value}: expected a whole number`,
      );
    }
    if ((value as number) < min || (value as number) > max) {
      const bounds = max === Number.MAX_SAFE_INTEGER
        ? `at least ${min}`
        : `from ${min} to ${max}`;
      throw new RangeError(`Cannot use ${name} ${value}: expected ${bounds}`);
    }
  };
}

/** Any whole or fractional number. */
export function finite(value: unknown, name: string): void {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use ${name} ${show(value)}: expected a number`);
  }
  if (!Number.isFinite(value)) {
    throw new RangeError(
      `Cannot use ${name} ${value}: expected a finite number`,
    );
  }
}

/** A text that is not empty. */
export function text(value: unknown, name: string): void {
  if (typeof value !== "string" || value === "") {
    throw new TypeError(
      `Cannot use ${name} ${show(value)}: expected a string that is not empty`,
    );
  }
}

/** True or false. */
export function flag(value: unknown, name: string): void {
  if (typeof value !== "boolean") {
    throw new TypeError(
      `Cannot use ${name} ${show(value)}: expected true or false`,
    );
  }
}

/** One of a few words. */
export function oneOf(...words: string[]): Check {
  return (value, name) => {
    if (typeof value === "string" && words.includes(value)) return;
    const listed = words.map((word) => `"${word}"`).join(" or ");
    throw new TypeError(
      `Cannot use ${name} ${show(value)}: expected ${listed}`,
    );
  };
}

/** Amounts by resource name. */
export function amounts(value: unknown, name: string): void {
  const expected = "amounts by name, like { red: 1 }";
  for (const [resource, each] of entriesOf(value, { name, expected })) {
    if (["CPU", "GPU", "memory"].includes(resource)) {
      const option =
        { CPU: "numCpus", GPU: "numGpus", memory: "memory" }[resource];
      throw new TypeError(
        `Cannot use ${name}: "${resource}" has an option of its own, ${option}`,
      );
    }
    resourceName(resource, name);
    amount(each, `${name}.${resource}`);
  }
}

/** The name of a resource: not empty, and none of those that placement groups make. */
export function resourceName(resource: string, name: string): void {
  if (/^[^@\p{Cc}]+$/u.test(resource)) return;
  throw new TypeError(
    `Cannot use ${name} "${resource}": the name of a resource is a text without "@" and control characters`,
  );
}

/** What an option holds by names that programs choose. */
export function entriesOf(
  value: unknown,
  { name, expected }: { name: string; expected: string },
): [key: string, value: unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(
      `Cannot use ${name} ${show(value)}: expected ${expected}`,
    );
  }
  const entries = Object.entries(value);
  for (const [key] of entries) plainKey(key, name);
  return entries;
}

/** A key that programs may choose; this one means something else to JavaScript. */
export function plainKey(key: string, name: string): void {
  if (key !== "__proto__") return;
  throw new TypeError(`Cannot use ${name} "__proto__": choose another name`);
}

/** Texts by name. */
export function texts(value: unknown, name: string): void {
  const expected = "texts by name";
  for (const [key, each] of entriesOf(value, { name, expected })) {
    text(each, `${name}.${key}`);
  }
}

/** An abort signal. */
export function abortSignal(value: unknown, name: string): void {
  if (!(value instanceof AbortSignal)) {
    throw new TypeError(
      `Cannot use ${name} ${show(value)}: expected an AbortSignal`,
    );
  }
}

/** A value in an error, short. */
export function show(value: unknown): string {
  const shown = typeof value === "string"
    ? JSON.stringify(value)
    : Deno.inspect(value, { depth: 1, compact: true });
  return shown.length > 100 ? `${shown.slice(0, 100)}…` : shown;
}

function negative(value: unknown, name: string): RangeError {
  return new RangeError(`Cannot use ${name} ${value}: it must not be negative`);
}

/** Whether two names differ by case, or by at most two letters. */
function isNear(known: string, name: string): boolean {
  const a = known.toLowerCase();
  const b = name.toLowerCase();
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      current.push(Math.min(
        previous[column]! + 1,
        current[column - 1]! + 1,
        previous[column - 1]! + (isSame ? 0 : 1),
      ));
    }
    previous = current;
  }
  return previous[b.length]! <= 2;
}
