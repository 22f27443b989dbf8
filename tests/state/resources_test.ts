import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { assert } from "../../src/base/errors.ts";
import { ResourcePool, toUnits } from "../../src/state/resources.ts";
import { withSeed } from "../support/random.ts";

Deno.test("ResourcePool adds fractions up exactly", () => {
  const pool = new ResourcePool({ CPU: 1 });
  const tenth = toUnits({ CPU: 0.1 });
  for (let count = 0; count < 10; count++) {
    assert(pool.fits(tenth), `tenth ${count} does not fit`);
    pool.take(tenth);
  }
  strictEqual(pool.fits(tenth), false);
  deepStrictEqual(pool.available(), { CPU: 0 });
  for (let count = 0; count < 10; count++) pool.give(tenth);
  deepStrictEqual(pool.available(), pool.total());
});

Deno.test("ResourcePool names what there is never enough of", () => {
  const pool = new ResourcePool({ CPU: 2, red: 0.5 });
  strictEqual(pool.lacks(toUnits({ CPU: 2, red: 0.5 })), undefined);
  strictEqual(pool.lacks(toUnits({ CPU: 3 })), "CPU");
  strictEqual(pool.lacks(toUnits({ CPU: 1, blue: 1 })), "blue");
  pool.take(toUnits({ CPU: 2 }));
  strictEqual(pool.lacks(toUnits({ CPU: 2 })), undefined);
});

Deno.test("ResourcePool fits everything or nothing", () => {
  const pool = new ResourcePool({ CPU: 2, red: 1 });
  pool.take(toUnits({ red: 1 }));
  strictEqual(pool.fits(toUnits({ CPU: 1, red: 1 })), false);
  strictEqual(pool.fits(toUnits({ CPU: 1 })), true);
  strictEqual(pool.fits(toUnits({})), true);
});

Deno.test("ResourcePool may be overdrawn, and shows that as nothing free", () => {
  const pool = new ResourcePool({ CPU: 1 });
  pool.take(toUnits({ CPU: 1 }));
  pool.take(toUnits({ CPU: 1 }));
  deepStrictEqual(pool.available(), { CPU: 0 });
  strictEqual(pool.freeUnits("CPU"), -10_000);
  pool.give(toUnits({ CPU: 1 }));
  strictEqual(pool.fits(toUnits({ CPU: 0.5 })), false);
});

Deno.test("ResourcePool tells what its node began with apart from what groups reserved of it", () => {
  const pool = new ResourcePool({ CPU: 2, red: 1 });
  pool.take(toUnits({ CPU: 0.5 }));
  pool.extend(toUnits({ "CPU@g": 0.5, "CPU@g:0": 0.5 }));
  deepStrictEqual(pool.own(), {
    resources: { CPU: 2, red: 1 },
    available: { CPU: 1.5, red: 1 },
  });
});

Deno.test("ResourcePool keeps what it has under any order of events", () =>
  withSeed((random) => {
    const names = ["CPU", "red", "blue"];
    const total = { CPU: 4, red: 1.5, blue: 0.3 };
    const pool = new ResourcePool(total);
    const taken: ReturnType<typeof toUnits>[] = [];
    let takenCount = 0;
    for (let step = 0; step < 50_000; step++) {
      const amounts = Object.fromEntries(
        names.filter(() => random() < 0.5).map((name) => [
          name,
          Math.round(random() * 10) / 10,
        ]),
      );
      const units = toUnits(amounts);
      if (random() < 0.55 && pool.fits(units)) {
        pool.take(units);
        taken.push(units);
        takenCount++;
      } else if (taken.length > 0) {
        const at = Math.floor(random() * taken.length);
        pool.give(taken.splice(at, 1)[0]!);
      }
      for (const name of names) {
        const held = taken.reduce((sum, one) => sum + (one.get(name) ?? 0), 0);
        assert(pool.freeUnits(name) >= 0, `${name} is overdrawn`);
        assert(
          pool.freeUnits(name) + held === pool.totalUnits(name),
          `${name} is not conserved`,
        );
      }
    }
    assert(takenCount > 10_000, `Only ${takenCount} taken`);
    for (const units of taken) pool.give(units);
    deepStrictEqual(pool.available(), total);
  }));

Deno.test("ResourcePool has nothing of a resource that is named like a member of every object", () => {
  const pool = new ResourcePool({ CPU: 2, red: 0.5 });
  strictEqual(pool.totalOf("red"), 0.5);
  for (const name of ["constructor", "toString", "hasOwnProperty"]) {
    strictEqual(pool.totalOf(name), 0);
  }
});
