/**
 * The rules of the house as a pure function over sources: layers, cycles, dead
 * files, sizes, module docs, and what the rooms of `state/` may not touch.
 *
 * It reads source as `deno fmt` leaves it (static imports start their line),
 * and knows strings and comments, but is no parser.
 *
 * @module
 */

/** Sources by path from the root, like `src/base/ids.ts`. */
export type Tree = Readonly<Record<string, string>>;

const linesMax = 400;

/** Lower may not import higher; folders in one row do not import each other. */
const layers: readonly (readonly string[])[] = [
  ["src/base/"],
  ["src/wire/", "src/state/", "src/store/", "src/code/"],
  ["src/owner/", "src/node/", "src/head/"],
  ["src/client/", "src/worker/"],
  ["src/inspect/"],
  ["src/dashboard/"],
  ["src/local_node.ts"],
  ["src/cluster_node.ts"],
  ["src/cluster_head.ts"],
  ["src/joined_node.ts"],
  [
    "src/node_entry.ts",
    "src/worker_entry.ts",
    "src/host_entry.ts",
    "src/actor_entry.ts",
  ],
  ["src/node_process.ts"],
  ["src/cluster.ts", "src/cli/"],
  ["src/runtime.ts"],
  ["mod.ts", "cli.ts"],
  ["src/sandbox_entry.ts"],
];

const bannedInState =
  /\b(await|Date\.now|performance\.now|setTimeout|setInterval|Math\.random|Deno\.\w+)\b/g;

/** Imports between rooms that go up, or to a neighbour, or to no room. */
export function findBadImports(tree: Tree): string[] {
  const faults: string[] = [];
  for (const [path, source] of Object.entries(tree)) {
    const from = placeOf(path);
    if (from === undefined) faults.push(`${path} belongs to no layer`);
    for (const target of linksOf(path, source).imports) {
      const to = placeOf(target);
      if (!(target in tree)) faults.push(`${path} imports ${target}: no file`);
      if (from === undefined || to === undefined) continue;
      const isUp = to.layer > from.layer;
      const isSideways = to.layer === from.layer && to.room !== from.room;
      if (isUp) faults.push(`${path} imports upward: ${target}`);
      if (isSideways) faults.push(`${path} imports sideways: ${target}`);
    }
  }
  return faults;
}

/** Each cycle of imports once, as a path. */
export function findCycles(tree: Tree): string[] {
  const done = new Set<string>();
  const faults: string[] = [];
  function visit(path: string, trail: string[]): void {
    const at = trail.indexOf(path);
    if (at >= 0) {
      faults.push([...trail.slice(at), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const target of linksOf(path, tree[path] ?? "").imports) {
      visit(target, [...trail, path]);
    }
    done.add(path);
  }
  for (const path of Object.keys(tree)) visit(path, []);
  return faults;
}

/** Files in `src/` that neither entry reaches, by import or as `new URL("…", import.meta.url)`. */
export function findDeadFiles(tree: Tree): string[] {
  const open = ["mod.ts", "cli.ts"].filter((path) => path in tree);
  const reached = new Set(open);
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    const { imports, urls } = linksOf(path, tree[path] ?? "");
    for (const target of [...imports, ...urls]) {
      if (reached.has(target)) continue;
      reached.add(target);
      open.push(target);
    }
  }
  return Object.keys(tree).filter((path) =>
    path.startsWith("src/") && !reached.has(path)
  );
}

/** Files that are too long, or do not open with a module doc. */
export function findShapeFaults(tree: Tree): string[] {
  const faults: string[] = [];
  for (const [path, source] of Object.entries(tree)) {
    const lineCount = source.trimEnd().split("\n").length;
    if (lineCount > linesMax) faults.push(`${path} has ${lineCount} lines`);
    const opening = source.replace(/^#!.*\n/, "");
    const doc = /^\/\*\*[\s\S]*?\*\//.exec(opening)?.[0];
    if (!doc?.includes("@module")) {
      faults.push(`${path} does not open with a module doc`);
    }
  }
  return faults;
}

/** Clocks, chance, waiting and the outside world in the rooms of `state/`. */
export function findImpureState(tree: Tree): string[] {
  const faults: string[] = [];
  for (const [path, source] of Object.entries(tree)) {
    if (!path.startsWith("src/state/")) continue;
    const code = blank(source, { strings: true });
    for (const [found] of code.matchAll(bannedInState)) {
      faults.push(`${path} uses ${found}`);
    }
    for (const specifier of specifiersOf(source)) {
      if (specifier.startsWith("node:")) {
        faults.push(`${path} imports ${specifier}`);
      }
    }
  }
  return faults;
}

function placeOf(path: string): { layer: number; room: string } | undefined {
  for (const [layer, rooms] of layers.entries()) {
    const room = rooms.find((each) =>
      each.endsWith("/") ? path.startsWith(each) : path === each
    );
    if (room !== undefined) return { layer, room };
  }
}

function linksOf(
  path: string,
  source: string,
): { imports: string[]; urls: string[] } {
  const code = blank(source, { strings: false });
  const urls = [
    ...code.matchAll(/new URL\(\s*"([^"]+)",\s*import\.meta\.url,?\s*\)/g),
  ];
  const isOwn = (specifier: string) => /^\.\.?\//.test(specifier);
  return {
    imports: specifiersOf(source).filter(isOwn).map((each) =>
      resolve(path, each)
    ),
    urls: urls.map((match) => match[1]!).filter(isOwn).map((each) =>
      resolve(path, each)
    ),
  };
}

function specifiersOf(source: string): string[] {
  const code = blank(source, { strings: false });
  const patterns = [
    /^(?:import|export)\b[^"'`;]*?\bfrom\s+"([^"]+)"/gm,
    /^import\s+"([^"]+)"/gm,
    /\bimport\(\s*"([^"]+)",?\s*\)/g,
  ];
  return patterns.flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => match[1]!)
  );
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** Takes comments out, and with `strings` what strings say too; lines stay. */
function blank(source: string, options: { strings: boolean }): string {
  const tokens =
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return source.replace(tokens, (token) => {
    if (token.startsWith("/")) return token.replace(/[^\n]/g, " ");
    return options.strings ? '""' : token;
  });
}

/** Rooms that the architecture's sections do not name, and names of no room. */
export function findUnnamedRooms(tree: Tree, architecture: string): string[] {
  const faults: string[] = [];
  const rooms = architecture.split("## Rooms\n")[1]!.split("\n## ")[0]!;
  for (const section of rooms.split("### ").slice(1)) {
    const folder = section.match(/^\w+/)![0];
    const named = new Set(
      [...section.matchAll(/`(\w+)`/g)].map(([, name]) => name!),
    );
    for (const path of Object.keys(tree)) {
      const [, room] = path.match(`^src/${folder}/(\\w+)\\.ts$`) ?? [];
      if (room === undefined) continue;
      if (!named.delete(room)) faults.push(`${folder}/${room} is not named`);
    }
    if (folder === "Entries") continue;
    for (const name of named) faults.push(`${folder}/${name} is no room`);
  }
  return faults;
}
