/**
 * What a piece of code is from one run of the program to the next: its text
 * and that of all local modules it imports, without what moves when the file
 * around it is edited.
 *
 * @module
 */
import { builtin } from "../base/builtin.ts";
import type * as Crypto from "node:crypto";
import { lateImportsOf } from "./late_imports.ts";
import type { ImportName, Meta, Node } from "./meta.ts";
import {
  isPackageUrl,
  ownSource,
  resolved,
  staticImportsOf,
} from "./modules.ts";

/** Loaded when it is needed: few processes pay for it. */
let crypto: typeof Crypto | undefined;
import { placeOf } from "./shipped.ts";

/** Describes bundles of code for one program. */
export class CodeIdentities {
  readonly #mainModule: string;
  readonly #texts = new Map<string, Promise<string>>();

  constructor(mainModule: string) {
    this.#mainModule = mainModule;
  }

  /**
   * A text that is the same as long as the code is; undefined where that can't
   * be told, for what it imports is known only when it runs. `meta` is the
   * bundle's JSON.
   */
  async describe(meta: string): Promise<string | undefined> {
    const { modules, variables, nodes } = JSON.parse(meta) as Meta;
    const imports: string[] = [];
    const named = ({ from, specifier }: ImportName) => {
      const url = resolved(specifier, modules[from]!.url);
      imports.push(url ?? specifier);
    };
    const lasting = JSON.stringify(
      { modules: modules.map(({ url }) => url), variables, nodes },
      (key, value) => {
        if (key === "import") named(value as ImportName);
        return isCode(value) ? { ...value, line: 0, column: 0 } : value;
      },
    );
    for (const node of nodes) {
      if (node.kind !== "code") continue;
      const found = await lateImportsOf(node.text, modules[node.module]!.url);
      if (found === undefined) return undefined;
      imports.push(...found);
    }
    const graph = await this.#graph(imports);
    return graph === undefined ? undefined : `${lasting}\n${graph}`;
  }

  /** The hash of all local modules that are reached from these, and the addresses of others. */
  async #graph(urls: string[]): Promise<string | undefined> {
    const seen = new Set<string>();
    const lines: string[] = [];
    let wave = urls;
    while (wave.length > 0) {
      const next: string[] = [];
      for (const url of wave) {
        if (seen.has(url) || url === this.#mainModule) continue;
        seen.add(url);
        const isOthers = !url.startsWith("file:") || isPackageUrl(url) ||
          url.startsWith(ownSource);
        if (isOthers) {
          lines.push(url);
          continue;
        }
        const text = await this.#textOf(url);
        lines.push(`${url} ${hashOf(text)}`);
        const late = await lateImportsOf(text, url);
        if (late === undefined) return undefined;
        next.push(...staticImportsOf(text, url), ...late);
      }
      wave = next;
    }
    return lines.sort().join("\n");
  }

  #textOf(url: string): Promise<string> {
    let text = this.#texts.get(url);
    if (text === undefined) {
      text = Deno.readTextFile(new URL(placeOf(url))).catch((error) => {
        // One that was removed since it was loaded is no longer the same.
        if (error instanceof Deno.errors.NotFound) return "";
        throw error;
      });
      this.#texts.set(url, text);
    }
    return text;
  }
}

/** A short name for what is given, the same in every run: 128 bits of its SHA-256. */
export function hashOf(...parts: (string | Uint8Array)[]): string {
  crypto ??= builtin("node:crypto");
  const hash = crypto.createHash("sha256");
  // Each call costs more than the few bytes it brings: texts go together.
  let text = "";
  for (const part of parts) {
    text += `${part.length}:`;
    if (typeof part === "string") text += part;
    else {
      hash.update(text).update(part);
      text = "";
    }
  }
  return hash.update(text).digest("base64url").slice(0, 22);
}

function isCode(value: unknown): value is Node & { kind: "code" } {
  return typeof value === "object" && value !== null &&
    (value as Partial<Node>).kind === "code";
}
