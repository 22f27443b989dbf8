/**
 * A bank whose money neither appears nor disappears, whatever is killed.
 *
 * Accounts are durable actors: what a call left is in the lineage file before
 * anybody sees its result. A transfer is two calls. If the program is killed
 * between them and started again with `resume`, it makes the same calls in the
 * same order; those that are in the file are answered from it and do not run,
 * so it goes on with the first that is not.
 *
 * `deno run -A examples/bank.ts` makes 1,000 transfers in a program of its
 * own, which it kills again and again: every 50 transfers the whole program,
 * or the process of an account. `bank.ts 200 20` makes 200, a kill every 20.
 *
 * @module
 */
import { type ActorHandle, get, init, remote, shutdown } from "@manta/manta";

const names = ["anna", "bela", "carl", "dora"];
const startBalance = 1000;

class Account {
  balance = startBalance;

  constructor(isTold = false) {
    if (isTold) console.log(`an account in process ${Deno.pid}`);
  }

  /** False: there is not enough. */
  withdraw(amount: number): boolean {
    if (this.balance < amount) return false;
    this.balance -= amount;
    return true;
  }

  deposit(amount: number): void {
    this.balance += amount;
  }

  read(): number {
    return this.balance;
  }
}

/** The bank's program: it knows nothing of being killed. */
async function bank(lineage: string, transferCount: number): Promise<void> {
  await init({ numCpus: 1, lineage, resume: true });
  const accounts = names.map((name) =>
    remote(Account, { durable: true, name }).remote(true)
  );
  for (let n = 1; n <= transferCount; n++) {
    const { from, to, amount } = plan(n);
    await transfer(accounts[from]!, accounts[to]!, amount);
    console.log(`transfer ${n}`);
  }
  const balances = await get(accounts.map((account) => account.read.remote()));
  console.log(`balances ${balances}`);
  await shutdown();
}

/** The same in every run: so a transfer is known again. */
function plan(n: number): { from: number; to: number; amount: number } {
  return { from: n % 4, to: (n + 1 + n % 3) % 4, amount: n * 7919 % 400 };
}

async function transfer(
  from: ActorHandle<Account>,
  to: ActorHandle<Account>,
  amount: number,
): Promise<void> {
  if (!await get(from.withdraw.remote(amount))) return;
  // Whoever kills the program here takes no money along.
  await get(to.deposit.remote(amount));
}

/** Runs the bank's program until it comes to its end, and kills it on the way. */
async function disturb(transferCount: number, every: number): Promise<void> {
  const folder = await Deno.makeTempDir();
  const killed = { program: 0, account: 0 };
  let nextKill = every;
  let balances: number[] | undefined;
  while (balances === undefined) {
    const program = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", import.meta.filename!, "--bank", `${transferCount}`],
      cwd: folder,
      stdout: "piped",
    }).spawn();
    let account = 0;
    for await (const line of linesOf(program.stdout)) {
      account = Number(/in process (\d+)/.exec(line)?.[1] ?? account);
      balances ??= /^balances (.*)/.exec(line)?.[1]?.split(",").map(Number);
      const isDue = line === `transfer ${nextKill}` && nextKill < transferCount;
      if (!isDue) continue;
      const isProgram = nextKill / every % 2 === 0 || account === 0;
      nextKill += every;
      killed[isProgram ? "program" : "account"]++;
      Deno.kill(isProgram ? program.pid : account, "SIGKILL");
      account = 0; // Until the next one says where it is.
    }
    await program.status;
  }
  await Deno.remove(folder, { recursive: true });
  const sum = balances.reduce((all, one) => all + one, 0);
  const isSame = `${balances}` === `${undisturbed(transferCount)}`;
  console.log(
    `${transferCount} transfers, ${killed.program} kills of the program and ` +
      `${killed.account} of an account: ${balances.join(" + ")} = ${sum}, ` +
      `as without a kill: ${isSame ? "yes" : "no"}`,
  );
  if (!isSame || sum !== names.length * startBalance) Deno.exit(1);
}

/** What the balances are where nothing is killed. */
function undisturbed(transferCount: number): number[] {
  const accounts = names.map(() => new Account());
  for (let n = 1; n <= transferCount; n++) {
    const { from, to, amount } = plan(n);
    if (accounts[from]!.withdraw(amount)) accounts[to]!.deposit(amount);
  }
  return accounts.map((account) => account.read());
}

async function* linesOf(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

const [first, second] = Deno.args;
if (first === "--bank") await bank("bank.db", Number(second));
else await disturb(Number(first ?? 1000), Number(second ?? 50));
