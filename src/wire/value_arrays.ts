/**
 * What kind of array it is: with holes or named properties, all numbers, all
 * small integers. Asked of every array that is written, so it must be quick.
 *
 * @module
 */

/** Arrays from this on are looked through by the inspector, whose cost does not grow. */
const inspectedArrayMin = 128;

/** The array's keys if it has holes or named properties, else undefined. */
export function sparseKeys(
  array: readonly unknown[],
  isNumeric: boolean,
): string[] | undefined {
  const length = array.length;
  if (length >= inspectedArrayMin && (isNumeric || !hasHole(array))) {
    // Listing the keys of a long array takes longer than all the rest; the
    // inspector tells in constant time that there are none but the indices.
    const seen = Deno.inspect(array, { iterableLimit: 0, depth: 0 });
    if (seen.endsWith(`[ ... ${length} more items ]`)) return undefined;
  }
  const keys = Object.keys(array);
  const isDense = keys.length === length &&
    (length === 0 || keys[length - 1] === String(length - 1));
  return isDense ? undefined : keys;
}

function hasHole(array: readonly unknown[]): boolean {
  for (let i = 0; i < array.length; i++) {
    if (array[i] === undefined && !Object.hasOwn(array, i)) return true;
  }
  return false;
}

/** Whether it holds nothing but numbers. */
export function isNumbers(
  array: readonly unknown[],
): array is readonly number[] {
  for (let i = 0; i < array.length; i++) {
    if (typeof array[i] !== "number") return false;
  }
  return true;
}

/** Whether each number is a 32-bit integer, which -0 is not. */
export function isInt32s(array: readonly number[]): boolean {
  for (let i = 0; i < array.length; i++) {
    const value = array[i]!;
    if ((value | 0) !== value || (value === 0 && 1 / value < 0)) return false;
  }
  return true;
}
