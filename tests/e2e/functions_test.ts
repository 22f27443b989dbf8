import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { basename } from "node:path";
import * as path from "node:path";
import posix from "node:path/posix";
import { parse } from "acorn";
import {
  get,
  init,
  ObjectRef,
  put,
  remote,
  SerializationError,
} from "../../mod.ts";
import greet, {
  callsHere,
  countCalls,
  makeAdder,
  makeNamer,
  Range,
} from "../support/travellers.ts";
import * as travellers from "../support/travellers.ts";

const factor = 3;
const table = { one: 1, nested: { two: [2, 22] } };

enum Colour {
  red,
  green = 5,
}

function isEven(n: number): boolean {
  return n === 0 || isOdd(n - 1);
}

function isOdd(n: number): boolean {
  return n !== 0 && isEven(n - 1);
}

class Shape {
  static made = 0;
  static #secret = 7;
  #name: string;

  constructor(name: string) {
    this.#name = name;
    Shape.made++;
  }

  static reveal(): number {
    return Shape.#secret;
  }

  describe(): string {
    return `${this.#name} of ${this.area()}`;
  }

  area(): number {
    return 0;
  }
}

class Square extends Shape {
  #side: number;

  constructor(side: number) {
    super("square");
    this.#side = side;
  }

  override area(): number {
    return this.#side ** 2;
  }
}

const holder = {
  base: 10,
  plus(n: number): number {
    return n + 10;
  },
  async later(n: number): Promise<number> {
    await undefined;
    return n + 20;
  },
};

let changing = "before";

Deno.test("functions travel through remote() with what they close over", async (t) => {
  await using _runtime = await init({ numCpus: 2 });

  await t.step("constants, objects and enums", async () => {
    const f = remote((x: number) => [
      x * factor,
      table.nested.two[1],
      Colour.green,
      Colour[0],
    ]);
    assertEquals(await get(f.remote(2)), [6, 22, 5, "red"]);
  });

  await t.step("helpers that call each other", async () => {
    assertEquals(await get(remote(isEven).remote(10)), true);
    assertEquals(await get(remote((n: number) => isOdd(n)).remote(10)), false);
  });

  await t.step("classes with #private, static and inheritance", async () => {
    const f = remote((side: number) => {
      const square = new Square(side);
      return [square.describe(), Shape.reveal(), square instanceof Shape];
    });
    assertEquals(await get(f.remote(4)), ["square of 16", 7, true]);
  });

  await t.step(
    "imports: named, default, namespace, node: and npm:",
    async () => {
      const f = remote(() => [
        basename("/a/b"),
        posix.basename("/a/c"),
        path.join("a", "d"),
        parse("1 + 1", { ecmaVersion: 2024 }).type,
        greet("you"),
        travellers.makeAdder(1)(1),
      ]);
      assertEquals(await get(f.remote()), [
        "b",
        "c",
        "a/d",
        "Program",
        "hello you",
        2,
      ]);
    },
  );

  await t.step("a dynamic import in the function", async () => {
    const f = remote(async () => {
      const { default: greet } = await import("../support/travellers.ts");
      return greet("there");
    });
    assertEquals(await get(f.remote()), "hello there");
  });

  await t.step("method shorthand, bound functions and async ones", async () => {
    assertEquals(await get(remote(holder.plus).remote(1)), 11);
    assertEquals(await get(remote(holder.later).remote(1)), 21);
    const bound = function (this: { n: number }, m: number) {
      return this.n + m;
    }.bind({ n: 5 });
    assertEquals(await get(remote(bound).remote(6)), 11);
  });

  await t.step("generators, sync and async", async () => {
    const sync = remote(function* (n: number) {
      for (let i = 0; i < n; i++) yield i * factor;
    });
    const async = remote(async function* (n: number) {
      for (let i = 0; i < n; i++) yield await Promise.resolve(i);
    });
    const taken: number[] = [];
    for await (const ref of sync.remote(3)) taken.push(await get(ref));
    for await (const ref of async.remote(3)) taken.push(await get(ref));
    assertEquals(taken, [0, 3, 6, 0, 1, 2]);
  });

  await t.step("functions made in another module's closure", async () => {
    assertEquals(await get(remote(makeAdder(5)).remote(6)), 11);
    assertEquals(await get(remote(makeNamer("!")).remote("/x/y")), "y!");
  });

  await t.step("refs, also those inside captured objects", async () => {
    const ref = put({ answer: 42 });
    const refs = { list: [put(1), put(2)] };
    const f = remote(async () => [
      (await get(ref)).answer,
      ...(await get(refs.list)),
      ref instanceof ObjectRef,
    ]);
    assertEquals(await get(f.remote()), [42, 1, 2, true]);
  });

  await t.step("handles and actor classes", async () => {
    class Counter {
      #count = 0;
      add(n: number): number {
        return this.#count += n;
      }
    }
    const counterClass = remote(Counter);
    const counter = counterClass.remote();
    const f = remote(async (n: number) => {
      const own = counterClass.remote();
      return [await get(counter.add.remote(n)), await get(own.add.remote(n))];
    });
    assertEquals(await get(f.remote(2)), [2, 2]);
    assertEquals(await get(f.remote(2)), [4, 2]);
  });

  await t.step("other remote functions, recursive ones too", async () => {
    const double = remote((n: number) => n * 2);
    const fourfold = remote(async (n: number) =>
      await get(double.remote(await get(double.remote(n))))
    );
    assertEquals(await get(fourfold.remote(3)), 12);
    const fib: { remote(n: number): ObjectRef<number> } = remote(
      async (n: number): Promise<number> => {
        if (n < 2) return n;
        const [a, b] = await get([fib.remote(n - 1), fib.remote(n - 2)]);
        return a! + b!;
      },
    );
    assertEquals(await get(fib.remote(6)), 8);
    const ping: { remote(n: number): ObjectRef<string> } = remote(
      async (n: number) => n === 0 ? "ping" : await get(pong.remote(n - 1)),
    );
    const pong: { remote(n: number): ObjectRef<string> } = remote(
      async (n: number) => n === 0 ? "pong" : await get(ping.remote(n - 1)),
    );
    assertEquals(await get(ping.remote(3)), "pong");
  });

  await t.step(
    "functions and classes inside arguments and results",
    async () => {
      const apply = remote((job: { run: (n: number) => number }, n: number) =>
        job.run(n)
      );
      assertEquals(await get(apply.remote({ run: (n) => n * factor }, 5)), 15);
      const make = remote((n: number) => ({ add: (m: number) => n + m }));
      assertEquals((await get(make.remote(3))).add(4), 7);
      const twice = (n: number) => n * 2;
      const same = remote((fn: (n: number) => number) => fn);
      assertEquals(await get(same.remote(twice)) === twice, true);
      const area = remote((C: typeof Square) => new C(3).area());
      assertEquals(await get(area.remote(Square)), 9);
      const stored = put({ fn: (n: number) => n + factor });
      assertEquals((await get(stored)).fn(1), 4);
      assertEquals(await get(apply.remote({ run: makeAdder(2) }, 5)), 7);
    },
  );

  await t.step(
    "exports go by reference and keep their module's state",
    async () => {
      const one = await init({ ignoreReinit: true });
      assertEquals(typeof one.address, "string");
      countCalls();
      const count = remote(countCalls).options({ resources: {} });
      const counts = new Set<number>();
      for (let i = 0; i < 6; i++) counts.add(await get(count.remote()));
      assertEquals(Math.max(...counts) >= 3, true, [...counts].join());
      assertEquals(callsHere(), 1);
      const both = remote(() => [countCalls(), callsHere()]);
      const [counted, here] = await get(both.remote());
      assertEquals(counted, here);
    },
  );

  await t.step("instances of exported classes stay instances", async () => {
    const spanOf = remote((range: Range) => [
      range.span,
      range instanceof Range,
    ]);
    assertEquals(await get(spanOf.remote(new Range(2, 9))), [7, true]);
    const make = remote(() => new Range(1, 3));
    assertEquals(await get(make.remote()) instanceof Range, true);
    assertEquals(await get(put(new Range(1, 4))) instanceof Range, true);
  });

  await t.step("what was captured does not change any more", async () => {
    const f = remote(() => changing);
    assertEquals(await get(f.remote()), "before");
    changing = "after";
    assertEquals(await get(f.remote()), "before");
    assertEquals(await get(remote(() => changing).remote()), "after");
  });

  await t.step(
    "what can't travel is named, and the runtime goes on",
    async () => {
      const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      const cfg = { db: { conn: listener } };
      const query = remote(function query() {
        return cfg.db.conn.addr;
      });
      const error = await assertRejects(
        () => get(query.remote()),
        SerializationError,
      );
      for (const part of ["query", "cfg", "cfg.db.conn"]) {
        assertStringIncludes(error.message, part);
      }
      assertEquals(error.path, "cfg.db.conn");
      const outer = remote(() => query.name);
      await assertRejects(() => get(outer.remote()), SerializationError);
      const argument = remote((job: () => unknown) => job());
      await assertRejects(
        () => get(argument.remote(() => cfg.db.conn.addr)),
        SerializationError,
        "cfg.db.conn",
      );
      await assertRejects(
        () => get(put({ run: () => cfg.db.conn.addr })),
        SerializationError,
        "cfg.db.conn",
      );
      listener.close();
      const give = remote(() => {
        const stream = new ReadableStream();
        return { take: () => stream };
      });
      const refused = await assertRejects(() => get(give.remote()));
      assertStringIncludes(String((refused as Error).message), "stream");
      assertEquals(await get(remote(() => "on").remote()), "on");
    },
  );
});
