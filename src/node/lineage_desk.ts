/**
 * What a program's processes ask of its lineage, answered where the file is.
 *
 * @module
 */
import type { NoticeHandlers, RequestHandlers } from "../wire/peer.ts";
import type { LineagePort } from "./lineage_port.ts";

/** Answers for the file, once it is open. */
export function lineageRequests(
  lineage: Promise<LineagePort>,
): RequestHandlers {
  return {
    "results.keep": async ({ results }) => {
      try {
        await (await lineage).keep(results);
        return {};
      } catch (error) {
        return { failure: `${(error as Error).message}` };
      }
    },
    "results.find": async ({ keys }) => ({
      results: await (await lineage).find(keys),
    }),
    "lineage.flush": async () => {
      await (await lineage).flush();
      return {};
    },
  };
}

/** Hears rows for the file. */
export function lineageNotices(lineage: Promise<LineagePort>): NoticeHandlers {
  return {
    "lineage.rows": ({ batch }) => {
      // Whether the file can be opened is told where it is opened.
      lineage.then((port) => port.send(batch), () => {});
    },
  };
}
