/**
 * Hosts for the nodes of a test: network namespaces, each with an address of
 * its own on a cable that can be pulled, where this machine gives them (root on
 * Linux); else addresses of the loopback device, with a proxy before the head
 * in place of the cable.
 *
 * @module
 */
import { Proxy } from "./proxy.ts";

/** Where nodes of a test run. Host 0 is the head's. */
export interface Hosts extends AsyncDisposable {
  /** What stands for the network here. */
  readonly kind: "namespaces" | "loopback";
  /** The address of a host. */
  address(no: number): string;
  /** A command as it runs on a host. */
  on(no: number, command: string[]): string[];
  /** Where a host finds the head that is at an address. */
  wayTo(no: number, address: string): string;
  /** Pulls a host's cable: nothing comes or goes, and nobody is told. */
  pull(no: number): Promise<void>;
  /** Plugs it in again. */
  plug(no: number): Promise<void>;
  /** Bytes that a host has sent; undefined where nobody counts. */
  sentBytes(no: number): number | undefined;
}

/** Makes hosts, as real as this machine gives them. */
export async function makeHosts(count: number): Promise<Hosts> {
  const isRoot = Deno.build.os === "linux" && Deno.uid() === 0;
  const areThere = isRoot && await tried(["netns", "list"]);
  return areThere ? await Namespaces.make(count) : new Loopback();
}

/** One network: a bridge, of which this process has an address too. */
class Namespaces implements Hosts {
  readonly kind = "namespaces";
  readonly #name: string;
  readonly #net: string;
  readonly #count: number;

  private constructor(count: number) {
    const id = crypto.getRandomValues(new Uint8Array(3));
    // Names of devices have 15 characters at most.
    this.#name = `mt${id.toHex()}`;
    this.#net = `10.${64 + id[0]! % 64}.${id[1]}`;
    this.#count = count;
  }

  static async make(count: number): Promise<Namespaces> {
    const made = new Namespaces(count);
    try {
      await made.#make();
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
    return made;
  }

  async #make(): Promise<void> {
    const bridge = this.#name;
    await ip(["link", "add", bridge, "type", "bridge"]);
    await ip(["addr", "add", `${this.#net}.1/24`, "dev", bridge]);
    await ip(["link", "set", bridge, "up"]);
    for (let no = 0; no < this.#count; no++) {
      const host = this.#host(no);
      await ip(["netns", "add", host]);
      const peer = `${host}p`;
      await ip(["link", "add", host, "type", "veth", "peer", "name", peer]);
      await ip(["link", "set", host, "master", bridge, "up"]);
      await ip(["link", "set", peer, "netns", host]);
      const within = (args: string[]) => ip(["-n", host, ...args]);
      await within(["addr", "add", `${this.address(no)}/24`, "dev", peer]);
      await within(["link", "set", peer, "up"]);
      await within(["link", "set", "lo", "up"]);
    }
  }

  #host(no: number): string {
    return `${this.#name}-${no}`;
  }

  address(no: number): string {
    return `${this.#net}.${no + 2}`;
  }

  on(no: number, command: string[]): string[] {
    return ["ip", "netns", "exec", this.#host(no), ...command];
  }

  wayTo(_no: number, address: string): string {
    return address;
  }

  async pull(no: number): Promise<void> {
    await ip(["link", "set", this.#host(no), "down"]);
  }

  async plug(no: number): Promise<void> {
    await ip(["link", "set", this.#host(no), "up"]);
  }

  sentBytes(no: number): number {
    // What the bridge's end of the cable has received.
    const counter = `/sys/class/net/${this.#host(no)}/statistics/rx_bytes`;
    return Number(Deno.readTextFileSync(counter));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let no = 0; no < this.#count; no++) {
      await tried(["netns", "del", this.#host(no)]);
    }
    await tried(["link", "del", this.#name]);
  }
}

/** Addresses of this machine. */
class Loopback implements Hosts {
  readonly kind = "loopback";
  readonly #proxies = new Map<number, Proxy>();

  address(no: number): string {
    return `127.0.0.${no + 2}`;
  }

  on(_no: number, command: string[]): string[] {
    return command;
  }

  wayTo(no: number, address: string): string {
    const proxy = new Proxy(address, no);
    this.#proxies.set(no, proxy);
    return proxy.address;
  }

  pull(no: number): Promise<void> {
    this.#proxies.get(no)?.sever(true);
    return Promise.resolve();
  }

  plug(no: number): Promise<void> {
    this.#proxies.get(no)?.mend();
    return Promise.resolve();
  }

  sentBytes(): undefined {
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.#proxies.values()) {
      await proxy[Symbol.asyncDispose]();
    }
  }
}

async function ip(args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("ip", {
    args,
    stdout: "null",
    stderr: "piped",
  }).output();
  if (success) return;
  throw new Error(`ip ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Whether it can be done here. */
async function tried(args: string[]): Promise<boolean> {
  try {
    await ip(args);
    return true;
  } catch {
    // No such command, no such right, or no such thing.
    return false;
  }
}
