/**
 * The port between frames and whatever moves bytes: sockets, and rings beside.
 *
 * @module
 */
import type { ByteWriter } from "./bytes.ts";

/** Moves bytes one way each; a peer writes into `out` and says when to send. */
export interface Transport {
  /** Where the next frames are written. Never kept over an `await`. */
  readonly out: ByteWriter;
  /** Says that `out` grew: it goes out at the end of this turn, in one write. */
  schedule(): void;
  /** Sends what was said so far, though the turn goes on. */
  sendNow(): void;
  /** Whether some of what was said waits yet: for the end of this turn, or longer. */
  readonly isUnsent: boolean;
  /** Resolves when all that was written before is handed to the system. */
  flush(): Promise<void>;
  /**
   * Hands over what comes until the other side ends; then resolves. Called
   * once; `open` is called for each stream of bytes that it comes in, as frames
   * may be cut anywhere in one, but not across two.
   */
  receive(open: () => (chunk: Uint8Array) => void): Promise<void>;
  /** A frame of the other side's transport; one that says nothing has none. */
  heard?(body: Uint8Array): void;
  /** Whether an open connection keeps the program alive. */
  hold(isHeld: boolean): void;
  /** Ends the connection at once; what was not flushed is dropped. */
  close(): void;
}
