import { assertEquals, assertThrows } from "@std/assert";
import { optionsFrom } from "../../bench/options.ts";
import { rows } from "../../bench/rows.ts";

function rowNames(...args: string[]): string[] | undefined {
  return optionsFrom(args)?.rows.map(({ name }) => name);
}

Deno.test("optionsFrom() runs all rows without peers when nothing is asked for", () => {
  assertEquals(optionsFrom([]), {
    rows,
    isQuick: false,
    peers: [],
    only: undefined,
    jsonPath: undefined,
    isForDocs: false,
  });
});

Deno.test("optionsFrom() takes a list of peers, or all where none is named", () => {
  assertEquals(optionsFrom(["--peers", "ray"])?.peers, ["ray"]);
  assertEquals(optionsFrom(["--peers=piscina,ray"])?.peers, ["piscina", "ray"]);
  const all = optionsFrom(["--peers", "--quick", "--json", "out.json"]);
  assertEquals(all?.peers, [
    "ray",
    "piscina",
    "tinypool",
    "workerpool",
  ]);
  assertEquals(all?.isQuick, true);
  assertEquals(all?.jsonPath, "out.json");
});

Deno.test("optionsFrom() finds rows by a part of their name and by an expression", () => {
  assertEquals(rowNames("--rows", "fib(20)"), ["fib(20)"]);
  assertEquals(rowNames("--rows", "CALLS CONCURRENT"), [
    "1:1 actor calls concurrent",
  ]);
  assertEquals(rowNames("--rows", "^1:1 actor calls (a?sync)$"), [
    "1:1 actor calls sync",
    "1:1 actor calls async",
  ]);
  assertEquals(rowNames("--rows", "fib("), ["fib(20)"]);
});

Deno.test("optionsFrom() refuses what it does not know, naming it", () => {
  const refused: [string[], string][] = [
    [["--row", "x"], "--row"],
    [["tasks"], "tasks"],
    [["--rows", "nothing like it"], "nothing like it"],
    [["--peers", "dask"], "dask"],
    [["--only", "rya"], "rya"],
    [["--json"], "--json needs a file"],
  ];
  for (const [args, message] of refused) {
    assertThrows(() => optionsFrom(args), Error, message);
  }
});

Deno.test("optionsFrom() gives way to --help", () => {
  assertEquals(optionsFrom(["--help"]), undefined);
});
