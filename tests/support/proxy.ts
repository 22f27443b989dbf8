/**
 * A TCP proxy that does to connections what bad networks do: delays, cuts,
 * holds one direction, flips bytes. What it does follows a seed.
 *
 * @module
 */
import { closeUnlessClosed, writeAll } from "../../src/wire/streams.ts";
import { seeded } from "./random.ts";

/** How bad the network is; each a chance for one piece that passes. */
export interface Weather {
  cut: number;
  corrupt: number;
  /** Nothing passes any more in one direction, and nobody is told. */
  hold: number;
  delay: number;
  delayMsMax: number;
}

/** A proxy before one port. */
export class Proxy implements AsyncDisposable {
  readonly address: string;
  /** What happened, by kind. */
  readonly counts: Record<string, number> = {};
  weather: Weather = { cut: 0, corrupt: 0, hold: 0, delay: 0, delayMsMax: 0 };
  readonly #target: string;
  readonly #listener: Deno.TcpListener;
  readonly #random: () => number;
  readonly #conns = new Set<Deno.Conn>();
  readonly #running = new Set<Promise<void>>();
  #isSevered = false;

  constructor(target: string, seed: number) {
    this.#target = target;
    this.#random = seeded(seed);
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.address = `127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
    this.#track(this.#accept());
  }

  /** Ends all connections; with `isKept` new ones end too. */
  sever(isKept = false): void {
    this.#isSevered = isKept;
    for (const conn of this.#conns) closeUnlessClosed(conn);
    this.#conns.clear();
  }

  /** Lets connections through again. */
  mend(): void {
    this.#isSevered = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.sever(true);
    await Promise.all(this.#running);
  }

  #track(work: Promise<void>): void {
    this.#running.add(work);
    work.finally(() => this.#running.delete(work));
  }

  async #accept(): Promise<void> {
    try {
      for await (const near of this.#listener) {
        if (!this.#isSevered) this.#track(this.#pass(near));
        else {
          closeUnlessClosed(near);
          this.#count("refused");
        }
      }
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }

  async #pass(near: Deno.Conn): Promise<void> {
    const [hostname, port] = this.#target.split(":");
    let far: Deno.Conn;
    try {
      far = await Deno.connect({ hostname: hostname!, port: Number(port) });
    } catch {
      return closeUnlessClosed(near); // Nobody listens there now.
    }
    for (const conn of [near, far]) this.#conns.add(conn);
    await Promise.all([this.#pump(near, far), this.#pump(far, near)]);
    for (const conn of [near, far]) {
      this.#conns.delete(conn);
      closeUnlessClosed(conn);
    }
  }

  async #pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(32 * 1024);
    let isHeld = false;
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (count === null) break;
        const { cut, corrupt, hold, delay, delayMsMax } = this.weather;
        if (this.#happens("cut", cut)) break;
        isHeld ||= this.#happens("hold", hold);
        if (isHeld) continue;
        if (this.#happens("corrupt", corrupt)) {
          const at = Math.floor(this.#random() * count);
          buffer[at] = buffer[at]! ^ (1 + Math.floor(this.#random() * 255));
        }
        if (this.#happens("delay", delay)) {
          const ms = this.#random() * delayMsMax;
          await new Promise((resolve) => setTimeout(resolve, ms));
        }
        await writeAll(to, buffer.subarray(0, count));
      }
    } catch {
      // One side is gone: so is the other.
    }
    closeUnlessClosed(from);
    closeUnlessClosed(to);
  }

  #happens(what: string, chance: number): boolean {
    if (this.#random() >= chance) return false;
    this.#count(what);
    return true;
  }

  #count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}
