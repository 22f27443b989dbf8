/**
 * The envelope of everything that travels: a length, a kind, a body.
 *
 * `FrameAssembler` cuts a stream of chunks into frames; what the kinds mean is
 * told by `messages.ts` (control) and `task_frames.ts` (the hot path).
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";

/** The first byte after a frame's length. */
export const FrameKind = {
  /** First frame each way: version, who speaks. */
  hello: 1,
  /** A MessagePack message; with a request id, an answer is owed. */
  control: 2,
  /** The answer to a control message. */
  answer: 3,
  /** A number for a function on this connection. */
  function: 4,
  /** One task for this worker. */
  task: 5,
  /** What became of one task. */
  reply: 6,
  /** One actor call. */
  call: 7,
  /** A task or call with a time limit has begun. */
  started: 8,
  /** One item of a generator. */
  item: 9,
  /** Items that a generator's consumer has taken. */
  consumed: 10,
  /** What one transport says to the other. */
  transport: 11,
} as const;

/** Bytes before a frame's body: `u32` length of what follows it, `u8` kind. */
export const frameHeaderBytes = 5;

/** Cuts incoming chunks into frames. */
export class FrameAssembler {
  #pending: Uint8Array = new Uint8Array(0);
  #pendingLength = 0;
  readonly #frameBytesMax: number;

  constructor(frameBytesMax: number = limits.frameBytesMax) {
    this.#frameBytesMax = frameBytesMax;
  }

  /**
   * Calls `onFrame` for each frame that `chunk` completes. The body is a view
   * that holds only during the call.
   */
  push(
    chunk: Uint8Array,
    onFrame: (kind: number, body: Uint8Array) => void,
  ): void {
    let bytes = chunk;
    if (this.#pendingLength > 0) {
      this.#append(chunk);
      bytes = this.#pending.subarray(0, this.#pendingLength);
    }
    const consumed = this.#cut(bytes, onFrame);
    if (consumed === bytes.length) {
      this.#pendingLength = 0;
      if (this.#pending.length > 1 << 20) this.#pending = new Uint8Array(0);
      return;
    }
    const rest = bytes.subarray(consumed);
    this.#pendingLength = 0;
    this.#append(rest);
  }

  #cut(
    bytes: Uint8Array,
    onFrame: (kind: number, body: Uint8Array) => void,
  ): number {
    let at = 0;
    while (bytes.length - at >= 4) {
      const length = (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 |
        bytes[at + 3]! << 24) >>> 0;
      if (length < 1 || length > this.#frameBytesMax) {
        throw new ProtocolError(
          `Cannot read frame: its length ${length} is outside 1 to ${this.#frameBytesMax} bytes`,
        );
      }
      const end = at + 4 + length;
      if (end > bytes.length) {
        this.#expected = end - at;
        break;
      }
      onFrame(bytes[at + 4]!, bytes.subarray(at + frameHeaderBytes, end));
      at = end;
    }
    return at;
  }

  /** Length of the frame that is being waited for, so that room is taken once. */
  #expected = 0;

  #append(bytes: Uint8Array): void {
    const needed = this.#pendingLength + bytes.length;
    if (needed > this.#pending.length) {
      const capacity = Math.max(
        needed,
        this.#expected,
        this.#pending.length * 2,
      );
      const grown = new Uint8Array(capacity);
      grown.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = grown;
    }
    this.#pending.set(bytes, this.#pendingLength);
    this.#pendingLength = needed;
  }
}
