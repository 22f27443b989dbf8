/**
 * A tiny shell that outlives the driver just long enough to clear up after it.
 *
 * It blocks on a pipe from the driver, and is started before there is anything
 * to clear up. When the pipe ends (the driver left, however it left) it ends
 * the session's processes that did not notice, such as one that computes, and
 * removes the session's folder, and the one it stands in if it was the last. It decides nothing while the driver lives.
 *
 * @module
 */
import { log } from "../base/log.ts";

// Nobody tells it process ids, which could be late or somebody else's by now:
// a child of the session is one whose command line joins this very folder.
// The text it looks for is in no command line of its own.
const script = `
trap '' INT TERM HUP
while read -r word; do
  [ "$word" = end ] && exit 0
done
pattern="\\"folder\\":$2"
children() {
  if [ -r /proc/self/cmdline ]; then
    printf '%s' "$pattern" | grep -lF -f - /proc/[0-9]*/cmdline | cut -d / -f 3
  else
    ps -axww -o pid= -o command= | while read -r pid command; do
      case $command in *"$pattern"*) echo "$pid" ;; esac
    done
  fi
}
for round in 1 2 3 4 5; do
  pids=$(children)
  [ -n "$pids" ] || [ "$round" -lt 2 ] || break
  for pid in $pids; do kill -9 "$pid"; done
  sleep 0.1 || sleep 1
done 2>/dev/null
rm -rf -- "$1"
rmdir -- "\${1%/*}" 2>/dev/null
`;

/** Starts in a row that ended at once, after which there is no use in more. */
const quickEndsMax = 5;
const quickEndMs = 1000;

/** Watches over one session's folder and processes. */
export class Reaper {
  readonly #folder: string;
  #process: Deno.ChildProcess | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  #quickEnds = 0;
  #isEnding = false;

  /** Starts it; where no shell may be run, there is none. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#start();
  }

  /** The shell's process id, while there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** The session ended in order: nothing is left to do. */
  end(): Promise<void> {
    return this.#leave("end\n");
  }

  /** The session failed: what is left of it is ended and removed now. */
  reap(): Promise<void> {
    return this.#leave("");
  }

  #start(): void {
    try {
      this.#process = new Deno.Command("/bin/sh", {
        args: [
          "-c",
          script,
          "manta-reaper",
          this.#folder,
          JSON.stringify(this.#folder),
        ],
        stdin: "piped",
        stdout: "null",
        stderr: "null",
      }).spawn();
    } catch (error) {
      // Without it a computing worker outlives a killed driver where the
      // system can't end it with its parent; all else works.
      log.info(`no reaper for ${this.#folder}: ${error}`);
      return;
    }
    const startedAtMs = performance.now();
    this.#process.unref();
    this.#writer = this.#process.stdin.getWriter();
    this.#writer.closed.catch(() => {}); // A killed one is started again.
    this.#process.status.then(() => {
      this.#process = undefined;
      if (this.#isEnding) return;
      const isQuick = performance.now() - startedAtMs < quickEndMs;
      this.#quickEnds = isQuick ? this.#quickEnds + 1 : 0;
      if (this.#quickEnds < quickEndsMax) this.#start();
    });
  }

  async #leave(word: string): Promise<void> {
    this.#isEnding = true;
    const process = this.#process;
    if (process === undefined) return;
    process.ref();
    try {
      if (word !== "") {
        await this.#writer!.write(new TextEncoder().encode(word));
      }
      await this.#writer!.close();
    } catch {
      // It was killed just now, and there is nothing to tell it any more.
    }
    await process.status;
  }
}
