/**
 * A worker can't open an argument of a task that it is to run: it asks the
 * task's owner for another value of it.
 *
 * @module
 */
import { ObjectLostError } from "../base/errors.ts";
import type { FetchedValue, Requests } from "../wire/messages.ts";
import type { Peer } from "../wire/peer.ts";
import { entryOfRef } from "./object_ref.ts";
import type { OwnerPort } from "./owner_port.ts";
import type { TaskRecord } from "./task_record.ts";

/** Answers for a task that is under way. */
export async function fetchArgument(
  owner: Pick<OwnerPort, "objects" | "values">,
  record: TaskRecord | undefined,
  { ask: { position, lost }, peer }: {
    ask: Requests["argument.fetch"]["ask"];
    peer: Peer;
  },
): Promise<FetchedValue> {
  const argument = record?.dependencies.find((one) =>
    one.position === position
  );
  if (argument !== undefined) {
    return await owner.objects.serve(entryOfRef(argument.ref), { lost, peer });
  }
  const error = new ObjectLostError(
    "Cannot get argument: its task is not under way any more",
    { objectId: "" },
  );
  return { kind: "failed", error: owner.values.store(error).held.stored };
}
