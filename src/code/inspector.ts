/**
 * What V8 knows of a function and does not tell the program: the variables it
 * closes over, what it is bound to, and the script it stands in.
 *
 * A session with V8's inspector inside this process, opened at the first
 * question. The debugger proper, which slows the whole process, is on only
 * while the script of an id not seen before is looked up. Decides nothing.
 *
 * @module
 */
import type { AnyFunction } from "../base/functions.ts";
import { RuntimeClosedError } from "../base/errors.ts";
import type { Session } from "node:inspector";
import { nameOf } from "./shipped.ts";
import { hashInMapAddress, unmarked } from "./stack.ts";

/** One scope that a function was made in. */
export interface FunctionScope {
  /** V8's word for it: `Module`, `Closure (outer)`, `Block`, `Global`, … */
  readonly label: string;
  /** A copy of its variables; one in its dead zone throws when read. */
  readonly variables: Record<string, unknown>;
}

/** What a bound function is made of. */
export interface BoundParts {
  readonly target: AnyFunction;
  readonly self: unknown;
  readonly args: unknown[];
}

/** One function, as V8 sees it. */
export interface Described {
  /** Where it stands; native code stands nowhere. */
  readonly location?: {
    readonly scriptId: string;
    readonly line: number;
    readonly column: number;
  };
  /** Innermost first; the global scope is left out. */
  readonly scopes: readonly FunctionScope[];
  readonly bound?: BoundParts;
  /** A class's own static `#private` fields. */
  readonly privates: ReadonlyMap<string, unknown>;
}

/** One script that V8 has compiled. */
export interface Script {
  readonly id: string;
  /** Its address; for code that was revived, that of the module it came from. */
  readonly url: string;
  readonly isModule: boolean;
  /** For code that was revived, the hash of the text of that module. */
  readonly textHash?: string;
  /** Line that its text begins at. */
  readonly startLine: number;
}

interface RemoteObject {
  readonly objectId?: string;
  readonly value?: unknown;
  /** What JSON can't write: `NaN`, `-0`, `5n`. */
  readonly unserializableValue?: string;
}

interface ListedProperty {
  readonly name: string;
  readonly value?: RemoteObject;
}

/** Where questions lie while V8 answers them, each under a number of its own. */
const slots: Record<number, Slot> = {};
let slotCount = 0;
Object.defineProperty(globalThis, Symbol.for("manta.inspector"), {
  value: slots,
  configurable: true,
});

interface Slot {
  readonly functions: readonly AnyFunction[];
  take(key: string, value: unknown): void;
}

interface Question {
  readonly number: number;
  readonly inbox: Map<string, unknown>;
  readonly objectGroup: string;
}

function slotExpression(question: Question): string {
  return `globalThis[Symbol.for("manta.inspector")][${question.number}]`;
}

/** The session. */
export class Inspector {
  #opening: Promise<void> | undefined;
  #session: Session | undefined;
  #isClosed = false;
  readonly #unanswered = new Set<(error: Error) => void>();
  readonly #scripts = new Map<string, Script>();
  readonly #sources = new Map<string, string>();

  /** Describes functions, in the same order. */
  async describe(functions: readonly AnyFunction[]): Promise<Described[]> {
    await this.#open();
    const number = slotCount++;
    const inbox = new Map<string, unknown>();
    slots[number] = {
      functions,
      take: (key, value) => void inbox.set(key, value),
    };
    const question = { number, inbox, objectGroup: `manta-${number}` };
    try {
      return await Promise.all(
        functions.map((_, index) => this.#describeOne(index, question)),
      );
    } finally {
      delete slots[number];
      const { objectGroup } = question;
      // Nobody needs to wait for it, and a session that was closed has released all.
      this.#post("Runtime.releaseObjectGroup", { objectGroup }).catch(() => {});
    }
  }

  /** The script of an id. */
  async script(id: string): Promise<Script | undefined> {
    if (!this.#scripts.has(id)) await this.#lookUp([id]);
    return this.#scripts.get(id);
  }

  /** The text of a script, as V8 runs it. */
  async source(id: string): Promise<string> {
    if (!this.#sources.has(id)) await this.#lookUp([id]);
    return this.#sources.get(id) ?? "";
  }

  /** The texts of the modules at these addresses, as far as they are loaded. */
  async moduleSources(urls: readonly string[]): Promise<Map<string, string>> {
    const find = () => {
      const wanted = new Set(urls);
      return this.#scripts.values().filter((script) =>
        script.isModule && wanted.has(script.url)
      ).toArray();
    };
    const missing = () => find().filter(({ id }) => !this.#sources.has(id));
    if (find().length < urls.length || missing().length > 0) {
      await this.#lookUp(() => missing().map(({ id }) => id));
    }
    return new Map(
      find().map(({ id, url }) => [url, this.#sources.get(id) ?? ""]),
    );
  }

  /** Ends the session for good: whoever waits for an answer is told. */
  close(): void {
    this.#isClosed = true;
    this.#session?.disconnect();
    this.#session = undefined;
    for (const reject of this.#unanswered) reject(closedError());
    this.#unanswered.clear();
  }

  async #open(): Promise<void> {
    if (this.#isClosed) throw closedError();
    await (this.#opening ??= this.#connect());
  }

  async #connect(): Promise<void> {
    const { Session } = await import("node:inspector");
    if (this.#isClosed) throw closedError();
    const session = new Session();
    try {
      session.connect();
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
    session.on("Debugger.scriptParsed", ({ params }) => {
      const { scriptId, url, isModule, startLine, sourceMapURL } = params;
      const textHash = hashInMapAddress(sourceMapURL ?? "");
      this.#scripts.set(scriptId, {
        id: scriptId,
        ...unmarked(nameOf(url)),
        ...(textHash === undefined ? {} : { textHash }),
        isModule: isModule ?? false,
        startLine,
      });
    });
    this.#session = session;
  }

  #post<Result>(method: string, params: object = {}): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    if (this.#session === undefined) return Promise.reject(closedError());
    // After its end a session answers nobody.
    this.#unanswered.add(reject);
    const answered = (error: Error | null, result?: object) => {
      this.#unanswered.delete(reject);
      if (error === null || error === undefined) resolve(result as Result);
      else reject(error);
    };
    // The types of node:inspector name each method; here it is a parameter.
    const post = this.#session.post as unknown as (
      method: string,
      params: object,
      answered: (error: Error | null, result?: object) => void,
    ) => void;
    post.call(this.#session, method, params, answered);
    return promise;
  }

  async #describeOne(index: number, question: Question): Promise<Described> {
    const { result } = await this.#post<{ result: RemoteObject }>(
      "Runtime.evaluate",
      {
        expression: `${slotExpression(question)}.functions[${index}]`,
        objectGroup: question.objectGroup,
        silent: true,
      },
    );
    const { internalProperties = [], privateProperties = [] } = await this
      .#post<
        {
          internalProperties?: ListedProperty[];
          privateProperties?: ListedProperty[];
        }
      >("Runtime.getProperties", {
        objectId: result.objectId,
        ownProperties: true,
      });
    const internal = new Map(
      internalProperties.map(({ name, value }) => [name, value]),
    );
    const take = (name: string, key: string) =>
      this.#take(internal.get(name), `${index}.${key}`, question);
    if (internal.has("[[TargetFunction]]")) {
      const target = await take("[[TargetFunction]]", "target") as AnyFunction;
      const self = await take("[[BoundThis]]", "this");
      const args = await take("[[BoundArgs]]", "args") as unknown[];
      const bound = { target, self, args: Array.from(args) };
      return { scopes: [], bound, privates: new Map() };
    }
    const location = internal.get("[[FunctionLocation]]")?.value as {
      scriptId: string;
      lineNumber: number;
      columnNumber: number;
    } | undefined;
    if (location === undefined) return { scopes: [], privates: new Map() };
    const list = await take("[[Scopes]]", "scopes") as
      | ArrayLike<{ description: string; object: Record<string, unknown> }>
      | undefined;
    const scopes = Array.from(list ?? []).map((scope) => ({
      label: scope.description,
      variables: scope.object,
    })).filter(({ label }) => label !== "Global");
    const privates = new Map<string, unknown>();
    for (const { name, value } of privateProperties) {
      if (value === undefined) continue; // An accessor holds nothing.
      privates.set(
        name,
        await this.#take(value, `${index}.${name}`, question),
      );
    }
    return {
      privates,
      location: {
        scriptId: location.scriptId,
        line: location.lineNumber,
        column: location.columnNumber,
      },
      scopes,
    };
  }

  /** The live value behind a remote object. */
  async #take(
    object: RemoteObject | undefined,
    key: string,
    question: Question,
  ): Promise<unknown> {
    if (object?.objectId === undefined) return primitiveOf(object);
    await this.#post("Runtime.callFunctionOn", {
      objectId: object.objectId,
      functionDeclaration: `function (key) { "use strict"; ${
        slotExpression(question)
      }.take(key, this); }`,
      arguments: [{ value: key }],
      silent: true,
    });
    return question.inbox.get(key);
  }

  /** Turns the debugger on for as long as it takes to list the scripts. */
  async #lookUp(ids: string[] | (() => string[])): Promise<void> {
    await this.#open();
    await this.#post("Debugger.enable");
    try {
      const wanted = typeof ids === "function" ? ids() : ids;
      await Promise.all(wanted.map(async (scriptId) => {
        const { scriptSource } = await this.#post<{ scriptSource: string }>(
          "Debugger.getScriptSource",
          { scriptId },
        );
        this.#sources.set(scriptId, scriptSource);
      }));
    } finally {
      await this.#post("Debugger.disable");
    }
  }
}

function closedError(): RuntimeClosedError {
  return new RuntimeClosedError(
    "Cannot send function: the runtime was shut down",
  );
}

function primitiveOf(object: RemoteObject | undefined): unknown {
  const text = object?.unserializableValue;
  if (text === undefined) return object?.value;
  return text.endsWith("n") ? BigInt(text.slice(0, -1)) : Number(text);
}
