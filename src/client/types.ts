/**
 * How the types of functions and classes become those of their remote kin.
 *
 * @module
 */
import type { ObjectRef } from "../owner/object_ref.ts";
import type { ObjectRefStream } from "./stream.ts";

/** A value, or a ref to one. */
export type RefOr<T> = T | ObjectRef<T>;

/** Parameters of a remote call: each takes its value or a ref to it. */
export type RemoteArgs<Args extends readonly unknown[]> = {
  [At in keyof Args]: RefOr<Args[At]>;
};

/** Whether a type is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false;
/** Whether a type is `never`. */
export type IsNever<T> = [T] extends [never] ? true : false;

/** What a remote call gives: a ref, a stream, a tuple of refs, or nothing. */
export type RemoteResult<Result, Returns extends number = 1> =
  // Both would pass for a generator.
  IsAny<Result> extends true ? RefsOf<Result, Returns>
    : IsNever<Result> extends true ? RefsOf<Result, Returns>
    : [Result] extends [
      | Generator<infer Item, unknown, never>
      | AsyncGenerator<infer Item, unknown, never>,
    ] ? ObjectRefStream<Item>
    : RefsOf<Awaited<Result>, Returns>;

/** What so many returns of a value become. */
export type RefsOf<Value, Returns extends number> = [Returns] extends [1]
  ? ObjectRef<Value>
  : [Returns] extends [0] ? void
  : IsAny<Value> extends true ? SoManyRefs<Value, Returns>
  : IsNever<Value> extends true ? SoManyRefs<Value, Returns>
  : Value extends readonly unknown[]
    ? number extends Value["length"] ? SoManyRefs<Value[number], Returns>
    : { -readonly [At in keyof Value]: ObjectRef<Value[At]> }
  : ObjectRef<unknown>[];

/** A tuple as long as was asked for, where the compiler knows how long that is. */
export type SoManyRefs<
  Value,
  Count extends number,
  Refs extends ObjectRef<Value>[] = [],
> = number extends Count ? ObjectRef<Value>[]
  : Refs["length"] extends Count ? Refs
  : Refs["length"] extends 64 ? ObjectRef<Value>[]
  : SoManyRefs<Value, Count, [...Refs, ObjectRef<Value>]>;
