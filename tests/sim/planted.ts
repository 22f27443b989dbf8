/**
 * Faults that are planted in more than one simulation.
 *
 * @module
 */
import type { LeaseId } from "../../src/base/ids.ts";
import type { LeaseCommand } from "../../src/state/lease_events.ts";
import { LeaseTable } from "../../src/state/leases.ts";

/** A request that comes again once it is granted is granted a further worker. */
export class LeasesTwice extends LeaseTable {
  override requested(
    leaseId: LeaseId,
    request: Parameters<LeaseTable["requested"]>[1],
  ): LeaseCommand[] {
    const isGranted = Array.from({ length: 64 }, (_, no) => this.leasesOf(no))
      .some((leases) => leases.includes(leaseId));
    const again = `${leaseId} again` as LeaseId;
    return super.requested(isGranted ? again : leaseId, request)
      .map((command) =>
        command.kind === "grant" && command.leaseId === again
          ? { ...command, leaseId }
          : command
      );
  }
}
