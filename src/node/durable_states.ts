/**
 * Durable actors on their way to the lineage file: isolates ask here, the
 * file's thread answers after its commit.
 *
 * That an incarnation is the present one is the head's to say, asked through
 * `identity`; all else is decided where the file is written.
 *
 * @module
 */
import type {
  DurableAnswer,
  DurableAsk,
  DurableCommit,
  DurableIdentity,
} from "../base/durable.ts";
import type { ActorId } from "../base/ids.ts";
import { log } from "../base/log.ts";
import type { RequestHandlers } from "../wire/peer.ts";
import type { LineagePort } from "./lineage_port.ts";

/** What durable states need. */
export interface DurableRooms {
  /** Where the file is, once it is open. */
  readonly lineage: Promise<Pick<LineagePort, "askDurable">>;
  /** Whose state an incarnation asks for; undefined if it is not the present one. */
  identity(
    actorId: ActorId,
    incarnation: number,
  ): DurableIdentity | undefined;
}

/** Keeps the states of one program's durable actors. */
export class DurableStates {
  readonly #rooms: DurableRooms;

  constructor(rooms: DurableRooms) {
    this.#rooms = rooms;
  }

  /** What it answers. */
  requests(): RequestHandlers {
    return {
      "durable.open": async ({ actorId, incarnation }) => {
        const identity = this.#rooms.identity(actorId, incarnation);
        if (identity === undefined) {
          const reason = "a newer incarnation has taken over";
          return { kind: "refused", reason };
        }
        return await this.#ask({ kind: "open", identity });
      },
      "durable.commit": async ({ commit }) => {
        const [passed, transferred] = passable(commit);
        return await this.#ask({ kind: "commit", commit: passed }, transferred);
      },
      "durable.result": ({ durableId, callId }) =>
        this.#ask({ kind: "result", durableId, callId }),
    };
  }

  /** What starts the actor of that name, if the file has one. */
  async find(namespace: string, name: string): Promise<Uint8Array | undefined> {
    const answer = await this.#ask({ kind: "find", namespace, name });
    return answer.kind === "found" ? answer.spec : undefined;
  }

  /** An actor is dead for good; resolves when the file says so. */
  async left(actorId: ActorId, isForgotten: boolean): Promise<void> {
    try {
      await this.#ask({ kind: "leave", actorId, isForgotten });
    } catch (error) {
      // The file's thread has ended, and said why.
      log.debug(`the end of durable actor ${actorId} was not kept: ${error}`);
    }
  }

  async #ask(
    ask: DurableAsk,
    transferred: ArrayBuffer[] = [],
  ): Promise<DurableAnswer<Uint8Array>> {
    const port = await this.#rooms.lineage;
    return arrived(await port.askDurable(ask, transferred));
  }
}

/** A commit as it goes to the thread: its bytes are copied once, then handed over. */
function passable(
  { state, spec, call, ...rest }: DurableCommit<Uint8Array>,
): [DurableCommit<ArrayBuffer>, ArrayBuffer[]] {
  const transferred: ArrayBuffer[] = [];
  const own = (bytes: Uint8Array) => {
    const copy = bytes.slice().buffer as ArrayBuffer;
    transferred.push(copy);
    return copy;
  };
  const commit = {
    ...rest,
    ...(state === undefined ? {} : { state: own(state) }),
    ...(spec === undefined ? {} : { spec: own(spec) }),
    ...(call === undefined ? {} : {
      call: { ...call, result: own(call.result) },
    }),
  };
  return [commit, transferred];
}

function arrived(answer: DurableAnswer): DurableAnswer<Uint8Array> {
  switch (answer.kind) {
    case "opened": {
      const { state, ...rest } = answer;
      return state === undefined
        ? rest
        : { ...rest, state: new Uint8Array(state) };
    }
    case "result":
      return { ...answer, result: new Uint8Array(answer.result) };
    case "found":
      return { ...answer, spec: new Uint8Array(answer.spec) };
    default:
      return answer;
  }
}
