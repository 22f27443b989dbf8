/**
 * Entry of a dashboard's thread: serves until it is told to end.
 *
 * A thread of its own, so that neither a program that computes nor a head that
 * schedules is in the way of a page, and no page in theirs. Only
 * `dashboard_start.ts` starts it.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { MantaError } from "../base/errors.ts";
import { reachSession, type SessionPlace } from "../inspect/reach.ts";
import { Dashboard, type DashboardPlace } from "./dashboard.ts";
import { Source } from "./source.ts";

/** What the thread is started with. */
export interface DashboardThreadData extends Omit<DashboardPlace, "port"> {
  /** The session it is of. */
  session: SessionPlace;
  /** Tried one after the other. */
  ports: number[];
}

/** What it tells. */
export type DashboardReport =
  | { kind: "serving"; url: string }
  | { kind: "failed"; message: string }
  | { kind: "ended" };

function run({ session, ports, ...place }: DashboardThreadData): void {
  let dashboard: Dashboard;
  try {
    dashboard = serve(session, ports, place);
  } catch (error) {
    return report({ kind: "failed", message: (error as Error).message });
  }
  parentPort!.once("message", async () => {
    await dashboard.close();
    report({ kind: "ended" });
  });
  report({ kind: "serving", url: dashboard.url });
}

function serve(
  session: SessionPlace,
  [port, ...others]: number[],
  place: Omit<DashboardPlace, "port">,
): Dashboard {
  const source = new Source(() => Promise.resolve(reachSession(session)));
  try {
    return new Dashboard(source, { ...place, port: port! });
  } catch (error) {
    const isTaken = error instanceof MantaError &&
      error.cause instanceof Deno.errors.AddrInUse;
    if (!isTaken || others.length === 0) throw error;
    return serve(session, others, place);
  }
}

function report(report: DashboardReport): void {
  parentPort!.postMessage(report);
}

run(workerData as DashboardThreadData);
