/**
 * Where the program's modules lie in this process: at their own addresses, or
 * as copies in a folder of the node's session, where the program's machine is
 * another one.
 *
 * All that travels names modules as the program does; only what loads one, or
 * reads its file, asks for its place here.
 *
 * @module
 */
import type { ShippedCode } from "../base/program_code.ts";
import { isThere } from "../base/files.ts";
import { isPackageUrl, ownSource } from "./modules.ts";

let shipped: ShippedCode | undefined;
let bringNow: ((url: string) => Promise<void>) | undefined;

/** From now on the program's modules are the copies; `bring` gets one that is none yet. */
export function useShipped(
  code: ShippedCode | undefined,
  bring?: (url: string) => Promise<void>,
): void {
  shipped = code;
  bringNow = bring;
}

/** Where a module can be loaded from here, once it can be. */
export async function broughtTo(url: string): Promise<string> {
  const place = placeOf(url);
  const isCopy = shipped !== undefined && place.startsWith(`${shipped.root}/`);
  if (isCopy && !isThere(new URL(place))) await bringNow?.(nameOf(place));
  return place;
}

/** Where a module of the program can be loaded from here. */
export function placeOf(url: string): string {
  if (shipped === undefined || !url.startsWith("file:///")) return url;
  const { root, library } = shipped;
  if (url.startsWith(library)) return ownSource + url.slice(library.length);
  if (isPackageUrl(url) || url.startsWith(ownSource)) return url;
  return url.startsWith(`${root}/`) ? url : root + url.slice("file://".length);
}

/** What the program calls a module that was loaded here. */
export function nameOf(url: string): string {
  const root = shipped?.root;
  return root !== undefined && url.startsWith(`${root}/`)
    ? `file://${url.slice(root.length)}`
    : url;
}

/** A text, such as a trace, with the program's own names for its files. */
export function withNames(text: string): string {
  if (shipped === undefined) return text;
  const { root } = shipped;
  return text.replaceAll(`${root}/`, "file:///")
    .replaceAll(`${decodeURIComponent(new URL(root).pathname)}/`, "/");
}

/** Whether a module is a package's in the program's `node_modules`, which does not go along, and is not here. */
export function isLeftBehind(url: string): boolean {
  return shipped !== undefined && url.startsWith("file:///") &&
    isPackageUrl(url) && !isThere(new URL(url));
}

/** The files that were gone before they could be sent, of those that a text names. */
export function missingIn(text: string): string[] {
  const names = withNames(text);
  return shipped?.missing.filter((url) => names.includes(url)) ?? [];
}
