/**
 * How to start each contender, and the installing of those that are not ours.
 *
 * All that is installed lies in `bench/.peers/`, which git ignores: delete it
 * to get newer versions.
 *
 * @module
 */
import type { ContenderCommand } from "./contender.ts";
import type { ContenderName } from "./rows.ts";

/** What `--peers` takes. */
export const peerNames = [
  "ray",
  "piscina",
  "tinypool",
  "workerpool",
] as const;
/** One of them. */
export type PeerName = typeof peerNames[number];

const folder = pathOf("./.peers");

/** Our own contenders: manta, and the bare socket as the limit. */
export function ownCommands(): ContenderCommand[] {
  return [
    { name: "manta", ...denoRun("manta.ts") },
    { name: "socket", ...denoRun("socket.ts") },
  ];
}

/** Installs a peer if need be; how its contenders start. */
export async function peerCommands(
  peer: PeerName,
): Promise<ContenderCommand[]> {
  switch (peer) {
    case "ray": {
      const program = `${folder}/ray/bin/python`;
      await installOnce("ray", [
        [await pythonProgram(), "-m", "venv", `${folder}/ray`],
        [
          program,
          "-m",
          "pip",
          "install",
          "--quiet",
          "ray[default]",
          "numpy",
          "psutil",
        ],
      ]);
      return [{ name: "ray", program, args: [contenderPath("ray_peer.py")] }];
    }
    case "piscina":
      return [
        await poolCommand("piscina", ["piscina"]),
        await poolCommand("piscina64", ["piscina", "--in-flight", "64"]),
      ];
    case "tinypool":
    case "workerpool":
      return [await poolCommand(peer, [peer])];
  }
}

/** A pool of threads on Node; `args` begin with its package. */
async function poolCommand(
  name: ContenderName,
  args: readonly [pool: string, ...string[]],
): Promise<ContenderCommand> {
  const [pool] = args;
  const place = `${folder}/${pool}`;
  await installOnce(pool, [
    ["npm", "install", "--silent", "--prefix", place, pool],
  ]);
  return { name, program: "node", args: [contenderPath("pool.mjs"), ...args] };
}

function denoRun(file: string): { program: string; args: string[] } {
  return { program: Deno.execPath(), args: ["run", "-A", contenderPath(file)] };
}

function contenderPath(file: string): string {
  return pathOf(`./contenders/${file}`);
}

function pathOf(relative: string): string {
  return decodeURIComponent(new URL(relative, import.meta.url).pathname);
}

/** Ray has wheels for some versions of Python only: the newest is often none. */
async function pythonProgram(): Promise<string> {
  for (const program of ["python3.11", "python3.12", "python3"]) {
    if (await succeeds([program, "--version"])) return program;
  }
  throw new Error(`Cannot install Ray: there is no "python3" on the PATH`);
}

/** Runs the commands that fill a folder; a mark in it says that they all did. */
async function installOnce(
  name: string,
  commands: readonly (readonly string[])[],
): Promise<void> {
  const mark = `${folder}/${name}/installed`;
  if (await exists(mark)) return;
  console.error(`Installing into bench/.peers/${name}, once ...`);
  await Deno.mkdir(`${folder}/${name}`, { recursive: true });
  for (const command of commands) {
    if (!await succeeds(command)) {
      throw new Error(`Cannot install a peer: "${command.join(" ")}" failed`);
    }
  }
  await Deno.writeTextFile(mark, "");
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function succeeds(command: readonly string[]): Promise<boolean> {
  const [program = "", ...args] = command;
  try {
    const { success } = await new Deno.Command(program, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
    }).spawn().status;
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
