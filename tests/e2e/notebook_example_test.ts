/**
 * Runs the example notebook. With `-- --write` its outputs are written into
 * the file instead of being compared with those that stand there.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { Kernel, type Output, python } from "../support/notebook.ts";

const path = fileURLToPath(
  new URL("../../examples/notebook.ipynb", import.meta.url),
);

interface Cell {
  cell_type: string;
  source: string;
  outputs: Output[];
  execution_count: number | null;
}

/** Without what differs from run to run: ids and times. */
function lasting(outputs: Output[]): string {
  return JSON.stringify(outputs, [
    "output_type",
    "name",
    "text",
    "data",
    "text/plain",
    "text/html",
  ], 1)
    .replaceAll(/\b[0-9a-f]{28,32}\b/g, "ID")
    .replaceAll(/\([\d.]+\/s\) in [\d.]+ s/g, "(RATE)");
}

Deno.test({
  name: "The example notebook gives the outputs that it was committed with",
  ignore: python === undefined,
  fn: async () => {
    await using kernel = await Kernel.start("examples");
    const text = await Deno.readTextFile(path);
    await kernel.validate(text);
    const notebook = JSON.parse(text) as { cells: Cell[] };
    const isWriting = Deno.args.includes("--write");
    let count = 0;
    for (const cell of notebook.cells) {
      if (cell.cell_type !== "code") continue;
      const heard = await kernel.run(cell.source);
      count++;
      const outputs = heard.map(({ id: _, updates: __, ...output }) =>
        output.output_type === "execute_result"
          ? { ...output, execution_count: count }
          : output
      );
      assertEquals(
        outputs.filter(({ output_type }) => output_type === "error"),
        [],
      );
      if (!isWriting) {
        assertEquals(lasting(outputs), lasting(cell.outputs), cell.source);
      }
      cell.outputs = outputs;
      cell.execution_count = count;
    }
    if (!isWriting) return;
    const written = JSON.stringify(notebook, null, 1);
    await kernel.validate(written);
    await Deno.writeTextFile(path, `${written}\n`);
  },
});
