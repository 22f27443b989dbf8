/**
 * Squares: a function becomes a task, and a hundred of them run on every core.
 *
 * `deno run -A examples/squares.ts`
 *
 * @module
 */
import { get, remote, shutdown } from "@manta/manta";

const square = remote((x: number) => x * x);

// Each call returns a ref at once; the work goes on in worker processes.
const refs = Array.from({ length: 100 }, (_, x) => square.remote(x));
const squares = await get(refs);

console.log(`0² to 9²: ${squares.slice(0, 10).join(", ")}`);
console.log(`sum of 0² to 99²: ${squares.reduce((sum, x) => sum + x)}`);

await shutdown();
