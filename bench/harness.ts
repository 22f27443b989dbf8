/**
 * Runs a row: every contender in turn, round after round, in the same run.
 *
 * Contenders are processes that stay up from their first row to the end (see
 * `contender.ts`). One that fails at a row loses that row alone: it is ended,
 * and started anew for its next one.
 *
 * @module
 */
import { Contender, type ContenderCommand } from "./contender.ts";
import type { ContenderName, Row } from "./rows.ts";
import { type Figure, figureOf } from "./statistics.ts";

/** How long, and how often. */
export interface Pace {
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmupMs: number;
  /** Under 1: the largest batches are so much smaller. */
  readonly scale: number;
  /** Whether contenders are spared the rows they are slow at. */
  readonly skipsSlow: boolean;
}

/** The pace of a full run. */
export const fullPace: Pace = {
  rounds: 5,
  roundMs: 1000,
  warmupMs: 1000,
  scale: 1,
  skipsSlow: false,
};

/** The pace of `--quick`. */
export const quickPace: Pace = {
  rounds: 3,
  roundMs: 200,
  warmupMs: 200,
  scale: 0.1,
  skipsSlow: true,
};

/** What a row came to, by contender: a figure, or why there is none. */
export type Outcome = Figure | { readonly failure: string };
/** One row's outcomes. */
export type Outcomes = ReadonlyMap<ContenderName, Outcome>;

const answerMsMax = 240_000;

/** The contenders of one run. */
export class Harness implements AsyncDisposable {
  readonly #commands: readonly ContenderCommand[];
  readonly #pace: Pace;
  readonly #running = new Map<ContenderName, Contender>();
  readonly #versions = new Map<ContenderName, string>();
  /** Who could not start, and why: once is enough to know. */
  readonly #broken = new Map<ContenderName, string>();

  constructor(commands: readonly ContenderCommand[], pace: Pace) {
    this.#commands = commands;
    this.#pace = pace;
  }

  /** Names and versions of the contenders that have been up. */
  get versions(): readonly string[] {
    return [...this.#versions.values()];
  }

  /** Runs one row. */
  async run(row: Row): Promise<Outcomes> {
    const outcomes = new Map<ContenderName, Outcome>();
    const commands = this.#commands.filter(({ name }) =>
      row.contenders.includes(name) &&
      !(this.#pace.skipsSlow && row.slow?.includes(name))
    );
    const taken = new Map<ContenderCommand, number[]>();
    /** One step of one contender; whoever fails is out of the row. */
    const attempt = async (
      command: ContenderCommand,
      step: () => Promise<void>,
    ) => {
      try {
        await step();
      } catch (error) {
        taken.delete(command);
        outcomes.set(command.name, { failure: messageOf(error) });
        await this.#end(command.name);
      }
    };
    for (const command of commands) {
      taken.set(command, []);
      if (!row.isFresh) await attempt(command, () => this.#setUp(command, row));
    }
    for (let round = 0; round < this.#pace.rounds; round++) {
      for (const [command, figures] of [...taken]) {
        if (round > 0 && row.slow?.includes(command.name)) continue;
        await attempt(command, async () => {
          figures.push(await this.#round(command, row));
        });
      }
    }
    for (const [command, figures] of [...taken]) {
      outcomes.set(command.name, figureOf(figures));
      if (!row.isFresh) {
        await attempt(command, () => this.#tearDown(command.name));
      }
    }
    return outcomes;
  }

  async #setUp(command: ContenderCommand, row: Row): Promise<void> {
    const contender = await this.#started(command);
    const { scale, warmupMs } = this.#pace;
    const isSlow = row.slow?.includes(command.name) === true;
    await contender.tell({
      kind: "setup",
      row: row.name,
      scale,
      warmupMs: isSlow ? 0 : warmupMs,
    }, answerMsMax);
  }

  async #round(command: ContenderCommand, row: Row): Promise<number> {
    if (row.isFresh) return await Contender.firstResultMs(command);
    const contender = await this.#started(command);
    const { roundMs } = this.#pace;
    return await contender.figure({ kind: "round", roundMs }, answerMsMax);
  }

  async #tearDown(name: ContenderName): Promise<void> {
    await this.#running.get(name)?.tell({ kind: "teardown" }, answerMsMax);
  }

  async #started(command: ContenderCommand): Promise<Contender> {
    const running = this.#running.get(command.name);
    if (running !== undefined) return running;
    const reason = this.#broken.get(command.name);
    if (reason !== undefined) throw new Error(reason);
    try {
      const { contender, version } = await Contender.start(command);
      this.#running.set(command.name, contender);
      this.#versions.set(command.name, version);
      return contender;
    } catch (error) {
      this.#broken.set(command.name, messageOf(error));
      throw error;
    }
  }

  async #end(name: ContenderName): Promise<void> {
    const contender = this.#running.get(name);
    this.#running.delete(name);
    await contender?.[Symbol.asyncDispose]();
  }

  /** Ends all contenders at once, without asking. */
  kill(): void {
    for (const contender of this.#running.values()) contender.kill();
  }

  /** Lets all contenders end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.#end(name)));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
