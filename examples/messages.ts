/**
 * Messages: tasks push what they find through an actor's handle, and the driver
 * drains it while they still run.
 *
 * `deno run -A examples/messages.ts`
 *
 * @module
 */
import { delay } from "@std/async/delay";
import { type ActorHandle, get, remote, shutdown, wait } from "@manta/manta";

class Mailbox {
  #messages: string[] = [];

  push(message: string): void {
    this.#messages.push(message);
  }

  drain(): string[] {
    return this.#messages.splice(0);
  }
}

const mailbox = remote(Mailbox).remote();

const report = remote(async (task: number, box: ActorHandle<Mailbox>) => {
  for (let step = 1; step <= 5; step++) {
    await delay(100); // Stands for work that takes a while.
    await get(box.push.remote(`task ${task}, step ${step}`));
  }
});

let running = [1, 2, 3].map((task) => report.remote(task, mailbox));
let messageCount = 0;
let drainCount = 0;
while (running.length > 0) {
  const numReturns = running.length;
  [, running] = await wait(running, { numReturns, timeout: 150 });
  const messages = await get(mailbox.drain.remote());
  messageCount += messages.length;
  drainCount += 1;
  console.log(`drained ${messages.length}: ${messages.join("; ")}`);
}
console.log(`${messageCount} messages, drained ${drainCount} times`);

await shutdown();
