/**
 * The arguments of one simulated run: the refs in their values taken, and what
 * is gone fetched anew. Mirrors `src/worker/arguments.ts`.
 *
 * @module
 */
import type { Fetched } from "./objects.ts";
import type { Process } from "./process.ts";
import type { Frame, Held, SentValue } from "./things.ts";
import type { World } from "./world.ts";

/** The run that arguments are opened for. */
export interface OpeningRun {
  readonly frame: Frame;
  taken(held: readonly Held[]): void;
  /** It waits for its owner: meanwhile it holds no CPU. */
  suspend(): void;
  resume(): void;
  opened(): void;
  failed(): void;
}

/** Opens one argument after another. */
export function openArguments(
  world: World,
  process: Process,
  run: OpeningRun,
): void {
  openFrom(run.frame.values, 0);

  function openFrom(values: readonly SentValue[], position: number): void {
    const value = values[position];
    if (value === undefined) return run.opened();
    if (!value.segment?.isLost) {
      run.taken(process.owner.references.borrowAll(value.refs));
      return openFrom(values, position + 1);
    }
    world.kernel.reach("lost argument");
    run.suspend();
    fetch(position, value, (taken) => {
      run.resume();
      if (taken === undefined) return run.failed();
      openFrom(values.with(position, taken), position);
    });
  }

  /** The submitter knows whose object it is, and who can make it again. */
  function fetch(
    position: number,
    { segment: lost }: SentValue,
    then: (taken: SentValue | undefined) => void,
  ): void {
    const { ordinal, ownerId } = run.frame;
    const { submitter, calls, objects } = world.process(ownerId)!.owner;
    world.dial(
      process,
      ownerId,
      (link) =>
        link?.request<Fetched>(`argument.fetch ${ordinal}.${position}`, {
          ask: (answering) => {
            const task = submitter.inFlight(ordinal) ?? calls.inFlight(ordinal);
            const entry = task?.dependencies[position]?.handle.entry;
            if (entry === undefined) return answering.give(undefined);
            objects.serve(entry, { lost, link, answering });
          },
          answered: (fetched) => {
            const taken = process.owner.objects.taken(fetched, link);
            run.taken(taken?.value ?? []);
            then(taken && { refs: [], segment: taken.segment });
          },
        }),
    );
  }
}
