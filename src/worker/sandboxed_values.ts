/**
 * Values and code in a sandboxed process: what came in is opened with the code
 * that came along, what goes out is data alone.
 *
 * @module
 */
import { SerializationError } from "../base/errors.ts";
import type { AnyFunction } from "../base/functions.ts";
import type { CodeBundle, CodeRef, StoredValue } from "../base/stored.ts";
import { CodeTable } from "../owner/code_table.ts";
import { knownExtensions, registered } from "../owner/extensions.ts";
import { ObjectRef } from "../owner/object_ref.ts";
import type { SandboxRun } from "../wire/sandbox_frames.ts";
import { pathTo } from "../wire/value_path.ts";
import {
  type Encoded,
  type Extension,
  refuseInstances,
  ValueCodec,
} from "../wire/values.ts";

/** The values of one process. */
export class SandboxedValues {
  readonly #codec: ValueCodec;
  readonly #code: CodeTable;

  constructor(mainModule: string) {
    this.#codec = new ValueCodec(
      [...knownExtensions(), refs].map(stayingOut),
      registered,
    );
    this.#code = new CodeTable({
      functionsIn: (value) => [...this.#codec.encode(value).functions],
      refuseInstances,
      encode: ({ name }) => {
        throw new SerializationError(
          `Cannot send "${name}": functions don't leave a sandbox`,
          { path: name },
        );
      },
      open: ({ stored }) =>
        Promise.resolve((functions, symbols) =>
          this.#codec.decode(stored.bytes, {
            buffers: stored.buffers ?? [],
            functions,
            symbols,
          }) as unknown[]
        ),
      hold: (stored) => ({ stored, refs: [] }),
    }, mainModule);
  }

  /** Takes code in: what nothing else needs is here as long as what this gives. */
  take(bundles: readonly CodeBundle[]): object[] {
    return bundles.map((bundle) => this.#code.take(bundle));
  }

  /** A function or class that came in. */
  functionOf(ref: CodeRef): Promise<AnyFunction> {
    return this.#code.functionOf(ref, undefined);
  }

  /** A run's arguments. */
  async args(
    { args, dependencies }: Pick<SandboxRun, "args" | "dependencies">,
  ): Promise<unknown[]> {
    const opened = await this.#open(args) as unknown[];
    for (const { position, value } of dependencies) {
      opened[position] = await this.#open(value);
    }
    return opened;
  }

  /** A value on its way out of that run; an instance of a class becomes a plain object. */
  encode(
    value: unknown,
    { label, name }: { label: string; name: string },
  ): Encoded {
    const encoded = this.#codec.encode(value, { label });
    const at = encoded.functionUses.indexOf("value");
    if (at < 0) return encoded;
    const culprit = encoded.functions[at];
    const path = pathTo(culprit, value, { label, extensions: new Map() });
    throw new SerializationError(
      `Cannot return from task "${name}": "${path}" is a function, and functions don't leave a sandbox: they would run outside of it`,
      { path },
    );
  }

  async #open(stored: StoredValue): Promise<unknown> {
    const functions = await Promise.all(
      (stored.code ?? []).map((ref: CodeRef | null) =>
        ref === null ? undefined : this.#code.functionOf(ref, undefined)
      ),
    );
    const buffers = stored.buffers ?? [];
    return this.#codec.decode(stored.bytes, { buffers, functions });
  }
}

const refs: Extension<object> = {
  tag: "ref",
  constructor: ObjectRef,
  tracked: true,
  toFields: () => [],
  fromFields: () => ({}),
};

/** Refs, handles and their like mean nothing where no runtime is in reach. */
function stayingOut(extension: Extension<object>): Extension<object> {
  const refuse = (): never => {
    const { name } = extension.constructor;
    const what = name === "ObjectRef" ? "an ObjectRef inside a value" : name;
    throw new SerializationError(
      `Cannot use ${what} in a sandbox: it reaches no runtime; pass values, or a ref as an argument of its own`,
      { path: "" },
    );
  };
  return { ...extension, toFields: refuse, fromFields: refuse };
}
