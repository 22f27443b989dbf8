/**
 * The actors of a cluster as a command line is told of them.
 *
 * @module
 */
import type { ActorId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import type { ActorView } from "../state/actors.ts";
import type { ActorFacts } from "../wire/command_messages.ts";

/** Lists actors as JSON, those that live first. */
export function listActors(
  views: Iterable<ActorView>,
  { rowsMax, pids }: {
    rowsMax: number;
    /** The process that each was last alive in. */
    pids: ReadonlyMap<ActorId, { processId: ProcessId; pid: number }>;
  },
): { actors: string; count: number } {
  const living: ActorView[] = [];
  const dead: ActorView[] = [];
  for (const view of views) (view.phase === "dead" ? dead : living).push(view);
  const all = [...living, ...dead.reverse()];
  const first = all.slice(0, Math.min(rowsMax, limits.factsRowsMax));
  const rows = first.map((view): ActorFacts => {
    const { spec, phase, incarnation, processId, reason } = view;
    const { actorId, className, name, namespace, jobId } = spec;
    const known = pids.get(actorId);
    return {
      actorId,
      className,
      ...(name === undefined ? {} : { name }),
      namespace,
      state: phase,
      incarnation,
      ...(processId === undefined ? {} : { processId }),
      ...(known === undefined || known.processId !== processId
        ? {}
        : { pid: known.pid }),
      jobId,
      isDetached: spec.isDetached,
      isDurable: spec.isDurable,
      ...(reason === undefined ? {} : { reason }),
    };
  });
  return { actors: JSON.stringify(rows), count: all.length };
}
