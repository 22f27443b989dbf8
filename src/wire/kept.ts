/**
 * Values that outlive their program, as one piece of bytes: what a durable
 * actor leaves in the lineage file. All they need comes along: large arrays,
 * and the code of their classes.
 *
 * @module
 */
import type { CodeHash } from "../base/ids.ts";
import type { CodeBundle, StoredValue } from "../base/stored.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { readStored, writeStored } from "./payload.ts";

/** What is kept. */
export interface Kept {
  /** Whatever else belongs to it, as JSON. */
  readonly text: string;
  readonly values: readonly StoredValue[];
  readonly bundles: readonly CodeBundle[];
}

/** Its first byte: a file may be older than the program that reads it. */
const version = 1;

/** Writes what is kept. */
export function writeKept({ text, values, bundles }: Kept): Uint8Array {
  const out = new ByteWriter();
  out.u8(version);
  out.string(text);
  out.u32(values.length);
  for (const value of values) writeStored(out, value);
  out.u32(bundles.length);
  for (const { hash, name, meta, values: captured } of bundles) {
    out.string(hash);
    out.string(name);
    out.string(meta);
    writeStored(out, captured);
  }
  return out.written();
}

/** Reads what {@linkcode writeKept} wrote: views on the same bytes. */
export function readKept(bytes: Uint8Array): Kept {
  const from = new ByteReader(bytes);
  const found = from.u8();
  if (found !== version) {
    throw new TypeError(
      `Cannot read a kept value: it is of version ${found}, this program's is ${version}`,
    );
  }
  const text = from.string();
  const values: StoredValue[] = [];
  for (let left = from.u32(); left > 0; left--) values.push(readStored(from));
  const bundles: CodeBundle[] = [];
  for (let left = from.u32(); left > 0; left--) {
    bundles.push({
      hash: from.string() as CodeHash,
      name: from.string(),
      meta: from.string(),
      values: readStored(from),
    });
  }
  return { text, values, bundles };
}
