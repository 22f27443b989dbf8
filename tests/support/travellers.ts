/**
 * A module that tests take functions from: exports, which go by reference, and
 * closures and classes made in it, which go by value.
 *
 * @module
 */
import { basename } from "node:path";

let callCount = 0;

/** Counts calls in this module's state, each process's own. */
export function countCalls(): number {
  return ++callCount;
}

/** What this process has counted. */
export function callsHere(): number {
  return callCount;
}

/** A function made in this module's closure: no export, so it goes by value. */
export function makeAdder(n: number): (x: number) => number {
  return (x) => add(x, n);
}

function add(x: number, n: number): number {
  return x + n;
}

/** Uses an import of this module's own from a closure. */
export function makeNamer(suffix: string): (path: string) => string {
  return (path) => basename(path) + suffix;
}

/** A class that a value may be an instance of. */
export class Point {
  #scale = 1;

  constructor(readonly x: number, readonly y: number) {}

  get length(): number {
    return Math.hypot(this.x, this.y) * this.#scaleNow();
  }

  #scaleNow(): number {
    return this.#scale ?? 1;
  }
}

/** An instance without private state. */
export class Range {
  constructor(public from: number, public to: number) {}

  get span(): number {
    return this.to - this.from;
  }
}

export default function greet(name: string): string {
  return `hello ${name}`;
}
