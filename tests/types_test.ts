/**
 * Types: what the compiler infers, and what it refuses. Most of it is done
 * once this file type-checks; what runs only needs no runtime.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  type ActorHandle,
  asCompleted,
  get,
  type ObjectRef,
  type ObjectRefStream,
  put,
  remote,
  wait,
} from "../mod.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends
  (<T>() => T extends B ? 1 : 2) ? true
  : false;

/** Compiles only where both types are the same. */
function same<A, B>(_: Same<A, B>): void {}

/** Checked by the compiler, never called. */
function compileOnly(_: (...args: never[]) => unknown): void {}

Deno.test("Types: parameters and results of tasks are inferred", () => {
  const square = remote((x: number) => x * x);
  const later = remote(async (text: string) => await Promise.resolve([text]));
  compileOnly(() => {
    same<ReturnType<typeof square.remote>, ObjectRef<number>>(true);
    same<ReturnType<typeof later.remote>, ObjectRef<string[]>>(true);
    square.remote(2);
    square.remote(square.remote(2));
    // @ts-expect-error A string is no number.
    square.remote("x");
    // @ts-expect-error Nor is a ref to one.
    square.remote(put("x"));
    // @ts-expect-error The parameter is not optional.
    square.remote();
    // @ts-expect-error There is no second one.
    square.remote(1, 2);
    // @ts-expect-error A remote function is not called like that.
    square(2);
  });
  assertEquals(square.options({ name: "square" }).name, "square");
});

Deno.test("Types: optional and rest parameters take refs too", () => {
  const f = remote((a: number, b?: string, ...rest: boolean[]) => [a, b, rest]);
  compileOnly(() => {
    f.remote(1);
    f.remote(put(1), put("b"));
    f.remote(1, undefined, true, put(false));
    // @ts-expect-error The rest are booleans.
    f.remote(1, "b", put(5));
    // @ts-expect-error The second is a string.
    f.remote(1, put(2));
  });
});

Deno.test("Types: a ref is covariant, and a union stays one ref", () => {
  class Animal {
    name = "";
  }
  class Cat extends Animal {
    lives = 9;
  }
  const either = remote((flag: boolean) => flag ? 1 : "one");
  const named = remote((animal: Animal) => animal.name);
  compileOnly(() => {
    const cat = put(new Cat());
    const animal: ObjectRef<Animal> = cat;
    named.remote(cat);
    // @ts-expect-error Not every animal is a cat.
    const _back: ObjectRef<Cat> = animal;
    same<ReturnType<typeof either.remote>, ObjectRef<1 | "one">>(true);
    const wide: ObjectRef<number | string> = either.remote(true);
    const takesEither = remote((value: number | string | undefined) => value);
    takesEither.remote(put(1));
    takesEither.remote(wide);
    // @ts-expect-error It may be a string.
    remote((x: number) => x).remote(wide);
  });
});

Deno.test("Types: what is any stays any, what never returns is a ref", () => {
  // deno-lint-ignore no-explicit-any -- the behaviour of any is tested
  const loose = ((x: any) => x) as (x: any) => any;
  // deno-lint-ignore no-explicit-any -- see above
  const looser = loose as any;
  const stuck = remote((): never => {
    throw new Error("always");
  });
  compileOnly(() => {
    const any = remote(loose).remote(5);
    // deno-lint-ignore no-explicit-any -- see above
    same<typeof any, ObjectRef<any>>(true);
    const all = remote(looser).remote(1, "two");
    // deno-lint-ignore no-explicit-any -- see above
    same<typeof all, ObjectRef<any>>(true);
    same<ReturnType<typeof stuck.remote>, ObjectRef<never>>(true);
    const unknown = remote((): unknown => 1).remote();
    same<typeof unknown, ObjectRef<unknown>>(true);
  });
});

Deno.test("Types: numReturns makes a tuple of refs, or nothing", () => {
  const pair = remote((): [number, string] => [1, "a"], { numReturns: 2 });
  const list = remote((n: number) => [n, n, n], { numReturns: 3 });
  const none = remote(() => 1, { numReturns: 0 });
  compileOnly(() => {
    const [number, text] = pair.remote();
    same<typeof number, ObjectRef<number>>(true);
    same<typeof text, ObjectRef<string>>(true);
    const three = list.remote(1);
    same<
      typeof three,
      [ObjectRef<number>, ObjectRef<number>, ObjectRef<number>]
    >(true);
    const nothing = none.remote();
    same<typeof nothing, void>(true);
    const one = pair.options({ numReturns: 1 }).remote();
    same<typeof one, ObjectRef<[number, string]>>(true);
    const still = pair.options({ maxRetries: 0 }).remote();
    same<typeof still, [ObjectRef<number>, ObjectRef<string>]>(true);
    // @ts-expect-error There is no such option.
    remote(() => 1, { numReturn: 2 });
  });
});

Deno.test("Types: get of one of several kinds of ref gives one of their values", () => {
  compileOnly((either: ObjectRef<number> | ObjectRef<string>) => {
    const value = get(either);
    same<typeof value, Promise<number | string>>(true);
  });
});

Deno.test("Types: generators give streams of their items", () => {
  const sync = remote(function* (n: number) {
    yield n;
  });
  const async = remote(async function* () {
    yield await Promise.resolve("x");
  });
  compileOnly(async () => {
    same<ReturnType<typeof sync.remote>, ObjectRefStream<number>>(true);
    same<ReturnType<typeof async.remote>, ObjectRefStream<string>>(true);
    for await (const ref of async.remote()) {
      same<typeof ref, ObjectRef<string>>(true);
    }
  });
});

Deno.test("Types: get, wait and asCompleted keep shapes", () => {
  compileOnly(async () => {
    const a = put(1), b = put("two");
    const one = await get(a);
    same<typeof one, number>(true);
    const tuple = await get([a, b]);
    same<typeof tuple, [number, string]>(true);
    const named = await get({ a, b });
    same<typeof named, { a: number; b: string }>(true);
    const many = await get([1, 2].map((n) => put(n)));
    same<typeof many, number[]>(true);
    const [ready, notReady] = await wait([a, put(2)]);
    same<typeof ready, ObjectRef<number>[]>(true);
    same<typeof notReady, ObjectRef<number>[]>(true);
    const [mixed] = await wait([a, b]);
    same<
      typeof mixed,
      (ObjectRef<number> | ObjectRef<string>)[]
    >(true);
    for await (const ref of asCompleted([a])) {
      same<typeof ref, ObjectRef<number>>(true);
    }
    // @ts-expect-error A number is no ref.
    await get(5);
    // @ts-expect-error Nor is what stands in this list.
    await get([a, 5]);
    // @ts-expect-error A list is wanted.
    await wait(a);
    // @ts-expect-error Unwrapped, it is a number.
    const _text: string = await get(a);
  });
});

Deno.test("Types: handles have the methods, and no fields", () => {
  class Counter {
    count = 0;
    constructor(readonly start: number, readonly label?: string) {}
    add(n: number): number {
      return this.count += n;
    }
    async slow(text = "x"): Promise<string> {
      return await Promise.resolve(text);
    }
    async *items(): AsyncGenerator<number> {
      yield await Promise.resolve(1);
    }
    get doubled(): number {
      return this.count * 2;
    }
  }
  const Remote = remote(Counter, { maxRestarts: 1 });
  compileOnly(() => {
    const counter = Remote.remote(put(5), "label");
    same<typeof counter, ActorHandle<Counter>>(true);
    const sum = counter.add.remote(put(1));
    same<typeof sum, ObjectRef<number>>(true);
    const slow = counter.slow.remote();
    same<typeof slow, ObjectRef<string>>(true);
    const items = counter.items.remote();
    same<typeof items, ObjectRefStream<number>>(true);
    // @ts-expect-error It takes a number.
    counter.add.remote("x");
    // @ts-expect-error A field is not remote.
    counter.count;
    // @ts-expect-error A getter is not remote.
    counter.doubled;
    // @ts-expect-error The constructor wants a number.
    Remote.remote("x");
    // @ts-expect-error maxRetries is for tasks.
    remote(Counter, { maxRetries: 1 });
    // @ts-expect-error maxRestarts is for actors.
    remote(() => 1, { maxRestarts: 1 });
  });
  assertEquals(Remote.name, "Counter");
});
