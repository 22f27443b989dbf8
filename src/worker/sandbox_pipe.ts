/**
 * The one connection of a sandboxed process: frames over a descriptor that it
 * was born with, so that it needs no permission for any socket.
 *
 * The same at both ends; what the frames mean is in `wire/sandbox_frames.ts`.
 *
 * @module
 */
import type { Socket } from "node:net";
import { ByteWriter } from "../wire/bytes.ts";
import { FrameAssembler, frameHeaderBytes } from "../wire/frame.ts";

/** What one end hears. */
export interface PipeEvents {
  /** A frame; `body` holds only during the call. What this throws ends the pipe. */
  frame(kind: number, body: Uint8Array): void;
  /** Nothing more will come; with the reason, where it broke. */
  ended(reason?: unknown): void;
}

/** One end. */
export class SandboxPipe {
  readonly #socket: Socket;
  #hasEnded = false;

  constructor(socket: Socket, events: PipeEvents) {
    this.#socket = socket;
    const assembler = new FrameAssembler();
    const end = (reason?: unknown) => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      socket.destroy();
      events.ended(reason);
    };
    socket.on("data", (chunk: Uint8Array) => {
      if (this.#hasEnded) return;
      try {
        assembler.push(chunk, (kind, body) => events.frame(kind, body));
      } catch (error) {
        end(error);
      }
    });
    // A broken pipe and its end are the same: the other process is gone.
    socket.on("error", () => end());
    socket.on("end", () => end());
    socket.on("close", () => end());
  }

  /** Says something; nothing happens if the other end is gone. */
  send(kind: number, write: (out: ByteWriter) => void = () => {}): void {
    if (this.#hasEnded) return;
    const out = new ByteWriter();
    out.u32(0);
    out.u8(kind);
    write(out);
    out.patchU32(0, out.length - frameHeaderBytes + 1);
    this.#socket.write(out.written());
  }

  /** Resolves once what was said is handed to the system. */
  async flush(): Promise<void> {
    if (this.#hasEnded || this.#socket.writableLength === 0) return;
    await new Promise<void>((resolve) =>
      this.#socket.write(new Uint8Array(0), () => resolve())
    );
  }

  /** Ends it at once. */
  close(): void {
    this.#hasEnded = true;
    this.#socket.destroy();
  }
}
