/**
 * A contender whose figures are known: it appends each round to a file, and
 * dies or fails where its row says so.
 *
 * @module
 */
import { appendFileSync } from "node:fs";
import process from "node:process";
import { serve } from "../../bench/contenders/serve.mjs";

const [name, log] = process.argv.slice(2);

await serve({
  start: () => `fake ${name}`,
  firstResult: () => Promise.resolve(),
  rows: {
    alternate: () => ({ run: () => appendFileSync(log, name) }),
    fail: () => ({
      run: () => {
        if (name === "a") throw new Error("it broke");
      },
    }),
    die: () => ({ run: () => name === "a" && process.exit(3) }),
  },
  end: () => {},
});
