/**
 * Errors of tasks with parts that can't travel: only those parts stay behind.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  get,
  init,
  put,
  remote,
  runtimeContext,
  SerializationError,
  TaskError,
} from "../../mod.ts";
import { rejection } from "../support/notes.ts";

type Fields = Error & Record<string, unknown>;

async function causeOf(body: () => unknown): Promise<Fields> {
  const error = await rejection(get(remote(body).remote() as never));
  assertInstanceOf(error, TaskError);
  return error.cause as Fields;
}

Deno.test("An error arrives whatever hangs on it", async (t) => {
  await using _runtime = await init({ numCpus: 2, logToDriver: false });

  await t.step("one of node: with its code, thrown or returned", async () => {
    for (
      const body of [
        () => Buffer.from(5 as never),
        () => join(5 as never),
        () => Buffer.alloc(-1),
      ]
    ) {
      const own = await rejection((async () => await body())()) as Fields;
      const thrown = await causeOf(body);
      const returned = await get(
        remote(() => {
          try {
            return body();
          } catch (error) {
            return error;
          }
        }).remote(),
      ) as Fields;
      for (const error of [thrown, returned]) {
        assertEquals(error.constructor, own.constructor);
        assertEquals(error.name, own.name);
        assertEquals(error.message, own.message);
        assertEquals(error["code"], own["code"]);
      }
    }
  });

  await t.step("one with a function that closes over a socket", async () => {
    const cause = await causeOf(() => {
      const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      listener.close();
      const close = () => listener.close();
      throw Object.assign(new RangeError("orig"), { close, fine: 1 });
    });
    assertInstanceOf(cause, RangeError);
    assertEquals(cause.message, "orig");
    assertEquals(cause["fine"], 1);
    assertMatch(String(cause["close"]), /Cannot send function .*"listener"/);
    assertMatch(cause.stack ?? "", /errors_travel_test\.ts/);
  });

  await t.step("one with a property that can't travel", async () => {
    const cause = await causeOf(() => {
      throw Object.assign(new RangeError("orig"), {
        res: new Response("x"),
        fine: { at: [1, 2] },
      });
    });
    assertInstanceOf(cause, RangeError);
    assertEquals(cause.message, "orig");
    assertEquals(cause["fine"], { at: [1, 2] });
    assertMatch(String(cause["res"]), /"error\.cause\.res" is a Response/);
  });

  await t.step("and is retried as what it is", async () => {
    const flaky = remote(() => {
      const { attempt } = runtimeContext();
      if (attempt > 1) return attempt;
      throw Object.assign(new RangeError("orig"), { res: new Response("x") });
    }, { retryExceptions: [RangeError] });
    assertEquals(await get(flaky.remote()), 2);
  });

  await t.step(
    "causes of causes and the errors of an AggregateError",
    async () => {
      const cause = await causeOf(() => {
        const bad = Object.assign(new TypeError("deep"), {
          res: new Response("x"),
          code: "E_DEEP",
        });
        const middle = new RangeError("middle", { cause: bad });
        const all = new AggregateError([bad, middle, 5], "all");
        throw Object.assign(new Error("top", { cause: all }), { bad });
      });
      const all = cause.cause as AggregateError;
      assertInstanceOf(all, AggregateError);
      assertEquals(all.message, "all");
      const [bad, middle, five] = all.errors as [Fields, Error, number];
      assertInstanceOf(bad, TypeError);
      assertEquals([bad.message, bad["code"]], ["deep", "E_DEEP"]);
      assertStringIncludes(String(bad["res"]), "is a Response");
      assertInstanceOf(middle, RangeError);
      assert(middle.cause === bad && cause["bad"] === bad);
      assertEquals(five, 5);
    },
  );

  await t.step("one that holds itself", async () => {
    const cause = await causeOf(() => {
      const error = new Error("loop") as Fields;
      error["self"] = error;
      error["res"] = new Response("x");
      throw error;
    });
    assertEquals(cause.message, "loop");
    assert(cause["self"] === cause);
  });

  await t.step("one of a class that can't travel", async () => {
    const cause = await causeOf(() => {
      const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      listener.close();
      class Rooted extends RangeError {
        override name = "Rooted";
        close(): void {
          listener.close();
        }
      }
      throw new Rooted("stays");
    });
    assertInstanceOf(cause, RangeError);
    assertEquals([cause.name, cause.message], ["Rooted", "stays"]);
  });

  await t.step("one with a large array, more than once", async () => {
    const thrower = remote(() => {
      throw Object.assign(new Error("big"), {
        data: new Uint8Array(200_000).fill(3),
      });
    });
    const ref = thrower.remote();
    for (let times = 0; times < 2; times++) {
      const { cause } = await rejection(get(ref as never));
      assertEquals(((cause as Fields)["data"] as Uint8Array)[199_999], 3);
    }
  });

  await t.step("what is thrown and is no error is shown", async () => {
    const cause = await causeOf(() => {
      throw new Response("x");
    });
    assertInstanceOf(cause, Error);
    assertMatch(cause.message, /Response/);
    const revoked = await causeOf(() => {
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      throw proxy;
    });
    assertEquals(revoked, undefined);
  });

  await t.step(
    "a failure of the driver's own, asked for elsewhere",
    async () => {
      const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
      const failed = remote(() => listener.addr).remote();
      const asker = remote(async (holder: { failed: typeof failed }) => {
        try {
          return await get(holder.failed);
        } catch (error) {
          return error;
        }
      });
      const error = await get(asker.remote({ failed }));
      listener.close();
      assertInstanceOf(error, SerializationError);
      assertStringIncludes(error.message, "listener");
      assertEquals(await get(put(1)), 1);
    },
  );
});
