/**
 * Who may talk over a TCP connection between nodes: both sides prove that they
 * know the cluster's token before anything that the other says is read.
 *
 * 1. The dialler sends a fixed greeting: a magic word, its version, a fresh
 *    nonce. The listener answers in kind, and names the cluster.
 * 2. The dialler proves first: an HMAC over its role, the cluster's id and both
 *    nonces (RFC 2104, SHA-256). The role keeps an echo from being a proof.
 * 3. The listener says whether that was right, and proves itself.
 * 4. Each says in one frame who it is.
 *
 * All is bounded: greetings have one length, frames are short, and the whole
 * has a few seconds. The token is never sent.
 *
 * @module
 */
import { deadline } from "@std/async";
import { AuthenticationError, ProtocolError } from "../base/errors.ts";
import { limits } from "../base/limits.ts";
import { fill, writeAll } from "./streams.ts";

/** What a handshake runs over. */
export type Stream = Pick<Deno.Conn, "read" | "write" | "close">;

/** Which side of the connection. */
export type Side = "dialler" | "listener";

const magic = new TextEncoder().encode("MANTA\n");
const nonceBytes = 32;
const idBytes = 16;
const proofBytes = 32;
const helloBytes = magic.length + 2 + nonceBytes;
const answerBytes = helloBytes + idBytes;
const frameBytesMax = 64 * 1024;
const version = limits.protocolVersion;

/** What a side needs to know. */
export interface HandshakeOptions {
  /** Undefined where the cluster has none. */
  token: string | undefined;
  /** Who this side is, told once both have proved themselves: any JSON. */
  self: unknown;
  /** What is dialled, for messages. */
  peerName: string;
}

/** The other side went silent or away before it said who it is: it may do better later. */
export class GreetingCutError extends ProtocolError {}

/** The dialler's side: resolves with what the listener says of itself. */
export function greetAsDialler(
  stream: Stream,
  options: HandshakeOptions,
): Promise<unknown> {
  return within(stream, options.peerName, async () => {
    const nonce = freshNonce();
    await writeAll(stream, hello(nonce));
    const answer = await readExactly(stream, answerBytes, options.peerName);
    checkMagic(answer, options.peerName);
    checkVersion(answer);
    const theirs = answer.subarray(magic.length + 2, helloBytes);
    const clusterId = answer.subarray(helloBytes);
    const key = await keyOf(options.token);
    const context = { clusterId, dialler: nonce, listener: theirs };
    await writeAll(stream, await proof(key, "dialler", context));
    const verdict = await readExactly(stream, 1 + proofBytes, options.peerName);
    const isRight = verdict[0] === 1 &&
      await verify(key, "listener", context, verdict.subarray(1));
    if (!isRight) {
      throw new AuthenticationError(
        verdict[0] === 1
          ? `Cannot join the cluster at ${options.peerName}: it does not know the token that this side has`
          : `Cannot join the cluster at ${options.peerName}: ${
            options.token === undefined
              ? "it wants a token; set MANTA_TOKEN or MANTA_TOKEN_FILE"
              : "the token is wrong"
          }`,
      );
    }
    await writeFrame(stream, options.self);
    return await readFrame(stream, options.peerName);
  });
}

/** The listener's side: resolves with what the dialler says; `answerOf` makes what it is told. */
export function greetAsListener<Told>(
  stream: Stream,
  { token, clusterId, peerName, answerOf }: {
    token: string | undefined;
    clusterId: string;
    peerName: string;
    answerOf(told: unknown): { answer: unknown; told: Told };
  },
): Promise<Told> {
  return within(stream, peerName, async () => {
    const first = await readExactly(stream, helloBytes, peerName);
    checkMagic(first, peerName);
    const theirs = first.subarray(magic.length + 2);
    const nonce = freshNonce();
    const id = new Uint8Array(idBytes);
    new TextEncoder().encodeInto(clusterId, id);
    await writeAll(stream, concatenated(hello(nonce), id));
    checkVersion(first);
    const key = await keyOf(token);
    const context = { clusterId: id, dialler: theirs, listener: nonce };
    const given = await readExactly(stream, proofBytes, peerName);
    if (!await verify(key, "dialler", context, given)) {
      await writeAll(stream, new Uint8Array(1 + proofBytes));
      throw new AuthenticationError(
        `Cannot let ${peerName} in: its token is wrong`,
      );
    }
    const own = await proof(key, "listener", context);
    await writeAll(stream, concatenated(new Uint8Array([1]), own));
    const { answer, told } = answerOf(await readFrame(stream, peerName));
    await writeFrame(stream, answer);
    return told;
  });
}

interface Context {
  clusterId: Uint8Array;
  dialler: Uint8Array;
  listener: Uint8Array;
}

async function within<T>(
  stream: Stream,
  peerName: string,
  act: () => Promise<T>,
): Promise<T> {
  const acting = act();
  try {
    return await deadline(acting, limits.handshakeMs);
  } catch (error) {
    acting.catch(() => {}); // The connection is closed under it.
    stream.close();
    if ((error as Error).name !== "TimeoutError") throw error;
    throw new GreetingCutError(
      `Cannot talk to ${peerName}: it did not finish its greeting within ${limits.handshakeMs} ms`,
      { cause: error },
    );
  }
}

function hello(nonce: Uint8Array): Uint8Array {
  return concatenated(
    magic,
    new Uint8Array([version & 255, version >> 8]),
    nonce,
  );
}

function checkMagic(bytes: Uint8Array, peerName: string): void {
  if (magic.every((byte, at) => bytes[at] === byte)) return;
  const isTls = bytes[0] === 0x16 || bytes[0] === 0x15;
  const isHttp = /^(GET|POST|PUT|HEAD|OPTIONS|HTTP)/.test(
    new TextDecoder().decode(bytes.subarray(0, 8)),
  );
  const what = isTls
    ? "it speaks TLS, and this side does not: give both the same --tls options"
    : isHttp
    ? "it speaks HTTP"
    : "it is no node of a cluster";
  throw new ProtocolError(`Cannot talk to ${peerName}: ${what}`);
}

function checkVersion(bytes: Uint8Array): void {
  const theirs = bytes[magic.length]! | bytes[magic.length + 1]! << 8;
  if (theirs === version) return;
  throw new ProtocolError(
    `Cannot talk to this node: it speaks version ${theirs}, this one ${version}`,
  );
}

function keyOf(token: string | undefined): Promise<CryptoKey> {
  const bytes = new TextEncoder().encode(`manta ${token ?? ""}`);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", bytes, algorithm, false, [
    "sign",
    "verify",
  ]);
}

function signed(side: Side, context: Context): Uint8Array<ArrayBuffer> {
  return concatenated(
    new TextEncoder().encode(side),
    context.clusterId,
    context.dialler,
    context.listener,
  );
}

async function proof(
  key: CryptoKey,
  side: Side,
  context: Context,
): Promise<Uint8Array> {
  return new Uint8Array(
    await crypto.subtle.sign("HMAC", key, signed(side, context)),
  );
}

/** Compares in constant time, as `crypto.subtle.verify` does. */
function verify(
  key: CryptoKey,
  side: Side,
  context: Context,
  given: Uint8Array,
): Promise<boolean> {
  const copy = new Uint8Array(given);
  return crypto.subtle.verify("HMAC", key, copy, signed(side, context));
}

function freshNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(nonceBytes));
}

function concatenated(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(
    parts.reduce((sum, { length }) => sum + length, 0),
  );
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

async function writeFrame(stream: Stream, value: unknown): Promise<void> {
  const text = new TextEncoder().encode(JSON.stringify(value));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length, true);
  await writeAll(stream, concatenated(length, text));
}

async function readFrame(stream: Stream, peerName: string): Promise<unknown> {
  const header = await readExactly(stream, 4, peerName);
  const { buffer, byteOffset } = header;
  const length = new DataView(buffer, byteOffset).getUint32(0, true);
  if (length > frameBytesMax) {
    throw new ProtocolError(
      `Cannot talk to ${peerName}: its greeting has ${length} bytes, and may have ${frameBytesMax}`,
    );
  }
  const text = await readExactly(stream, length, peerName);
  try {
    return JSON.parse(new TextDecoder().decode(text));
  } catch (cause) {
    throw new ProtocolError(`Cannot talk to ${peerName}: its greeting is bad`, {
      cause,
    });
  }
}

async function readExactly(
  stream: Stream,
  length: number,
  peerName: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const count = await fill(bytes, stream);
  if (count === length) return bytes;
  // A few bytes are enough to tell what is there instead.
  if (count > 0 && length >= helloBytes) {
    checkMagic(bytes.subarray(0, count), peerName);
  }
  throw new GreetingCutError(
    `Cannot talk to ${peerName}: it ended the connection during the greeting`,
  );
}
