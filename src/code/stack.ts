/**
 * Stack traces of revived code in the user's own lines.
 *
 * V8 runs transpiled text, whose lines are not the user's, and Deno maps only
 * what it loaded itself. A revived function's file name therefore carries the
 * hash of the text it came from; where a trace is shown, that text is made
 * once more from the file, with its source map. If it comes out different (the
 * file was edited, or there is none), V8's lines stay.
 *
 * @module
 */
import type { TraceMap } from "@jridgewell/trace-mapping";
import type { ModuleMeta } from "./meta.ts";

const mark = /#v8-([0-9a-f]{8})$/;
const markedPlace =
  /((?:(?:file|https?|data|blob):|evalmachine)[^\n]*?)#v8-([0-9a-f]{8})(?:, <anonymous>)?:(\d+):(\d+)/g;
/** V8's name for a nameless function of evaluated text. */
const nameless = /\bat (?:Object\.)?eval(?: \[as \w+\])? \((?=[^\n]*#v8-)/g;
const mapComment = /\n*\/\/# sourceMappingURL=data:[^,\n]*,(\S+)\s*$/;

/** Maps of files that a trace named, by address and hash; nothing where lines stay. */
const maps = new Map<string, Promise<SourceLines | undefined>>();

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

/** A stack trace with the user's own lines for revived code; needs to read their files. */
export async function mapStack(original: string): Promise<string> {
  if (!original.includes("#v8-")) return original;
  const stack = original.replace(nameless, "at <anonymous> (");
  let result = "";
  let position = 0;
  for (const match of stack.matchAll(markedPlace)) {
    const [whole, url, textHash, line, column] = match;
    const place = { line: Number(line), column: Number(column) };
    const mapped = await mappedPlace(url!, textHash!, place);
    result += stack.slice(position, match.index) +
      `${shown(url!)}:${mapped.line}:${mapped.column}`;
    position = match.index + whole.length;
  }
  return result + stack.slice(position);
}

/** An address as Deno shows it in traces. */
function shown(url: string): string {
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

async function mappedPlace(
  url: string,
  textHash: string,
  place: Place,
): Promise<Place> {
  const key = `${url}#${textHash}`;
  let loading = maps.get(key);
  if (loading === undefined) {
    loading = loadMap(url, textHash);
    maps.set(key, loading);
  }
  const lines = await loading;
  return lines === undefined ? place : lines(place);
}

async function loadMap(
  url: string,
  textHash: string,
): Promise<SourceLines | undefined> {
  try {
    if (!url.startsWith("file:")) return undefined;
    const source = await Deno.readTextFile(new URL(url));
    if (textHashOf(source) === textHash) return undefined;
    // Loaded here: only processes that show an error pay for them.
    const { stripTypeScriptTypes } = await import("node:module");
    const tracing = await import("@jridgewell/trace-mapping");
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
    const map = new tracing.TraceMap(new TextDecoder().decode(bytes));
    return (place) => mappedBy(map, place, tracing.originalPositionFor);
  } catch {
    // No file, no permission, or syntax that only Deno's own transpiler takes:
    // V8's lines are all there is.
    return undefined;
  }
}

function mappedBy(
  map: TraceMap,
  place: Place,
  find: typeof import("@jridgewell/trace-mapping").originalPositionFor,
): Place {
  const needle = { line: place.line, column: place.column - 1 };
  const { line, column } = find(map, needle);
  return line === null ? place : { line, column: column + 1 };
}
