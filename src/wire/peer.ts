/**
 * One connection to one other process: frames out, frames in, questions answered.
 *
 * A peer knows the envelope and control messages. Frames of the hot path are
 * handed to whoever uses the peer, body unread. Retrying and dialling are not
 * here: a peer that closed stays closed.
 *
 * @module
 */
import { decode, encode } from "@std/msgpack";
import { MantaError, ProtocolError } from "../base/errors.ts";
import type { NodeId, ProcessId } from "../base/ids.ts";
import { limits } from "../base/limits.ts";
import { log } from "../base/log.ts";
import { ByteReader, type ByteWriter } from "./bytes.ts";
import { FrameAssembler, FrameKind } from "./frame.ts";
import type { Role } from "./facts.ts";
import type { Notices, Requests } from "./messages.ts";
import type { Transport } from "./transport.ts";

/** Who speaks, as the first frame each way says. */
export interface Hello {
  processId: ProcessId;
  pid: number;
  role: Role;
  /** The node that its work is done on; a node's own process and a command do none. */
  nodeId?: NodeId;
}

/** Answers requests; a kind without a handler is a {@linkcode ProtocolError} to who asked. */
export type RequestHandlers = {
  [K in keyof Requests]?: (
    ask: Requests[K]["ask"],
    peer: Peer,
  ) => Requests[K]["answer"] | Promise<Requests[K]["answer"]>;
};

/** Hears notices. */
export type NoticeHandlers = {
  [K in keyof Notices]?: (notice: Notices[K], peer: Peer) => void;
};

/** What the user of a peer does with what comes in. */
export interface PeerHandlers {
  requests: RequestHandlers;
  notices: NoticeHandlers;
  /** A frame of the hot path; `body` holds only during the call. */
  frame?(kind: number, body: Uint8Array, peer: Peer): void;
  /** After the last frame: the other side is gone, or this side closed. */
  ended?(peer: Peer): void;
}

interface PendingAnswer {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** One connection, both ways. */
export class Peer {
  readonly #transport: Transport;
  readonly #handlers: PeerHandlers;
  readonly #pending = new Map<number, PendingAnswer>();
  #nextRequestId = 1;
  #frameStart = 0;
  #isEnded = false;
  /** What ended it, if it did not just close. */
  #cause: unknown;
  #remote: Hello | undefined;
  readonly #hello = Promise.withResolvers<Hello>();
  readonly #closed = Promise.withResolvers<void>();

  constructor(transport: Transport, self: Hello, handlers: PeerHandlers) {
    this.#transport = transport;
    this.#handlers = handlers;
    this.#hello.promise.catch(() => {}); // Whoever awaits it is told.
    const out = this.begin(FrameKind.hello);
    out.u16(limits.protocolVersion);
    out.string(self.processId);
    out.u32(self.pid);
    out.string(self.role);
    out.string(self.nodeId ?? "");
    this.end();
    this.#receive();
  }

  /** Resolves with who is there; rejects if the connection ends before. */
  get hello(): Promise<Hello> {
    return this.#hello.promise;
  }

  /** Who is there, once known. */
  get remote(): Hello | undefined {
    return this.#remote;
  }

  /** Resolves when the connection has ended and all that came was handled. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Whether the connection has ended. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Starts a frame; the caller writes its body and calls {@linkcode end}, with no `await` between. */
  begin(kind: number): ByteWriter {
    const out = this.#transport.out;
    this.#frameStart = out.length;
    out.u32(0);
    out.u8(kind);
    return out;
  }

  /** Ends the frame; it goes out with all others of this turn. */
  end(): void {
    const out = this.#transport.out;
    out.patchU32(this.#frameStart, out.length - this.#frameStart - 4);
    this.#transport.schedule();
  }

  /** Sends all frames so far, though the turn goes on. */
  sendNow(): void {
    this.#transport.sendNow();
  }

  /** Whether a frame waits to be sent. */
  get isUnsent(): boolean {
    return this.#transport.isUnsent;
  }

  /** Resolves when all frames so far are handed to the system. */
  flush(): Promise<void> {
    return this.#transport.flush();
  }

  /** Whether this connection keeps the program alive. */
  hold(isHeld: boolean): void {
    this.#transport.hold(isHeld);
  }

  /** Asks and awaits the answer. Rejects when the other side ends, or refuses. */
  request<K extends keyof Requests>(
    kind: K,
    ask: Requests[K]["ask"],
  ): Promise<Requests[K]["answer"]> {
    if (this.#isEnded) return Promise.reject(this.#endedError());
    const requestId = this.#nextRequestId++;
    const answer = Promise.withResolvers<unknown>();
    this.#pending.set(requestId, answer);
    this.#writeControl(requestId, kind, ask);
    return answer.promise as Promise<Requests[K]["answer"]>;
  }

  /** Says something that needs no answer. Nothing happens if the other side is gone. */
  notify<K extends keyof Notices>(kind: K, notice: Notices[K]): void {
    if (!this.#isEnded) this.#writeControl(0, kind, notice);
  }

  /** Ends the connection at once. */
  close(): void {
    this.#transport.close();
  }

  #writeControl(requestId: number, kind: string, body: object): void {
    const message = encode({ kind, body } as Parameters<typeof encode>[0]);
    const out = this.begin(FrameKind.control);
    out.u32(requestId);
    out.bytes(message);
    this.end();
  }

  #answer(requestId: number, message: object): void {
    if (this.#isEnded) return;
    const bytes = encode(message as Parameters<typeof encode>[0]);
    const out = this.begin(FrameKind.answer);
    out.u32(requestId);
    out.bytes(bytes);
    this.end();
  }

  async #receive(): Promise<void> {
    const onFrame = (kind: number, body: Uint8Array) =>
      this.#onFrame(kind, body);
    try {
      await this.#transport.receive(() => {
        const assembler = new FrameAssembler();
        return (chunk) => assembler.push(chunk, onFrame);
      });
    } catch (error) {
      this.#cause = error;
      if (error instanceof ProtocolError) {
        log.error(`connection closed: ${error.message}`);
      }
    } finally {
      this.#end();
    }
  }

  #onFrame(kind: number, body: Uint8Array): void {
    if (this.#remote === undefined) return this.#onHello(kind, body);
    switch (kind) {
      case FrameKind.control:
        // Read at once: what can't be read ends this connection, and nothing else.
        return this.#onMessage(new ByteReader(body));
      case FrameKind.transport:
        this.#transport.heard?.(body);
        return;
      case FrameKind.answer:
        return this.#onAnswer(new ByteReader(body));
      default:
        if (this.#handlers.frame === undefined) {
          throw new ProtocolError(`Cannot handle frame of kind ${kind}`);
        }
        this.#handlers.frame(kind, body, this);
    }
  }

  #onHello(kind: number, body: Uint8Array): void {
    const from = new ByteReader(body);
    const version = kind === FrameKind.hello ? from.u16() : undefined;
    if (version !== limits.protocolVersion) {
      throw new ProtocolError(
        `Cannot talk to this process: it speaks version ${
          version ?? "unknown"
        }, this one ${limits.protocolVersion}`,
      );
    }
    const processId = from.string() as ProcessId;
    const pid = from.u32();
    const role = from.string() as Role;
    const nodeId = from.string() as NodeId;
    this.#remote = {
      processId,
      pid,
      role,
      ...(nodeId === "" ? {} : { nodeId }),
    };
    this.#hello.resolve(this.#remote);
  }

  #onMessage(from: ByteReader): void {
    const requestId = from.u32();
    this.#onControl(requestId, decodeMessage(from.bytes()) as never);
  }

  async #onControl(
    requestId: number,
    { kind, body }: { kind: string; body: never },
  ): Promise<void> {
    if (requestId === 0) {
      this.#handlers.notices[kind as keyof Notices]?.(body, this);
      return;
    }
    const handler = this.#handlers.requests[kind as keyof Requests];
    try {
      if (handler === undefined) {
        throw new ProtocolError(
          `Cannot answer "${kind}": no such request here`,
        );
      }
      const answer = await handler(body, this);
      this.#answer(requestId, { ok: answer });
    } catch (error) {
      this.#answer(requestId, {
        error: error instanceof Error
          ? `${error.name}: ${error.message}`
          : String(error),
      });
    }
  }

  #onAnswer(from: ByteReader): void {
    const requestId = from.u32();
    const message = decodeMessage(from.bytes()) as {
      ok?: unknown;
      error?: string;
    };
    const pending = this.#pending.get(requestId);
    if (pending === undefined) return;
    this.#pending.delete(requestId);
    if (message.error === undefined) pending.resolve(message.ok);
    else pending.reject(new ProtocolError(message.error));
  }

  #end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#transport.close();
    this.#hello.reject(this.#endedError());
    for (const pending of this.#pending.values()) {
      pending.reject(this.#endedError());
    }
    this.#pending.clear();
    this.#handlers.ended?.(this);
    this.#closed.resolve();
  }

  #endedError(): PeerEndedError {
    const who = this.#remote;
    return new PeerEndedError(
      who === undefined
        ? "Cannot reach process: the connection ended before it said who it is"
        : `Cannot reach ${who.role} process ${who.pid}: it ended`,
      { cause: this.#cause },
    );
  }
}

/** The other side of a connection is gone; whoever asked decides what that means. */
export class PeerEndedError extends MantaError {
  /** The class's name. */
  override get name(): string {
    return "PeerEndedError";
  }
}

function decodeMessage(bytes: Uint8Array): unknown {
  try {
    return decode(bytes as Uint8Array<ArrayBuffer>);
  } catch (cause) {
    throw new ProtocolError("Cannot read message: not MessagePack", { cause });
  }
}
