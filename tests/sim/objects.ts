/**
 * The objects of one simulated process: fetched from their owners, served to
 * others, recovered when their memory is gone. Mirrors `src/owner/objects.ts`.
 *
 * @module
 */
import type { RefKey } from "../../src/base/stored.ts";
import type { Answering, Link } from "./network.ts";
import type { Owner } from "./owner.ts";
import type { Process } from "./process.ts";
import { nameOf } from "./references.ts";
import type { Entry, Handle, Held, Segment, SentRef } from "./things.ts";
import type { World } from "./world.ts";

/** A value as it travels; undefined if there is none. */
export type Fetched = {
  refs: SentRef[];
  segment: Segment | undefined;
  pinToken: number;
} | undefined;

/** Reads the objects of one process. */
export class Objects {
  readonly #world: World;
  readonly #process: Process;
  readonly #owner: Owner;

  constructor(world: World, process: Process, owner: Owner) {
    this.#world = world;
    this.#process = process;
    this.#owner = owner;
  }

  /** Makes sure that an object of another process is on its way here. */
  demand(entry: Entry): void {
    entry.isAsked = true;
    if (entry.ownerId === this.#process.id || entry.isSettled) return;
    if (entry.isFetching) return;
    entry.isFetching = true;
    const handle = this.#owner.references.borrow(entry);
    this.#world.dial(this.#process, entry.ownerId, (link) => {
      if (link === undefined) this.#notFetched(handle);
      else this.#fetch(handle, link);
    });
  }

  #fetch(handle: Handle, link: Link): void {
    const { entry } = handle;
    const lender = this.#world.process(entry.ownerId)!;
    link.request<Fetched>(`object.fetch ${nameOf(entry)}`, {
      ask: (answering) =>
        lender.owner.objects.serve(entry, { lost: undefined, link, answering }),
      answered: (fetched) => {
        this.#world.kernel.reach("object fetched");
        const taken = this.taken(fetched, link);
        if (taken === undefined) {
          entry.settle("failed", { why: "its owner says it failed" });
        } else if (!entry.settle("ready", taken)) {
          this.#owner.references.letAllGo(taken.value);
        }
        this.#owner.references.letGo(handle);
      },
      ended: () => this.#notFetched(handle),
    });
  }

  #notFetched(handle: Handle): void {
    const { entry } = handle;
    this.#owner.references.processEnded(entry.ownerId);
    entry.settle("failed", { why: "owner died" });
    this.#owner.references.letGo(handle);
  }

  /** Takes a value that came from elsewhere. */
  taken(
    fetched: Fetched,
    link: Link,
  ): { value: Held[]; segment: Segment | undefined } | undefined {
    if (fetched === undefined) return undefined;
    const value = this.#owner.references.borrowAll(fetched.refs);
    this.#owner.release(link, fetched.pinToken);
    return { value, segment: fetched.segment };
  }

  /** Gives another process an object's value once it is there, or says that there is none. */
  serve(
    key: RefKey,
    { lost, link, answering }: {
      lost: Segment | undefined;
      link: Link;
      answering: Answering<Fetched>;
    },
  ): void {
    const entry = this.#owner.references.table.known(key);
    if (entry === undefined) return answering.give(undefined);
    const answer = () =>
      entry.whenSettled(() => {
        entry.isAsked = true;
        if (!answering.isOpen || !this.#process.isAlive) return;
        if (entry.status !== "ready") return answering.give(undefined);
        const pinToken = this.#owner.references.pin(link, entry.value);
        const { segment } = entry;
        answering.give(
          { refs: this.#owner.sent(entry.value), segment, pinToken },
          () => this.#owner.references.unpin(link, pinToken),
        );
      });
    if (lost === undefined) answer();
    else this.recovered(entry, lost, answer);
  }

  /** Calls back once an object whose memory is gone has another value, or none. */
  recovered(entry: Entry, lost: Segment, then: () => void): void {
    if (entry.segment !== lost) return entry.whenSettled(then);
    if (entry.ownerId === this.#process.id) {
      this.#owner.recovery.lost(entry);
      return entry.whenSettled(then);
    }
    const handle = this.#owner.references.borrow(entry);
    const done = (lose: string | undefined) => {
      if (lose !== undefined && entry.segment === lost) this.lose(entry, lose);
      this.#owner.references.letGo(handle);
      entry.whenSettled(then);
    };
    this.#world.dial(this.#process, entry.ownerId, (link) => {
      if (link === undefined) return done("owner died");
      const lender = this.#world.process(entry.ownerId)!;
      link.request<Fetched>(`object.fetch ${nameOf(entry)}, lost`, {
        ask: (answering) =>
          lender.owner.objects.serve(entry, { lost, link, answering }),
        answered: (fetched) => {
          const taken = this.taken(fetched, link);
          if (taken === undefined) return done("its owner can't remake it");
          const unused = entry.segment === lost ? entry.value : taken.value;
          if (entry.segment === lost) Object.assign(entry, taken);
          this.#owner.references.letAllGo(unused);
          done(undefined);
        },
        ended: () => done("owner died"),
      });
    });
  }

  /** A value is gone, and can't be made again. */
  lose(entry: Entry, why: string): void {
    const { value } = entry;
    Object.assign(entry, {
      status: "failed",
      value: [],
      segment: undefined,
      why,
    });
    this.#owner.references.letAllGo(value);
  }
}
