/**
 * An actor's instance in this process: made, called, cleaned up after.
 *
 * The same in an actor's isolate and in its sandbox; which call comes when is
 * not decided here.
 *
 * @module
 */

import { ActorDiedError } from "../base/errors.ts";
import type { ActorId } from "../base/ids.ts";

/** An actor's instance, by whatever keys. */
export type Instance = Record<PropertyKey, unknown>;

/** Calls a method by its name. */
export function callMethod(
  instance: Instance,
  { className, method, args }: {
    className: string;
    method: string;
    args: unknown[];
  },
): unknown {
  const fn = instance[method];
  if (typeof fn !== "function") {
    throw new TypeError(
      `Cannot call "${method}": ${className} has no such method`,
    );
  }
  return fn.apply(instance, args);
}

/** Runs the class's own clean-up, if it has one. */
export function dispose(instance: Instance): unknown {
  const clean = instance[Symbol.asyncDispose] ?? instance[Symbol.dispose];
  return typeof clean === "function" ? clean.call(instance) : undefined;
}

/** What a method that leaves by `exitActor` fails with. */
export function exitError(
  { actorId, className }: { actorId: ActorId; className: string },
): ActorDiedError {
  const reason = "it left by exitActor()";
  return new ActorDiedError(`Cannot go on in actor ${className}: ${reason}`, {
    actorId,
    reason,
  });
}
