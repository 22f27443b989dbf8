/**
 * What each command says of itself.
 *
 * @module
 */

const clusterChoice = `
Which cluster:
  --address HOST:PORT    where its head is; default: MANTA_ADDRESS, or 127.0.0.1:6379
  --dir DIR              or: the folder its head keeps its state in
  --token-file FILE      its token; default: MANTA_TOKEN, MANTA_TOKEN_FILE, or what
                         \`cluster\` wrote for this user
  --tls-ca FILE          PEM file of whoever signed its certificate`;

const anyChoice = `
Which cluster or program:
  --address HOST:PORT    a cluster; default: MANTA_ADDRESS
  --dir DIR              or: the folder its head keeps its state in
  --session DIR          or: a running program, by its session's folder, …/manta-PID-…
                         in its TMPDIR
  --token-file FILE      the cluster's token; default: MANTA_TOKEN, MANTA_TOKEN_FILE,
                         or what \`cluster\` wrote for this user
  --tls-ca FILE          PEM file of whoever signed its certificate
  Where nothing is said: the one program of this user that runs on this machine,
  else the cluster at 127.0.0.1:6379.`;

const nodeOptions = `
Options:
  --host HOST            where it takes connections; default: 127.0.0.1
  --port PORT            default: 6379, of a joined node any; 0 picks one
  --dir DIR              what it keeps; with the same folder it comes back as the same
  --num-cpus N           CPUs to give; default: the machine's
  --num-gpus N           GPUs to give, counted
  --resources JSON       further resources, such as '{"red": 2}'
  --labels K=V,…         labels of the node
  --object-store-memory BYTES
  --token-file FILE      the cluster's token; default: one is made and kept in --dir
  --tls-cert FILE --tls-key FILE --tls-ca FILE
                         PEM files: connections are encrypted
  --insecure             takes connections from other machines without TLS
  --dashboard-port PORT  of the head: where its dashboard is served, on 127.0.0.1, or
                         on --host where that speaks TLS; default: 0, the one of
                         before, or any
  --no-dashboard         of the head: serves none
  --ready-file FILE      written when it is ready: JSON with address, tokenFile,
                         dashboardUrl, pid and nodeId`;

const texts: Record<string, string> = {
  cluster: `Starts the head of a cluster in the foreground; Ctrl-C ends it.

Usage: deno run -A cli.ts cluster [OPTIONS]
       deno run -A cli.ts cluster join HOST:PORT [OPTIONS]
       deno run -A cli.ts cluster status [--json]
       deno run -A cli.ts cluster drain NODE
       deno run -A cli.ts cluster stop
${nodeOptions}
${clusterChoice}

Examples:
  deno run -A cli.ts cluster --port 0 --dir /tmp/head
  deno run -A cli.ts cluster join 127.0.0.1:6379 --num-cpus 4
  deno run -A cli.ts cluster status --json`,
  run: `Runs a program on this machine, against a cluster.

Usage: deno run -A cli.ts run [OPTIONS] SCRIPT [ARGS]

Its exit status is the program's. Where the cluster speaks TLS, the program says
so itself: init({ tls: { ca } }).

${clusterChoice.replace(/\n {2}--tls-ca.*/, "").trim()}

Example:
  deno run -A cli.ts run --address 127.0.0.1:6379 examples/squares.ts`,
  submit:
    `Runs a program on the head's machine, detached from this terminal, and prints
its id. It is stopped with the cluster.

Usage: deno run -A cli.ts submit [OPTIONS] SCRIPT [ARGS]

Options:
  --follow               prints what it prints until it ends, and has its outcome as
                         exit status; Ctrl-C leaves it running
  --json                 prints { "id": … }
${clusterChoice}

Examples:
  deno run -A cli.ts submit examples/squares.ts
  deno run -A cli.ts submit --follow train.ts --epochs 3`,
  jobs: `Programs that were submitted to the cluster.

Usage: deno run -A cli.ts jobs [--json]
       deno run -A cli.ts jobs logs ID [--follow]
       deno run -A cli.ts jobs stop ID

\`jobs logs --follow\` prints until the program ends, and has its outcome as exit
status. \`jobs stop\` sends SIGTERM, and SIGKILL after 3 s.
${clusterChoice}

Examples:
  deno run -A cli.ts jobs
  deno run -A cli.ts jobs logs job-1f2e3d4c --follow`,
  list:
    `Lists what there is in a running program or cluster, as its processes say now.

Usage: deno run -A cli.ts list nodes|workers|tasks|actors|objects [OPTIONS]
       deno run -A cli.ts list jobs|tasks|actors|objects --lineage FILE [OPTIONS]

Options:
  --limit N              rows at most; default: 100
  --state STATE          only rows of that state; one that there is not is answered
                         with those that there are
  --lineage FILE         the rows of a lineage file instead
  --json                 all that is known of each row
${anyChoice}

Examples:
  deno run -A cli.ts list tasks --state running
  deno run -A cli.ts list actors --address 127.0.0.1:6379 --json
  deno run -A cli.ts list tasks --lineage run.db`,
  summary:
    `How much there is of all, and what became of the tasks of each function.

Usage: deno run -A cli.ts summary [--json]
${anyChoice}

Example:
  deno run -A cli.ts summary`,
  memory: `Who holds what: stores, processes, and objects, the largest first.

Usage: deno run -A cli.ts memory [--limit N] [--json]

An object that only its own process knows, and that lies in no shared memory, is
not shown: it is a part of that process's own memory.
${anyChoice}

Example:
  deno run -A cli.ts memory --limit 10`,
  logs: `What workers and actors printed lately.

Usage: deno run -A cli.ts logs [ID] [--follow] [--json]

ID is that of a process (its pid, too), an actor (its name, too), a job or a node;
its first digits do, four or more. Each machine keeps its last 20,000 lines, of 4
MiB at most. --json prints one object a line.
${anyChoice}

Examples:
  deno run -A cli.ts logs --follow
  deno run -A cli.ts logs 4711
  deno run -A cli.ts logs job-1f2e3d4c`,
  why:
    `What a task or object waits for, runs on, or failed of; how an actor, a process
or a node is.

Usage: deno run -A cli.ts why ID [--json]

ID is as \`list\` shows it, or as a ref's \`id\` says; its first digits do, four or
more, if nothing else begins so. Of an actor also its name, of a process its pid.
${anyChoice}

Example:
  deno run -A cli.ts why 9c1f44d2a07be3550000000000a2`,
  timeline:
    `Writes what tasks did when, for Perfetto (ui.perfetto.dev) or chrome://tracing.

Usage: deno run -A cli.ts timeline OUT.json [OPTIONS]

Options:
  --job ID               of one program only
  --lineage FILE         of a lineage file instead of what runs now
  --json                 prints { "file": …, "eventCount": … }

Of programs that run it takes those whose lineage file is on this machine. Tasks
under 1 ms are slices only where the program named its lineage file.
${anyChoice}

Examples:
  deno run -A cli.ts timeline out.json
  deno run -A cli.ts timeline out.json --lineage run.db`,
  dashboard:
    `Prints the URL of the page that shows what runs. Where the cluster or program
has none, this command serves one on 127.0.0.1, until Ctrl-C.

Usage: deno run -A cli.ts dashboard [OPTIONS]

Options:
  --port PORT            serves one at that port, whatever there is; 0 picks one
  --json                 prints { "url": …, "isServedHere": … }
${anyChoice}

The URL has a token in it: whoever has the URL sees all that the page shows.

Examples:
  deno run -A cli.ts dashboard
  deno run -A cli.ts dashboard --address 127.0.0.1:6379
  deno run -A cli.ts dashboard --port 8265`,
  doctor:
    `Looks at what this machine and these permissions give, and says what each thing
that is missing costs. Exit status 1 where something is missing.

Usage: deno run -A cli.ts doctor [--json]

Example:
  deno run -A cli.ts doctor`,
  bench:
    `Measures tasks, calls and objects on this machine, in about ten seconds.

Usage: deno run -A cli.ts bench [OPTIONS]

Options:
  --rounds N             how often each row is measured; default: 5
  --full                 the repository's own comparison, \`deno task bench\`: needs a
                         checkout
  --json                 rates a second as numbers

Example:
  deno run -A cli.ts bench --json`,
};

const all =
  `manta: every core of every machine, for ordinary functions and classes

Usage: deno run -A cli.ts COMMAND [OPTIONS]

Clusters:
  cluster                a head node, in the foreground
  cluster join ADDRESS   a further node
  cluster status         its nodes, and what waits
  cluster drain NODE     a node leaves when nothing runs there any more
  cluster stop           all nodes leave
  run SCRIPT [ARGS]      a program here, against a cluster
  submit SCRIPT [ARGS]   a program on the cluster, detached from this terminal
  jobs                   what was submitted; jobs logs ID, jobs stop ID

What runs, in a cluster or in a program on this machine:
  list KIND              nodes, workers, tasks, actors or objects
  summary                how much there is of all, tasks by function
  memory                 who holds what, the largest first
  logs [ID]              what workers and actors printed; --follow
  why ID                 what a task or object waits for, or failed of
  timeline OUT.json      what tasks did when, for Perfetto
  dashboard              all of it in the browser

This machine:
  doctor                 what it and these permissions give
  bench                  how fast it is

Every command has --help; where a table is printed, --json. Exit status: 0 done,
1 failed, 2 misused.`;

/** The help of a command; of all where none is named, and undefined where there is no such command. */
export function helpOf(command: string | undefined): string | undefined {
  if (command === undefined) return all;
  return Object.hasOwn(texts, command) ? texts[command] : undefined;
}
