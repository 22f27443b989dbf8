/**
 * A tiny shell that outlives the driver just long enough to clear up after it.
 *
 * It blocks on a pipe from the node. While the node lives it hears which
 * processes come and go; when the pipe ends (the driver left, however it
 * left) it ends those that did not notice, such as one that computes, and
 * removes the session's folder. It runs apart from the shell that started it,
 * because Deno ends its children when it leaves by an error.
 *
 * @module
 */
import { log } from "../base/log.ts";

// A process id may belong to somebody else by now: only one whose command
// line names this session's folder is ended.
const script = `
trap '' INT TERM HUP
folder=$1
watch() {
  pids=
  while read -r op pid; do
    case $op in
      +) pids="$pids $pid" ;;
      -) rest=; for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done; pids=$rest ;;
      end) exit 0 ;;
    esac
  done
  for p in $pids; do
    if [ -r "/proc/$p/cmdline" ]; then
      tr '\\0' ' ' < "/proc/$p/cmdline" | grep -qF -- "$folder" && kill -9 "$p"
    else
      ps -o command= -p "$p" | grep -qF -- "$folder" && kill -9 "$p"
    fi
  done 2>/dev/null
  rm -rf -- "$folder"
}
exec 3<&0
watch <&3 &
`;

/** Watches over one session's folder and processes. */
export class Reaper {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #process: Deno.ChildProcess | undefined;
  readonly #encoder = new TextEncoder();

  constructor(folder: string) {
    try {
      this.#process = new Deno.Command("/bin/sh", {
        args: ["-c", script, "manta-reaper", folder],
        stdin: "piped",
        stdout: "null",
        stderr: "null",
      }).spawn();
      this.#writer = this.#process.stdin.getWriter();
    } catch (error) {
      // Without it a computing worker outlives a killed driver where the
      // system can't end it with its parent; all else works.
      log.info(`no reaper for ${folder}: ${error}`);
    }
  }

  /** A process to be ended with the session. */
  add(pid: number): void {
    this.#say(`+ ${pid}`);
  }

  /** It ended by itself. */
  remove(pid: number): void {
    this.#say(`- ${pid}`);
  }

  /** The session ended in order: nothing is left to do. */
  async end(): Promise<void> {
    this.#say("end");
    await this.#writer?.close().catch(() => {}); // It may be gone already.
    await this.#process?.status;
  }

  #say(line: string): void {
    // A reaper that was killed can't be told any more, and need not be.
    this.#writer?.write(this.#encoder.encode(`${line}\n`)).catch(() => {});
  }
}
