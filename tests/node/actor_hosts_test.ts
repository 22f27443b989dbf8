import { assert, assertEquals } from "@std/assert";
import type { ActorId } from "../../src/base/ids.ts";
import { limits } from "../../src/base/limits.ts";
import type { ActorSpec } from "../../src/base/spec.ts";
import { ActorHosts } from "../../src/node/actor_hosts.ts";
import type { Kept } from "../../src/node/children.ts";
import { ResourcePool } from "../../src/state/resources.ts";
import type { Fate } from "../../src/wire/messages.ts";
import type { Peer } from "../../src/wire/peer.ts";
import { actorSpec } from "../support/actor_spec.ts";

/** A host process that is none: what is said to it is kept. */
class FakeHost {
  readonly no: number;
  readonly started: string[] = [];
  readonly stopped: string[] = [];
  isKilled = false;
  #ended: (fate: Fate) => void;

  constructor(no: number, ended: (fate: Fate) => void) {
    this.no = no;
    this.#ended = ended;
  }

  get peer(): Peer {
    return {
      request: (_: string, { actorId }: { actorId: string }) => {
        this.started.push(actorId);
        return Promise.resolve({});
      },
      notify: (_: string, { actorId }: { actorId: string }) => {
        this.stopped.push(actorId);
      },
    } as unknown as Peer;
  }

  get kept(): Kept {
    const child = { pid: this.no, kill: () => this.isKilled = true };
    return { no: this.no, role: "host", child } as unknown as Kept;
  }

  /** It is gone. */
  end(): void {
    this.#ended({ exitSignal: "SIGKILL" });
  }
}

/** A node with as many hosts as it may have, and two actors in each. */
async function crowded() {
  const hosts: FakeHost[] = [];
  const ended: { actorId: ActorId; reason: string }[] = [];
  const names = new Map<number, string>();
  const rooms = new ActorHosts({
    printer: {
      name: (pid, name) => names.set(pid, name),
      forget: (pid) => names.delete(pid),
    },
    pool: () => new ResourcePool({}),
    childrenFor: () => ({
      start: (_role, onEnded) => {
        const host: FakeHost = new FakeHost(
          hosts.length + 1,
          (fate) => onEnded(host.kept, fate),
        );
        hosts.push(host);
        return host.kept;
      },
    }),
  }, {
    actorEnded: (actorId, { reason }) => ended.push({ actorId, reason }),
    resourcesGiven: () => {},
    waits: () => {},
  });
  const start = async (name: string, fields: Partial<ActorSpec> = {}) => {
    rooms.start(actorSpec(name, fields), 0);
    for (const host of hosts) rooms.hostRegistered(host.no, host.peer);
    await Promise.resolve();
    await Promise.resolve();
  };
  for (let at = 0; at < limits.dedicatedHostsMax * 2; at++) {
    await start(`a${at}`);
  }
  assertEquals(hosts.length, limits.dedicatedHostsMax);
  const hostOf = (name: string) =>
    hosts.find(({ started }) => started.includes(name))!;
  return { rooms, hosts, ended, start, hostOf, names };
}

Deno.test("ActorHosts spreads actors over hosts, the emptiest first", async () => {
  const { hosts, start, hostOf } = await crowded();
  assertEquals(hosts.map(({ started }) => started.length), hosts.map(() => 2));
  await start("one more");
  assertEquals(hosts.length, limits.dedicatedHostsMax);
  assertEquals(hostOf("one more").started.length, 3);
  await start("alone", { isolation: "process" });
  assertEquals(hostOf("alone").no, limits.dedicatedHostsMax + 1);
  assertEquals(hostOf("alone").started, ["alone"]);
});

Deno.test("ActorHosts puts no new actor on a host that is killed, as its last actor ended", async () => {
  const { rooms, ended, start, hostOf } = await crowded();
  const emptied = hostOf("a0");
  for (const actorId of emptied.started as ActorId[]) {
    rooms.isolateEnded(actorId, 0, "it left");
  }
  assert(emptied.isKilled);
  await start("new");
  assert(hostOf("new") !== emptied);
  emptied.end();
  assertEquals(ended.length, 2);
});

Deno.test("ActorHosts puts no new actor beside one that is to stop, whose host may be killed for it", async () => {
  const { rooms, ended, start, hostOf } = await crowded();
  const stopping = hostOf("a0");
  const [first, second] = stopping.started as [ActorId, ActorId];
  rooms.isolateEnded(second, 0, "it left");
  const stop = { isGraceful: true, reason: "no handle to it was left" };
  rooms.stop(first, stop);
  rooms.stop(first, stop);
  await start("new");
  assert(hostOf("new") !== stopping);
  // It stopped in time, and the host goes.
  rooms.isolateEnded(first, 0, "it left");
  assert(stopping.isKilled);
  stopping.end();
  assertEquals(ended.map(({ actorId }) => actorId), [second, first]);
});

Deno.test("ActorHosts uses a host again whose stopping actor is gone while another lives", async () => {
  const { rooms, start, hostOf } = await crowded();
  const host = hostOf("a0");
  const [first] = host.started as [ActorId, ActorId];
  rooms.stop(first, { isGraceful: true, reason: "no handle to it was left" });
  rooms.isolateEnded(first, 0, "it left");
  assert(!host.isKilled);
  await start("new");
  assertEquals(hostOf("new"), host);
});

Deno.test("ActorHosts names a host's lines by the actor in it, or by what its actors have in common", async () => {
  const { rooms, start, hostOf, names } = await crowded();
  const alone = { isolation: "process", className: "Diary" } as const;
  await start("anonymous", alone);
  await start("named", { ...alone, name: "big" });
  const nameOf = (name: string) => names.get(hostOf(name).no);
  assertEquals(nameOf("anonymous"), "Diary");
  assertEquals(nameOf("named"), "Diary:big");
  assertEquals(nameOf("a0"), "Clock");
  await start("other", { className: "Diary" });
  assertEquals(nameOf("other"), "actors");
  for (const actorId of hostOf("other").started as ActorId[]) {
    if (actorId !== "other") rooms.isolateEnded(actorId, 0, "it left");
  }
  assertEquals(nameOf("other"), "Diary");
  hostOf("named").end();
  assertEquals(nameOf("named"), undefined);
});
