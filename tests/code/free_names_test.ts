import { assertEquals } from "@std/assert";
import { freeNamesOf } from "../../src/code/free_names.ts";
import { loadParser, parseText } from "../../src/code/syntax.ts";

const parser = await loadParser();

function free(text: string): Record<string, "read" | "assigned"> {
  const found = freeNamesOf(parseText(parser, `(${text})`));
  return Object.fromEntries(
    found.names.entries().map(([name, { assigned }]) => [
      name,
      assigned ? "assigned" : "read",
    ]),
  );
}

Deno.test("a name is free unless a scope around it declares it", () => {
  const cases: [string, Record<string, "read" | "assigned">][] = [
    ["(a, { b, c: [d], ...e }, f = g) => a + b + d + e + f + h", {
      g: "read",
      h: "read",
    }],
    ["() => { x; { var x; let y; } y; }", { y: "read" }],
    ["() => { f(); function f() { return f; } }", {}],
    ["() => { { function inner() {} } inner(); }", { inner: "read" }],
    ["() => { try { a(); } catch ({ message }) { message; } message; }", {
      a: "read",
      message: "read",
    }],
    ["() => { for (const i of list) i; for (j = 0; j < n; j++) {} i; }", {
      list: "read",
      j: "assigned",
      n: "read",
      i: "read",
    }],
    ["() => { for (k in o) {} [p, q.r, { s, t: u = v }] = w; }", {
      k: "assigned",
      o: "read",
      p: "assigned",
      q: "read",
      s: "assigned",
      u: "assigned",
      v: "read",
      w: "read",
    }],
    ["() => { a++; b += 1; ({ c } = d); }", {
      a: "assigned",
      b: "assigned",
      c: "assigned",
      d: "read",
    }],
    ["() => ({ a, b: c, [d]: 1, e() { return f; }, get g() { return h; } })", {
      a: "read",
      c: "read",
      d: "read",
      f: "read",
      h: "read",
    }],
    ["() => x.y?.z[w].v", { x: "read", w: "read" }],
    ["() => { outer: for (;;) { break outer; } }", {}],
    ["class A extends B { [c] = d; static e = f; #g = h; static { i; } }", {
      B: "read",
      c: "read",
      d: "read",
      f: "read",
      h: "read",
      i: "read",
    }],
    ["function named() { return named; }", {}],
    ["function () { return arguments; }", {}],
    ["() => arguments", { arguments: "read" }],
    ["() => `${a} ${(() => b)()}`", { a: "read", b: "read" }],
    ["async () => { for await (const x of y) x; await using z = w; z; }", {
      y: "read",
      w: "read",
    }],
    ["() => { switch (a) { case b: let c; } c; }", {
      a: "read",
      b: "read",
      c: "read",
    }],
  ];
  for (const [text, expected] of cases) {
    assertEquals(free(text), expected, text);
  }
});

Deno.test("this and super are free where no function or class of the text has its own", () => {
  const uses = (text: string) => {
    const { usesThis, usesSuper } = freeNamesOf(
      parseText(parser, `(${text})`),
    );
    return { usesThis, usesSuper };
  };
  assertEquals(uses("() => () => this"), { usesThis: true, usesSuper: false });
  assertEquals(uses("() => function () { return this; }"), {
    usesThis: false,
    usesSuper: false,
  });
  assertEquals(uses("() => super.x"), { usesThis: false, usesSuper: true });
  assertEquals(uses("() => class { a = this; b() { super.b(); } }"), {
    usesThis: false,
    usesSuper: false,
  });
  assertEquals(uses("() => ({ a() { return super.a(); } })"), {
    usesThis: false,
    usesSuper: false,
  });
});
