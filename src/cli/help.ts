/**
 * What each command says of itself.
 *
 * @module
 */

const reaching = `
Which cluster:
  --address HOST:PORT    where its head is; default: MANTA_ADDRESS, or 127.0.0.1:6379
  --dir DIR              or: the folder its head keeps its state in
  --token-file FILE      its token; default: MANTA_TOKEN, MANTA_TOKEN_FILE, or what
                         \`cluster\` wrote for this user`;

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
  --ready-file FILE      written when it is ready: JSON with address, tokenFile,
                         dashboardUrl, pid and nodeId`;

const texts: Record<string, string> = {
  cluster: `Starts the head of a cluster in the foreground; Ctrl-C ends it.

Usage: deno run -A cli.ts cluster [OPTIONS]
       deno run -A cli.ts cluster join HOST:PORT [OPTIONS]
       deno run -A cli.ts cluster status|stop|drain NODE
${nodeOptions}
${reaching}

Examples:
  deno run -A cli.ts cluster --port 0 --dir /tmp/head
  deno run -A cli.ts cluster join 127.0.0.1:6379 --num-cpus 4
  deno run -A cli.ts cluster status --json`,
  run: `Runs a program on this machine, against a cluster.

Usage: deno run -A cli.ts run [OPTIONS] SCRIPT [ARGS]
${reaching}

Example:
  deno run -A cli.ts run --address 127.0.0.1:6379 examples/squares.ts`,
  doctor: `Looks at what this machine and these permissions give.

Usage: deno run -A cli.ts doctor [--json]`,
  timeline: `Writes what tasks did when, for Perfetto or chrome://tracing.

Usage: deno run -A cli.ts timeline OUT.json --lineage FILE [--job ID]`,
  list: `Lists the rows of a lineage file.

Usage: deno run -A cli.ts list jobs|tasks|actors|objects --lineage FILE [--json]

Example:
  deno run -A cli.ts list tasks --lineage run.db`,
};

const all =
  `manta: every core of every machine, for ordinary functions and classes

Usage: deno run -A cli.ts COMMAND [OPTIONS]

  cluster                a head node, in the foreground
  cluster join ADDRESS   a further node
  cluster status         its nodes, and what waits
  cluster drain NODE     a node leaves when nothing runs there any more
  cluster stop           all nodes leave
  run SCRIPT [ARGS]      a program here, against a cluster
  list KIND --lineage F  jobs, tasks, actors or objects of a lineage file
  timeline OUT.json      what tasks did when, for Perfetto
  doctor                 what this machine and these permissions give

Every command has --help.`;

/** The help of a command, or of all. */
export function helpOf(command: string | undefined): string {
  return texts[command ?? ""] ?? all;
}
