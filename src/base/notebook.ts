/**
 * What this library knows of notebooks: whether the program is one, and how
 * something is shown in it. Deno's kernel runs each cell as a script of its
 * own, and shows what answers to a symbol.
 *
 * @module
 */

/** Asked by the kernel how a value looks. */
export const displaySymbol: unique symbol = Symbol.for(
  "Jupyter.display",
) as never;

/** A value as a notebook shows it: the richest form that the reader knows. */
export type DisplayData = {
  /** Where nothing else can be shown. */
  "text/plain": string;
  /** For people with a browser. */
  "text/html": string;
};

/** Whether this process is the kernel of a notebook. */
export function isNotebook(): boolean {
  // Reading `Deno.jupyter` elsewhere throws. An isolate has no main module.
  const main: string | undefined = Deno.mainModule;
  return main?.endsWith("/$deno$jupyter_repl.mts") ?? false;
}

/** Shows something below the cell that runs; again under the same id, in its place. */
export async function showInNotebook(
  data: DisplayData,
  { id, isShown }: { id: string; isShown: boolean },
): Promise<void> {
  await Deno.jupyter.broadcast(
    isShown ? "update_display_data" : "display_data",
    { data, metadata: {}, transient: { display_id: id } },
  );
}

/** Text as HTML shows it. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** A name and what is to be said of it, in one line. */
export function displayLine(name: string, facts: string): DisplayData {
  const said = `<span style="opacity:.7">${escaped(facts)}</span>`;
  return {
    "text/plain": `${name}(${facts})`,
    "text/html": `<code>${escaped(name)}</code> ${said}`,
  };
}

/** The code that Deno's kernel puts before a cell. */
const cellPrefix = "'use strict'; void 0;";

/**
 * A cell's address: the notebook's, with the first line of the cell, because
 * the kernel tells nobody a cell's number. Undefined for what is no cell.
 */
export function cellUrl(text: string, main: string): string | undefined {
  if (!text.startsWith(cellPrefix)) return undefined;
  const line = text.slice(cellPrefix.length).trimStart().split("\n", 1)[0]!;
  const short = line.length > firstLineMax
    ? `${line.slice(0, firstLineMax - 1)}…`
    : line;
  // Bytes, because brackets and slashes have a meaning in a stack's frame.
  const bytes = new TextEncoder().encode(short);
  return `${main}#cell=${bytes.toHex()}`;
}

const firstLineMax = 40;

/** How a cell is called in a trace; undefined where the address is not a cell's. */
export function cellName(url: string): string | undefined {
  const bytes = /#cell=((?:[0-9a-f]{2})*)$/.exec(url)?.[1];
  if (bytes === undefined) return undefined;
  return `cell "${new TextDecoder().decode(Uint8Array.fromHex(bytes))}"`;
}
