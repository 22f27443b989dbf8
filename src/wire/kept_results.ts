/**
 * Results of tasks on their way to the lineage file and back: many of them as
 * one run of bytes, because they cross a socket and a thread.
 *
 * @module
 */
import type { StoredValue } from "../base/stored.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { readStored, writeStored } from "./payload.ts";

/** What one task returned, under its key. */
export interface KeptResult {
  readonly key: string;
  readonly values: readonly StoredValue[];
}

/** The same with its values still as bytes. */
export interface KeptBytes {
  readonly key: string;
  readonly bytes: Uint8Array;
}

/** Writes results; their values hold no segment, no code and no refs. */
export function writeResults(
  results: readonly KeptResult[],
): Uint8Array<ArrayBuffer> {
  const one = new ByteWriter();
  const out = new ByteWriter();
  out.u32(results.length);
  for (const { key, values } of results) {
    one.reset();
    one.u32(values.length);
    for (const value of values) writeStored(one, value);
    out.string(key);
    out.bytes(one.written());
  }
  return out.written().slice();
}

/** Reads what {@linkcode writeResults} wrote. */
export function readResults(bytes: Uint8Array): KeptResult[] {
  return readBytes(bytes).map(({ key, bytes }) => {
    const from = new ByteReader(bytes);
    const values: StoredValue[] = [];
    for (let left = from.u32(); left > 0; left--) values.push(readStored(from));
    return { key, values };
  });
}

/** Writes results whose values are bytes already. */
export function writeBytes(
  results: readonly KeptBytes[],
): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter();
  out.u32(results.length);
  for (const { key, bytes } of results) {
    out.string(key);
    out.bytes(bytes);
  }
  return out.written().slice();
}

/** Reads results and leaves their values as bytes. */
export function readBytes(bytes: Uint8Array): KeptBytes[] {
  const from = new ByteReader(bytes);
  const results: KeptBytes[] = [];
  for (let left = from.u32(); left > 0; left--) {
    results.push({ key: from.string(), bytes: from.bytes() });
  }
  return results;
}
