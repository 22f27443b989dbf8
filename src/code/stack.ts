/**
 * Stack traces of revived code in the user's own lines.
 *
 * V8 runs transpiled text, whose lines are not the user's, and Deno maps only
 * what it loaded itself. A revived function's file name therefore carries the
 * hash of the text it came from; where a trace is read, that text is made
 * once more from the file, with its source map. If it comes out different (the
 * file was edited, or there is none), V8's lines stay. All of that at once, for
 * a program may read a trace wherever it likes.
 *
 * Where Deno did load that very text, as in the program's own process, the code
 * goes by its module's name and Deno maps it like the module; the hash is then
 * told as the address of a source map.
 *
 * @module
 */
import type { SourceMap } from "node:module";
import { builtin } from "../base/builtin.ts";
import { cellName } from "../base/notebook.ts";
import type { ModuleMeta } from "./meta.ts";
import { withNames } from "./shipped.ts";

const mark = /#v8-([0-9a-f]{8})$/;
const markedPlace =
  /((?:(?:file|https?|data|blob):|evalmachine)[^\n]*?)#v8-([0-9a-f]{8})(?:, <anonymous>)?:(\d+):(\d+)/g;
/** V8's name for a nameless function of evaluated text. */
const nameless = /\bat (?:Object\.)?eval(?: \[as \w+\])? \((?=[^\n]*#v8-)/g;
const mapComment = /\n*\/\/# sourceMappingURL=data:[^,\n]*,(\S+)\s*$/;

/** Maps of files that a trace named, by address and hash; nothing where lines stay. */
const maps = new Map<string, SourceLines | undefined>();

/** Finds a place of the transpiled text in the user's file. */
type SourceLines = (place: Place) => Place;

/** Names a module's text: FNV-1a, as it only tells versions of a file apart. */
export function textHashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** The file name of code that was revived. */
export function marked(module: ModuleMeta): string {
  return module.textHash === undefined
    ? module.url
    : `${module.url}#v8-${module.textHash}`;
}

/** The address and hash that {@linkcode marked} made a file name of. */
export function unmarked(
  filename: string,
): { url: string; textHash?: string } {
  const textHash = mark.exec(filename)?.[1];
  if (textHash === undefined) return { url: filename };
  return { url: filename.replace(mark, ""), textHash };
}

/** A hash as the address of a source map, which nobody loads. */
export function mapAddress(textHash: string): string {
  return `manta:v8-${textHash}`;
}

/** The hash that {@linkcode mapAddress} made an address of. */
export function hashInMapAddress(address: string): string | undefined {
  return /^manta:v8-([0-9a-f]{8})$/.exec(address)?.[1];
}

/** A stack trace with the user's own lines for revived code; needs to read their files. */
export function mapStack(original: string): string {
  return withNames(mapLines(original));
}

function mapLines(original: string): string {
  if (!original.includes("#v8-")) return original;
  const stack = original.replace(nameless, "at <anonymous> (");
  let result = "";
  let position = 0;
  for (const match of stack.matchAll(markedPlace)) {
    const [whole, url, textHash, line, column] = match;
    const place = { line: Number(line), column: Number(column) };
    const mapped = mappedPlace(url!, textHash!, place);
    result += stack.slice(position, match.index) +
      `${shown(url!)}:${mapped.line}:${mapped.column}`;
    position = match.index + whole.length;
  }
  return result + stack.slice(position);
}

/** A stack trace from who may be hostile: it names no marked files but these, and is soon looked through. */
export function keepMarks(stack: string, known: ReadonlySet<string>): string {
  if (!stack.includes("#v8-")) return stack;
  const isShort = stack.length <= doubtedCharsMax &&
    stack.split("\n").every((line) => line.length <= doubtedLineCharsMax);
  // By the very pattern that finds them later: what it takes for an address counts.
  const isKnown = isShort &&
    stack.matchAll(markedPlace)
      .every(([, url, textHash]) => known.has(`${url}#v8-${textHash}`));
  if (isKnown) return stack;
  // What is left beside a mark may have become one.
  return stack.replaceAll(/#v8-[0-9a-f]{8}/g, "").replaceAll("#v8-", "#v8 ");
}

/** The longest trace, and line of it, that is searched for marks: a search takes the square of a line. */
const doubtedCharsMax = 64 * 1024;
const doubtedLineCharsMax = 4096;

/** An address as Deno shows it in traces; a notebook's cell by its first line. */
function shown(url: string): string {
  const cell = cellName(url);
  if (cell !== undefined) return cell;
  try {
    return decodeURI(url);
  } catch {
    // A stray percent sign: it is shown as it is.
    return url;
  }
}

interface Place {
  readonly line: number;
  readonly column: number;
}

function mappedPlace(url: string, textHash: string, place: Place): Place {
  const key = `${url}#${textHash}`;
  let lines = maps.get(key);
  if (lines === undefined && !maps.has(key)) {
    lines = loadMap(url, textHash);
    maps.set(key, lines);
  }
  return lines === undefined ? place : lines(place);
}

function loadMap(url: string, textHash: string): SourceLines | undefined {
  try {
    if (!url.startsWith("file:")) return undefined;
    const source = Deno.readTextFileSync(new URL(url));
    if (textHashOf(source) === textHash) return undefined;
    // Loaded here: only processes that show an error pay for it.
    const { stripTypeScriptTypes, SourceMap } = builtin("node:module");
    const code = stripTypeScriptTypes(source, {
      mode: "transform",
      sourceMap: true,
      sourceUrl: "",
    });
    const comment = mapComment.exec(code);
    if (comment === null) return undefined;
    const text = code.slice(0, comment.index);
    const isSame = textHashOf(text) === textHash ||
      textHashOf(`${text}\n`) === textHash;
    if (!isSame) return undefined;
    const bytes = Uint8Array.fromBase64(comment[1]!);
    const map = new SourceMap(JSON.parse(new TextDecoder().decode(bytes)));
    return (place) => mappedBy(map, place);
  } catch {
    // No file, no permission, or syntax that only Deno's own transpiler takes:
    // V8's lines are all there is.
    return undefined;
  }
}

function mappedBy(map: SourceMap, { line, column }: Place): Place {
  const entry = map.findEntry(line - 1, column - 1);
  const isFound = "originalLine" in entry && entry.generatedLine === line - 1;
  return isFound
    ? { line: entry.originalLine + 1, column: entry.originalColumn + 1 }
    : { line, column };
}
