/**
 * Links between simulated machines: frames numbered by the real `LinkWindow`,
 * so that a broken connection loses and doubles nothing, and only silence ends
 * a link. Mirrors `src/wire/link.ts` and `src/node/far_nodes.ts`.
 *
 * Above the links words are doubled all the same, the second late: every
 * handler must bear it.
 *
 * @module
 */
import type { NodeTag } from "../../../src/base/ids.ts";
import { LinkWindow } from "../../../src/wire/link_window.ts";
import type { Kernel } from "../kernel.ts";

/** What has links. */
export interface End {
  readonly tag: NodeTag;
  readonly isAlive: boolean;
  /** Delays of what it sends are so much longer. */
  readonly slowness: number;
  /** Tags that it was told are no more. */
  readonly gone: ReadonlySet<NodeTag>;
  /** The link to another has ended. */
  linkEnded(tag: NodeTag): void;
}

interface Side {
  readonly end: End;
  readonly window: LinkWindow;
  /** What frames say, until they are confirmed. */
  readonly words: Map<number, () => void>;
  /** Requests that are owed an answer. */
  readonly owed: Set<() => void>;
  isEnded: boolean;
  /** Frames of one connection arrive in order. */
  lastAtMs: number;
}

interface Link {
  readonly sides: readonly [Side, Side];
  /** Counts connections: what an older one carried is lost. */
  epoch: number;
  isUp: boolean;
}

/** After such a silence a link is given up. */
export const deadMs = 50;

/** All links. */
export class Net {
  readonly #kernel: Kernel;
  readonly #links = new Map<string, Link>();
  /** Machines that reach nobody, and pairs that don't reach each other, until then. */
  readonly #cutUntilMs = new Map<string, number>();
  readonly #lastToSelfMs = new Map<NodeTag, number>();
  /** Words are doubled. */
  isFaulty = true;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Whether frames may still come from there. */
  isLinked(from: End, to: NodeTag): boolean {
    const link = this.#links.get(keyOf(from.tag, to));
    return link !== undefined && !sideOf(link, from).isEnded;
  }

  /** Whether a connection could be made. */
  reaches(from: End, to: End): boolean {
    return to.isAlive && !this.#isCut(from, to);
  }

  /** A word to another machine, or to itself; lost with the link. */
  tell(from: End, to: End | undefined, what: string, act: () => void): void {
    if (to === undefined) return;
    this.stream(from, to, what, () => {
      act();
      const key = keyOf(from.tag, to.tag);
      const link = this.#links.get(key);
      if (!this.isFaulty || !this.#kernel.chance(0.08)) return;
      this.#kernel.after(this.#kernel.delay(40), "", () => {
        const isSame = from === to || this.isLinked(to, from.tag);
        if (!to.isAlive || !isSame || link !== this.#links.get(key)) return;
        this.#kernel.reach("word came twice");
        this.#kernel.say(`${to.tag} hears again from ${from.tag}: ${what}`);
        act();
      });
    });
  }

  /** A piece of a stream: never doubled. */
  stream(from: End, to: End | undefined, what: string, act: () => void): void {
    if (from === to) return this.#tellSelf(from, act);
    const link = to && this.#linkTo(from, to);
    if (link === undefined) return;
    const side = sideOf(link, from);
    const seq = side.window.next();
    side.window.sent({ seq, bytes: new Uint8Array(1) });
    side.words.set(seq, () => {
      this.#kernel.say(`${to!.tag} hears from ${from.tag}: ${what}`);
      act();
    });
    this.#transmit(link, side, seq);
  }

  /** A word that is owed an answer: `failed` if the link ends before. */
  ask<Answer>(
    from: End,
    to: End | undefined,
    { what, put, answered, failed }: {
      what: string;
      put(give: (answer: Answer) => void): void;
      answered(answer: Answer): void;
      failed(): void;
    },
  ): void {
    const link = from === to ? undefined : to && this.#linkTo(from, to);
    if (from !== to && link === undefined) {
      return void this.#kernel.after(2, "", () => from.isAlive && failed());
    }
    const owed = link && sideOf(link, from).owed;
    owed?.add(failed);
    this.tell(
      from,
      to,
      what,
      () =>
        put((answer) =>
          this.tell(to!, from, `answer to ${what}`, () => {
            owed?.delete(failed);
            answered(answer);
          })
        ),
    );
  }

  /** Some connection breaks, and is made again. */
  breakOne(): void {
    const link = this.#kernel.pick([...this.#links.values()]);
    if (link?.isUp) this.#break(link);
  }

  /** A machine, or one pair, is cut off for a time. */
  cut(one: NodeTag, other: NodeTag | undefined, forMs: number): void {
    this.#kernel.reach(other === undefined ? "machine cut off" : "pair cut");
    this.#kernel.say(`${one} is cut off from ${other ?? "all"} ${forMs} ms`);
    const key = other === undefined ? one : keyOf(one, other);
    this.#cutUntilMs.set(key, this.#kernel.nowMs + forMs);
    for (const link of this.#links.values()) {
      const [a, b] = link.sides;
      if (link.isUp && this.#isCut(a.end, b.end)) this.#break(link);
    }
  }

  /** A machine is no more: the others notice by silence. */
  died(tag: NodeTag): void {
    for (const link of this.#links.values()) {
      const isIts = link.sides.some(({ end }) => end.tag === tag);
      if (isIts && link.isUp) this.#break(link);
    }
  }

  /** A machine will hear no more of another. */
  abort(from: End, to: NodeTag): void {
    const link = this.#links.get(keyOf(from.tag, to));
    if (link !== undefined) this.#end(link, sideOf(link, from));
  }

  validate(): void {
    for (const { sides } of this.#links.values()) {
      for (const { window } of sides) window.validate();
    }
  }

  /** Sockets of one machine keep the order, too. */
  #tellSelf(from: End, act: () => void): void {
    const { nowMs } = this.#kernel;
    const lastMs = this.#lastToSelfMs.get(from.tag) ?? 0;
    const atMs = Math.max(lastMs, nowMs + this.#kernel.delay(1));
    this.#lastToSelfMs.set(from.tag, atMs);
    this.#kernel.after(atMs - nowMs, "", () => from.isAlive && act());
  }

  #linkTo(from: End, to: End): Link | undefined {
    const key = keyOf(from.tag, to.tag);
    let link = this.#links.get(key);
    if (link !== undefined && link.sides.every(({ isEnded }) => !isEnded)) {
      return link;
    }
    const isReached = this.reaches(from, to) &&
      !from.gone.has(to.tag) && !to.gone.has(from.tag);
    if (!isReached) return undefined;
    if (link !== undefined) {
      for (const one of link.sides) {
        this.#end(link, one);
      }
    }
    link = { sides: [side(from), side(to)], epoch: 0, isUp: true };
    this.#links.set(key, link);
    return link;
  }

  #transmit(link: Link, from: Side, seq: number): void {
    if (!link.isUp) return;
    const { epoch } = link;
    const kernel = this.#kernel;
    const to = otherOf(link, from);
    const delayMs = kernel.delay(3) * from.end.slowness;
    from.lastAtMs = Math.max(from.lastAtMs, kernel.nowMs + delayMs);
    kernel.after(from.lastAtMs - kernel.nowMs, "", () => {
      if (link.epoch !== epoch || to.isEnded || !to.end.isAlive) return;
      const word = from.words.get(seq);
      if (to.window.received(seq)) word!();
      else kernel.reach("frame came twice");
      // What is confirmed may be lost too.
      const { receivedSeq } = to.window;
      if (!kernel.chance(0.5)) return;
      kernel.after(kernel.delay(3), "", () => {
        if (link.epoch !== epoch || from.isEnded) return;
        from.window.confirmed(receivedSeq);
      });
    });
  }

  #break(link: Link): void {
    this.#kernel.reach("connection broke");
    link.isUp = false;
    const epoch = ++link.epoch;
    this.#redial(link, epoch);
    for (const one of link.sides) {
      this.#kernel.after(deadMs + this.#kernel.delay(5), "", () => {
        if (link.epoch === epoch && !link.isUp) this.#end(link, one);
      });
    }
  }

  #redial(link: Link, epoch: number): void {
    const [a, b] = link.sides;
    this.#kernel.after(1 + this.#kernel.delay(4), "", () => {
      if (link.epoch !== epoch || (a.isEnded && b.isEnded)) return;
      const isReached = a.end.isAlive && b.end.isAlive &&
        !this.#isCut(a.end, b.end);
      if (!isReached) return this.#redial(link, epoch);
      if (a.isEnded || b.isEnded) {
        for (const one of link.sides) this.#end(link, one);
        return;
      }
      link.isUp = true;
      for (const one of link.sides) {
        one.lastAtMs = 0;
        for (const { seq } of one.window.again()) {
          this.#transmit(link, one, seq);
        }
      }
    });
  }

  #end(link: Link, one: Side): void {
    if (one.isEnded) return;
    one.isEnded = true;
    if (!one.end.isAlive) return;
    this.#kernel.reach("link ended");
    for (const failed of [...one.owed]) failed();
    one.owed.clear();
    one.end.linkEnded(otherOf(link, one).end.tag);
    if (link.isUp) this.#break(link);
  }

  #isCut(a: End, b: End): boolean {
    const { nowMs } = this.#kernel;
    return [a.tag, b.tag, keyOf(a.tag, b.tag)].some((key) =>
      (this.#cutUntilMs.get(key) ?? 0) > nowMs
    );
  }
}

function side(end: End): Side {
  return {
    end,
    window: new LinkWindow(),
    words: new Map(),
    owed: new Set(),
    isEnded: false,
    lastAtMs: 0,
  };
}

function sideOf({ sides: [a, b] }: Link, { tag }: End): Side {
  return a.end.tag === tag ? a : b;
}

function otherOf({ sides: [a, b] }: Link, one: Side): Side {
  return one === a ? b : a;
}

function keyOf(a: NodeTag, b: NodeTag): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
