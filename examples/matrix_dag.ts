/**
 * A graph of tasks: refs go in as arguments, so that each product starts as
 * soon as its two factors are there, wherever they were made.
 *
 *     a   b   c   d
 *      \ /     \ /
 *       ab     cd
 *         \   /
 *         abcd
 *
 * `deno run -A examples/matrix_dag.ts`
 *
 * @module
 */
import { get, remote, shutdown } from "@manta/manta";

const side = 256;

function makeMatrix(seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: side * side }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647 - 0.5;
  });
}

function multiplyMatrices(a: Float64Array, b: Float64Array): Float64Array {
  const product = new Float64Array(side * side);
  for (let row = 0; row < side; row++) {
    for (let k = 0; k < side; k++) {
      const factor = a[row * side + k]!;
      for (let column = 0; column < side; column++) {
        product[row * side + column]! += factor * b[k * side + column]!;
      }
    }
  }
  return product;
}

const make = remote(makeMatrix);
const multiply = remote(multiplyMatrices);

const [a, b, c, d] = [1, 2, 3, 4].map((seed) => make.remote(seed));
const ab = multiply.remote(a!, b!);
const cd = multiply.remote(c!, d!);
const abcd = await get(multiply.remote(ab, cd)); // The only one that comes here.

const [A, B, C, D] = [1, 2, 3, 4].map(makeMatrix);
const expected = multiplyMatrices(
  multiplyMatrices(A!, B!),
  multiplyMatrices(C!, D!),
);
const isSame = expected.every((value, at) => value === abcd[at]);

console.log(`(a·b)·(c·d), ${side} × ${side}: first element ${abcd[0]}`);
console.log(`equal to the same in one process: ${isSame ? "yes" : "no"}`);

await shutdown();
