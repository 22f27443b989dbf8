/**
 * Connections between simulated processes.
 *
 * What one process says over a connection arrives in order and after a delay;
 * different connections are in no order to each other. A connection may break:
 * then it is made again, what had not arrived is sent once more, answers on
 * their way are lost, so that their requests come twice, and messages with a
 * number of their own may come twice too. It ends with either process; of what
 * a dead process had sent, a part still arrives, then the end.
 *
 * @module
 */
import type { ProcessId } from "../../src/base/ids.ts";
import type { Kernel } from "./kernel.ts";

/** One end of a connection. */
export interface Party {
  readonly id: ProcessId;
  readonly name: string;
  readonly isAlive: boolean;
  /** A connection ended, and all that came over it was handled. */
  linkEnded(link: Link): void;
}

/** How a request is answered; each time that it comes. */
export interface Answering<Answer> {
  /** False: the request was sent again meanwhile, and that one is answered. */
  readonly isOpen: boolean;
  /** `onLost`: the answer never arrived; the request comes again. */
  give(answer: Answer, onLost?: () => void): void;
}

interface Message {
  readonly what: string;
  /** It may come twice. */
  readonly isNumbered: boolean;
  deliver(): void;
  /** It is a request that has no answer. */
  isOpen?: boolean;
  /** An answer: lost with a break. */
  lost?(): void;
  /** A request: the connection ended before its answer. */
  ended?(): void;
}

const recentMax = 8;
const latencyMsMax = 3;

/** One direction of a connection. */
class Lane {
  readonly queue: Message[] = [];
  /** What arrived lately, for whom it may come again. */
  readonly recent: Message[] = [];
  readonly #kernel: Kernel;
  readonly #to: Party;
  readonly #label: string;
  #epoch = 0;
  #lastAtMs = 0;

  constructor(kernel: Kernel, from: Party, to: Party) {
    this.#kernel = kernel;
    this.#to = to;
    this.#label = `${from.name} => ${to.name}`;
  }

  send(message: Message): void {
    this.queue.push(message);
    this.#schedule(0);
  }

  /** All that is queued is sent anew, after these. */
  again(messages: Message[], delayMs: number): void {
    this.#epoch++;
    this.queue.unshift(...messages);
    for (let left = this.queue.length; left > 0; left--) {
      this.#schedule(delayMs);
    }
  }

  /** Nothing more arrives but the first so many; then it ends. */
  cut(count: number, ended: () => void): void {
    this.queue.length = Math.min(count, this.queue.length);
    const restMs = Math.max(0, this.#lastAtMs - this.#kernel.nowMs);
    this.#kernel.after(
      restMs + this.#kernel.delay(latencyMsMax),
      `${this.#label}: connection ended`,
      ended,
    );
  }

  #schedule(delayMs: number): void {
    const kernel = this.#kernel;
    const atMs = kernel.nowMs + delayMs + kernel.delay(latencyMsMax);
    this.#lastAtMs = Math.max(this.#lastAtMs, atMs);
    const epoch = this.#epoch;
    kernel.after(this.#lastAtMs - kernel.nowMs, "", () => {
      if (epoch === this.#epoch) this.#arrive();
    });
  }

  #arrive(): void {
    const message = this.queue.shift();
    if (message === undefined || !this.#to.isAlive) return;
    this.#kernel.say(`${this.#label}: ${message.what}`);
    this.recent.push(message);
    if (this.recent.length > recentMax) this.recent.shift();
    message.deliver();
  }
}

/** A connection that `from` dialled: its words go there, answers and replies come back. */
export class Link {
  readonly from: Party;
  readonly to: Party;
  isEnded = false;
  readonly #kernel: Kernel;
  readonly #there: Lane;
  readonly #back: Lane;
  readonly #open = new Set<Message>();

  constructor(kernel: Kernel, from: Party, to: Party) {
    this.#kernel = kernel;
    this.from = from;
    this.to = to;
    this.#there = new Lane(kernel, from, to);
    this.#back = new Lane(kernel, to, from);
  }

  /** The other end. */
  other(party: Party): Party {
    return party === this.from ? this.to : this.from;
  }

  /** Says something. With a number of its own it may come twice. */
  notify(what: string, deliver: () => void, isNumbered = false): void {
    if (this.isEnded || !this.from.isAlive) return;
    this.#there.send({ what, deliver, isNumbered });
  }

  /** Asks; comes again until it is answered. */
  request<Answer>(
    what: string,
    { ask, answered, ended }: {
      ask(answering: Answering<Answer>): void;
      answered(answer: Answer): void;
      ended?(): void;
    },
  ): void {
    let deliveryNo = 0;
    const { to } = this;
    const message: Message = {
      what,
      isNumbered: true,
      isOpen: true,
      ...(ended === undefined ? {} : { ended }),
      deliver: () => {
        const no = ++deliveryNo;
        if (no > 1) this.#kernel.reach("request came twice");
        const [back, kernel, open] = [this.#back, this.#kernel, this.#open];
        const isEnded = () => this.isEnded;
        ask({
          get isOpen() {
            return no === deliveryNo && !isEnded() && to.isAlive;
          },
          give(answer, onLost) {
            if (!this.isOpen) return onLost?.();
            back.send({
              what: `answer to ${what}`,
              isNumbered: false,
              lost: () => {
                kernel.reach("answer lost");
                onLost?.();
              },
              deliver: () => {
                // It came before: the other side learns that this one is not used.
                if (!message.isOpen) return onLost?.();
                message.isOpen = false;
                open.delete(message);
                answered(answer);
              },
            });
          },
        });
      },
    };
    if (!this.from.isAlive) return;
    if (this.isEnded) {
      this.#kernel.after(0, "", () => this.from.isAlive && ended?.());
      return;
    }
    this.#open.add(message);
    this.#there.send(message);
  }

  /** Answers a frame of the hot path: not lost, not doubled. */
  reply(what: string, deliver: () => void): void {
    if (this.isEnded || !this.to.isAlive) return;
    this.#back.send({ what, deliver, isNumbered: false });
  }

  /** Whether something is on its way. */
  get isBusy(): boolean {
    return this.#there.queue.length + this.#back.queue.length > 0;
  }

  /** Whether an answer is on its way. */
  get isAnswering(): boolean {
    return this.#back.queue.some(({ lost }) => lost !== undefined);
  }

  /** Requests that were never answered. */
  get unanswered(): string[] {
    return [...this.#open].map(({ what }) =>
      `${this.from.name} => ${this.to.name}: ${what} has no answer`
    );
  }

  /** Breaks, and is made again. */
  break(): void {
    this.#kernel.say(
      `${this.from.name} => ${this.to.name}: connection breaks`,
    );
    this.#kernel.reach("connection broke");
    const delayMs = this.#kernel.delay(20);
    const kept = this.#back.queue.filter((message) => {
      message.lost?.();
      return message.lost === undefined;
    });
    this.#back.queue.length = 0;
    this.#back.again(kept, delayMs);
    const unacknowledged = this.#kernel.int(recentMax + 1);
    const { recent } = this.#there;
    const doubled = recent.slice(recent.length - unacknowledged)
      .filter(({ isNumbered, isOpen }) => isNumbered && isOpen === undefined);
    if (doubled.length > 0) this.#kernel.reach("message came twice");
    const queued = new Set(this.#there.queue);
    const unanswered = [...this.#open].filter((one) => !queued.has(one));
    this.#there.again([...unanswered, ...doubled], delayMs);
  }

  /** One of both is dead: the other hears the end, after some of the last words. */
  partyDied(dead: Party): void {
    const survivor = this.other(dead);
    if (!survivor.isAlive) return;
    const lane = dead === this.from ? this.#there : this.#back;
    lane.cut(this.#kernel.int(lane.queue.length + 1), () => {
      if (!survivor.isAlive || this.isEnded) return;
      this.isEnded = true;
      for (const message of this.#open) {
        if (survivor === this.from) message.ended?.();
      }
      this.#open.clear();
      survivor.linkEnded(this);
    });
  }
}

/** All connections. */
export class Network {
  readonly #kernel: Kernel;
  readonly #links = new Map<string, Link>();
  readonly #dialling = new Map<string, ((link: Link | undefined) => void)[]>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** The connection that `from` dialled; dialled once. Undefined: nobody is there. */
  peer(
    from: Party,
    to: Party | undefined,
    then: (link: Link | undefined) => void,
  ): void {
    const key = `${from.id} ${to?.id}`;
    const link = this.#links.get(key);
    if (link !== undefined && !link.isEnded) {
      this.#kernel.after(0, "", () => {
        if (link.isEnded) this.peer(from, to, then);
        else if (from.isAlive) then(link);
      });
      return;
    }
    const waiting = this.#dialling.get(key);
    if (waiting !== undefined) {
      waiting.push(then);
      return;
    }
    this.#dialling.set(key, [then]);
    this.#kernel.after(this.#kernel.delay(latencyMsMax), "", () => {
      const waiting = this.#dialling.get(key)!;
      this.#dialling.delete(key);
      if (!from.isAlive) return;
      const made = to?.isAlive ? this.connect(from, to) : undefined;
      for (const one of waiting) one(made);
    });
  }

  /** A connection at once. */
  connect(from: Party, to: Party): Link {
    const link = new Link(this.#kernel, from, to);
    this.#links.set(`${from.id} ${to.id}`, link);
    return link;
  }

  /** Breaks one of them, often where there is traffic, or an answer on its way. */
  breakOne(): void {
    const alive = [...this.#links.values()].filter(({ from, to }) =>
      from.isAlive && to.isAlive
    );
    const busy = alive.filter((link) => link.isBusy);
    const answering = alive.filter((link) => link.isAnswering);
    const choices = [answering, busy, alive].filter(({ length }) => length > 0);
    this.#kernel.pick(this.#kernel.pick(choices) ?? [])?.break();
  }

  /** Requests between living processes that were never answered. */
  get unanswered(): string[] {
    return [...this.#links.values()].filter(({ from, to }) =>
      from.isAlive && to.isAlive
    ).flatMap(({ unanswered }) => unanswered);
  }

  /** A process died: all its connections end. */
  died(party: Party): void {
    for (const [key, link] of this.#links) {
      if (link.from !== party && link.to !== party) continue;
      link.partyDied(party);
      if (!link.from.isAlive && !link.to.isAlive) this.#links.delete(key);
    }
  }
}
