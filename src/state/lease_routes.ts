/**
 * Where the lease requests of one machine's processes are: at which nodes they
 * wait, which one granted them.
 *
 * A request goes to a node that has room; where none has, it waits at two, and
 * the first grant counts. It goes to further ones when they have room, or when
 * a node is gone. One that no node can do waits for a node that can. Pure.
 *
 * @module
 */
import { assert } from "../base/errors.ts";
import type { LeaseId, NodeTag } from "../base/ids.ts";
import type { ClusterView, PlaceNeeds } from "./cluster_view.ts";

/** What is to be done after an event, in order. */
export type RouteCommand =
  | { kind: "ask"; leaseId: LeaseId; tag: NodeTag }
  /** A node is to forget a request, or take back what it granted. */
  | { kind: "withdraw"; leaseId: LeaseId; tag: NodeTag }
  | { kind: "give_back"; leaseId: LeaseId; tag: NodeTag }
  /** The owner is told. */
  | { kind: "granted"; leaseId: LeaseId; tag: NodeTag }
  | { kind: "failed"; leaseId: LeaseId; reason: string };

interface Route {
  readonly needs: PlaceNeeds;
  /** Where it waits. */
  readonly asked: Set<NodeTag>;
  /** Nodes that can't do it, though they have what it asks for, and why the last one can't. */
  readonly refusers: Set<NodeTag>;
  refusal: string | undefined;
  grantedBy: NodeTag | undefined;
}

/** Nodes that one request may wait at. */
const askedMax = 3;

/** Routes the requests of one machine. */
export class LeaseRoutes {
  readonly #view: ClusterView;
  readonly #routes = new Map<LeaseId, Route>();
  /** Not granted yet. */
  readonly #waiting = new Set<LeaseId>();

  constructor(view: ClusterView) {
    this.#view = view;
  }

  /** Requests that no node can do, as things are. */
  infeasible(): PlaceNeeds[] {
    const needs: PlaceNeeds[] = [];
    for (const leaseId of this.#waiting) {
      const route = this.#routes.get(leaseId)!;
      if (route.asked.size === 0) needs.push(route.needs);
    }
    return needs;
  }

  /** A process asks. A retry changes nothing. */
  requested(leaseId: LeaseId, needs: PlaceNeeds): RouteCommand[] {
    if (this.#routes.has(leaseId)) return [];
    const route: Route = {
      needs,
      asked: new Set(),
      refusers: new Set(),
      refusal: undefined,
      grantedBy: undefined,
    };
    this.#routes.set(leaseId, route);
    this.#waiting.add(leaseId);
    return this.#ask(leaseId, route);
  }

  /** A node grants. Heard twice it changes nothing. */
  granted(leaseId: LeaseId, tag: NodeTag): RouteCommand[] {
    const route = this.#routes.get(leaseId);
    if (route?.grantedBy === tag) return [];
    const isLate = route === undefined || !route.asked.has(tag) ||
      route.grantedBy !== undefined;
    if (isLate) return [{ kind: "give_back", leaseId, tag }];
    route.grantedBy = tag;
    route.asked.delete(tag);
    this.#waiting.delete(leaseId);
    const others = this.#withdrawAll(leaseId, route);
    return [{ kind: "granted", leaseId, tag }, ...others];
  }

  /**
   * A node will not grant it. Without a `reason` it only has less than it was
   * thought to have: the request waits for another. With one it is not asked
   * again, and where no other can do it the request has failed.
   */
  refused(leaseId: LeaseId, tag: NodeTag, reason?: string): RouteCommand[] {
    const route = this.#routes.get(leaseId);
    if (route === undefined || !route.asked.delete(tag)) return [];
    if (reason !== undefined) {
      route.refusers.add(tag);
      route.refusal = reason;
    }
    if (route.grantedBy !== undefined || route.asked.size > 0) return [];
    return this.#askOthers(leaseId, route, tag);
  }

  /**
   * A node could not be asked, or broke off: it may be that it is going, and
   * its end is told then. Until that is so it is asked again, if no other is.
   */
  unanswered(leaseId: LeaseId, tag: NodeTag): RouteCommand[] {
    const route = this.#routes.get(leaseId);
    if (route === undefined || !route.asked.delete(tag)) return [];
    if (route.grantedBy !== undefined || route.asked.size > 0) return [];
    return this.#ask(leaseId, route);
  }

  /** Its owner has no use for it any more: granted or not. */
  returned(leaseId: LeaseId): RouteCommand[] {
    const route = this.#routes.get(leaseId);
    if (route === undefined) return [];
    this.#forget(leaseId);
    const { grantedBy } = route;
    return grantedBy === undefined
      ? this.#withdrawAll(leaseId, route)
      : [{ kind: "give_back", leaseId, tag: grantedBy }];
  }

  /** Who granted a lease. */
  grantedBy(leaseId: LeaseId): NodeTag | undefined {
    return this.#routes.get(leaseId)?.grantedBy;
  }

  /** A node is gone, and what it granted. */
  nodeGone(tag: NodeTag): RouteCommand[] {
    const commands: RouteCommand[] = [];
    for (const [leaseId, route] of this.#routes) {
      if (route.grantedBy === tag) this.#forget(leaseId);
      else if (route.asked.delete(tag) && route.asked.size === 0) {
        commands.push(...this.#askOthers(leaseId, route, tag));
      }
    }
    return commands;
  }

  /** Nodes have joined, or have more room. */
  viewChanged(): RouteCommand[] {
    const commands: RouteCommand[] = [];
    for (const leaseId of this.#waiting) {
      const route = this.#routes.get(leaseId)!;
      if (route.asked.size >= askedMax) continue;
      const except = route.asked.union(route.refusers);
      const { tags, hasRoom } = this.#view.choose(route.needs, except);
      if (!hasRoom && route.asked.size > 0) continue;
      for (const tag of tags) commands.push(this.#askAt(leaseId, route, tag));
    }
    return commands;
  }

  /** Asserts every invariant. */
  validate(): { routeCount: number } {
    for (const leaseId of this.#waiting) {
      const route = this.#routes.get(leaseId);
      assert(route !== undefined, "A request waits without a route");
      assert(route.grantedBy === undefined, "A granted request waits");
      assert(route.asked.size <= askedMax, "A request waits at too many nodes");
      const isInVain = !route.asked.isDisjointFrom(route.refusers);
      assert(!isInVain, "A request waits at a node that can't do it");
    }
    for (const [leaseId, route] of this.#routes) {
      const isWaiting = this.#waiting.has(leaseId);
      assert(
        route.grantedBy === undefined || route.asked.size === 0,
        "A granted request waits elsewhere",
      );
      assert(
        isWaiting || route.grantedBy !== undefined,
        "A request is forgotten",
      );
    }
    return { routeCount: this.#routes.size };
  }

  #ask(leaseId: LeaseId, route: Route, but?: NodeTag): RouteCommand[] {
    const except = route.asked.union(route.refusers);
    if (but !== undefined) except.add(but);
    const { tags } = this.#view.choose(route.needs, except);
    return tags.map((tag) => this.#askAt(leaseId, route, tag));
  }

  /** It waits nowhere any more: where nobody else can do it, and somebody said why not, it has failed. */
  #askOthers(leaseId: LeaseId, route: Route, but: NodeTag): RouteCommand[] {
    const commands = this.#ask(leaseId, route, but);
    const { refusal: reason } = route;
    if (commands.length > 0 || reason === undefined) return commands;
    this.#forget(leaseId);
    return [{ kind: "failed", leaseId, reason }];
  }

  #askAt(leaseId: LeaseId, route: Route, tag: NodeTag): RouteCommand {
    route.asked.add(tag);
    this.#view.asked(tag, route.needs.resources);
    return { kind: "ask", leaseId, tag };
  }

  #withdrawAll(leaseId: LeaseId, { asked }: Route): RouteCommand[] {
    const commands = [...asked].map((tag): RouteCommand => ({
      kind: "withdraw",
      leaseId,
      tag,
    }));
    asked.clear();
    return commands;
  }

  #forget(leaseId: LeaseId): void {
    this.#routes.delete(leaseId);
    this.#waiting.delete(leaseId);
  }
}
