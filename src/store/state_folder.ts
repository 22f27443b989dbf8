/**
 * The folder in which a node of a cluster keeps what must outlive it: who it
 * is, the cluster's token, its SQLite files. One living node has it at a time.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import { type NodeId, randomHex } from "../base/ids.ts";
import { isGone, ownMark } from "./process_mark.ts";
import { writePrivate } from "./tokens.ts";

/** What a node remembers of itself. */
export interface NodeMemory {
  nodeId: NodeId;
  /** The cluster that it leads, if it does. */
  clusterId: string;
  /** Where it listened last. */
  port: number;
  address: string;
  /** Where it served its dashboard last. */
  dashboardPort?: number;
}

const tokenBytes = 32;

/** One node's folder, while it has it. */
export class StateFolder {
  readonly path: string;
  readonly #memory: NodeMemory;

  private constructor(path: string, memory: NodeMemory) {
    this.path = path;
    this.#memory = memory;
  }

  /** Takes a folder; throws where a living node has it, or it can't be written. */
  static open(path: string): StateFolder {
    try {
      Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new MantaError(
        `Cannot use folder "${path}": ${
          (cause as Error).message
        }; name another by --dir`,
        { cause },
      );
    }
    const real = Deno.realPathSync(path);
    const holder = read(`${real}/holder`);
    if (holder !== undefined && isGone(holder) === false) {
      const { pid } = JSON.parse(holder) as { pid: number };
      if (pid !== Deno.pid) {
        throw new MantaError(
          `Cannot use folder "${path}": the node of process ${pid} runs in it; stop that one, or name another folder by --dir`,
        );
      }
    }
    const mark = ownMark();
    if (mark !== undefined) writePrivate(`${real}/holder`, mark);
    const text = read(`${real}/node.json`);
    const memory: NodeMemory = text === undefined
      ? {
        nodeId: randomHex(8) as NodeId,
        clusterId: randomHex(8),
        port: 0,
        address: "",
      }
      : JSON.parse(text);
    const folder = new StateFolder(real, memory);
    if (text === undefined) folder.#save();
    return folder;
  }

  /** What the node remembers of itself. */
  get memory(): Readonly<NodeMemory> {
    return this.#memory;
  }

  /** Where it listens now. */
  listening(address: string): void {
    if (this.#memory.address === address) return;
    this.#memory.address = address;
    this.#memory.port = Number(address.split(":").at(-1));
    this.#save();
  }

  /** Where it serves its dashboard now. */
  serving(dashboardPort: number): void {
    if (this.#memory.dashboardPort === dashboardPort) return;
    this.#memory.dashboardPort = dashboardPort;
    this.#save();
  }

  /** The cluster's token: the one of before, or a new one of 256 bits. */
  token(): string {
    return this.#secret(this.tokenPath);
  }

  /** The token of its dashboard, which opens nothing else. */
  dashboardToken(): string {
    return this.#secret(`${this.path}/dashboard-token`);
  }

  #secret(path: string): string {
    const known = read(path);
    if (known !== undefined && known !== "") return known;
    const token = randomHex(tokenBytes);
    writePrivate(path, token);
    return token;
  }

  /** The file with the token. */
  get tokenPath(): string {
    return `${this.path}/token`;
  }

  /** Another node may have it. */
  close(): void {
    try {
      Deno.removeSync(`${this.path}/holder`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #save(): void {
    writePrivate(`${this.path}/node.json`, JSON.stringify(this.#memory));
  }
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
