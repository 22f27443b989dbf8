/**
 * What the runtime itself says, on stderr, by level. Programs' output is not here.
 *
 * @module
 */
import { variable } from "./environment.ts";

const levels = ["debug", "info", "warn", "error", "off"] as const;
/** How much is said: a level and all above it. */
export type LogLevel = typeof levels[number];

let threshold: LogLevel | undefined;

function isOn(level: LogLevel): boolean {
  return levels.indexOf(level) >= levels.indexOf(threshold ??= levelFromEnv());
}

/** Throws where `MANTA_LOG` names no level: asked at the start, as a later word has nobody to tell. */
export function checkLogLevel(): void {
  threshold ??= levelFromEnv();
}

function levelFromEnv(): LogLevel {
  const value = variable("MANTA_LOG");
  if (value === undefined || value === "") return "warn";
  if ((levels as readonly string[]).includes(value)) return value as LogLevel;
  throw new TypeError(
    `Cannot use MANTA_LOG="${value}": expected one of ${levels.join(", ")}`,
  );
}

/** Says one line, if its level is on. */
export const log = {
  /** What only a developer of the runtime wants to see. */
  debug: (message: string) => say("debug", message),
  /** What happens in the ordinary course. */
  info: (message: string) => say("info", message),
  /** What a person should look at some time. */
  warn: (message: string) => say("warn", message),
  /** What a person should look at now. */
  error: (message: string) => say("error", message),
};

function say(level: LogLevel, message: string): void {
  if (isOn(level)) console.error(`manta ${level}: ${message}`);
}
