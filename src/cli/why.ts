/**
 * `why`: what a task or object waits for, runs on, or failed of; how an actor,
 * a process or a node is.
 *
 * @module
 */
import { MantaError } from "../base/errors.ts";
import {
  ambiguity,
  explain,
  idLengthMin,
  unknown,
} from "../inspect/explain.ts";
import { readFlags, UsageError } from "./flags.ts";
import { note, show } from "./show.ts";
import { askingFlags, reachAny } from "./where.ts";

/** Runs `why`. */
export async function why(args: string[]): Promise<number> {
  const given = readFlags(args, { ...askingFlags, wordsMax: 1 });
  const [id] = given.words;
  if (id === undefined) {
    throw new UsageError(
      "why what? why ID, of a task, object, actor, process or node",
    );
  }
  await using reach = await reachAny(given);
  const found = await explain(reach, id);
  const { answer, others, notes } = found;
  if (others.length > 0) throw new UsageError(ambiguity(id, found));
  // Names and pids may be shorter.
  if (answer === undefined && id.length < idLengthMin) {
    throw new UsageError(
      `nothing in ${reach.name} has "${id}" as its name or pid, and of an id at least ${idLengthMin} digits are needed`,
    );
  }
  if (answer === undefined) throw new MantaError(unknown(id, reach, found));
  show(given, answer, () => `${answer.kind} ${answer.id} ${answer.line}`);
  for (const line of notes) note(line);
  return 0;
}
