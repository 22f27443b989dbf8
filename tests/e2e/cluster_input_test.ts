import { assert, assertEquals, assertRejects } from "@std/assert";
import { get, init, remote } from "../../mod.ts";
import { TestCluster } from "../support/cluster.ts";

const one = remote(() => 1);

Deno.test("A cluster refuses bad input in one line, and goes on", async (t) => {
  await using cluster = await TestCluster.start(0);
  const { address, token } = cluster;
  await t.step("a node's folder in use, by its process", async () => {
    const error = await assertRejects(() =>
      cluster.startAgain(cluster.head.dir)
    ) as Error;
    assert(error.message.includes(`${cluster.head.pid}`), error.message);
    assert(error.message.includes("--dir"));
  });
  await t.step("commands, options and values that are none", async () => {
    for (
      const [args, named] of [
        [["nothing"], "nothing"],
        [["cluster", "dance"], "dance"],
        [["cluster", "--colour", "red"], "--colour"],
        [["cluster", "--port", "many"], "--port"],
        [["cluster", "--num-cpus=-1"], "--num-cpus"],
        [["cluster", "--resources", "{"], "--resources"],
        [["cluster", "--labels", "zone"], "--labels"],
        [["cluster", "--host", "0.0.0.0"], "--insecure"],
        [["cluster", "join"], "HOST:PORT"],
        [["cluster", "join", "nowhere"], "nowhere"],
        [["cluster", "--tls-cert", "/none"], "--tls-cert"],
        [["run"], "script"],
      ] as [string[], string][]
    ) {
      const { code, stdout, stderr } = await cluster.command(...args);
      assertEquals(code, 2, `${args.join(" ")}: ${stdout}${stderr}`);
      assertEquals(stderr.trim().split("\n").length, 1, stderr);
      assert(stderr.includes(named), stderr);
    }
  });
  await t.step("a cluster that is not there", async () => {
    const { code, stderr } = await cluster.command(
      "cluster",
      "status",
      "--address",
      "127.0.0.1:1",
    );
    assertEquals([code, stderr.trim().split("\n").length], [1, 1]);
    assert(stderr.includes("127.0.0.1:1"));
  });
  await t.step("strangers at its port", async () => {
    const [hostname, port] = address.split(":") as [string, string];
    const openings = [
      "GET / HTTP/1.0\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01",
      "x",
    ];
    const conns: Deno.Conn[] = [];
    for (let at = 0; at < 60; at++) {
      const conn = await Deno.connect({ hostname, port: Number(port) });
      await conn.write(
        new TextEncoder().encode(openings[at % openings.length]!),
      );
      conns.push(conn);
    }
    await using _runtime = await init({ address, token });
    assertEquals(await get(one.remote()), 1);
    for (const conn of conns) conn.close();
  });
  await t.step("bad addresses are told at init", async () => {
    for (const bad of ["nowhere", "host:0", "host:99999", "http://a:1"]) {
      await assertRejects(() => init({ address: bad }), TypeError, bad);
    }
  });
});

Deno.test("where a node takes connections", async () => {
  await using cluster = await TestCluster.start(0, {
    args: ["--num-cpus", "1", "--host", "0.0.0.0", "--insecure"],
  });
  const port = Number(cluster.address.split(":").at(-1));
  const { token, head } = cluster;
  // By --ready-file it says where, and who it is.
  const { pid, tokenFile, nodeId } = head.ready;
  assertEquals(pid, head.pid);
  assertEquals(Deno.readTextFileSync(tokenFile!).trim(), token);
  const free = freePort();
  const node = await cluster.join({
    args: ["--num-cpus", "1", "--host", "127.0.0.2", "--port", `${free}`],
    headAddress: `127.0.0.1:${port}`,
  });
  assertEquals(node.ready.address, `127.0.0.2:${free}`);
  await using runtime = await init({ address: `127.0.0.1:${port}`, token });
  const nodes = await runtime.nodes();
  const idOf = (at: string) =>
    nodes.find(({ address }) => address === at)?.nodeId;
  assertEquals(idOf(node.ready.address), node.ready.nodeId);
  assert(nodes.some((one) => one.nodeId === nodeId));
});

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.2", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

Deno.test("A node may start before its head, and says once that it waits", async () => {
  await using cluster = await TestCluster.start(0);
  const { address } = cluster;
  await cluster.head.kill();
  const joining = cluster.join({ headAddress: address });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await cluster.startHead();
  const node = await joining;
  const said = node.output.text.split("waiting for the head").length - 1;
  assertEquals(said, 1, node.output.text);
  await using runtime = await init({ address, token: cluster.token });
  assertEquals((await runtime.nodes()).length, 2);
});

Deno.test("Two clusters on one machine don't meet", async () => {
  await using red = await TestCluster.start(1);
  await using blue = await TestCluster.start(0);
  await assertRejects(() => init({ address: blue.address, token: red.token }));
  await using runtime = await init({
    address: blue.address,
    token: blue.token,
  });
  assertEquals((await runtime.nodes()).length, 1);
});

Deno.test("A cluster that speaks TLS is joined with its authority's certificate, and not without", async () => {
  const folder = await Deno.makeTempDir();
  const cert = `${folder}/cert.pem`;
  const key = `${folder}/key.pem`;
  const made = await new Deno.Command("openssl", {
    args: [
      ..."req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost".split(
        " ",
      ),
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
      ...["-keyout", key, "-out", cert],
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  assert(made.success, "openssl makes the certificate of this test");
  const args = [
    ...["--num-cpus", "1", "--tls-cert", cert, "--tls-key", key],
    ...["--tls-ca", cert],
  ];
  await using cluster = await TestCluster.start(1, { args });
  const { address, token } = cluster;
  const ca = await Deno.readTextFile(cert);
  await assertRejects(() => init({ address, token }));
  {
    await using runtime = await init({ address, token, tls: { ca } });
    assertEquals(await get(one.remote()), 1);
    assertEquals((await runtime.nodes()).length, 2);
  }
  const asked = await cluster.run("list", "nodes", "--tls-ca", cert);
  assertEquals(asked.code, 0, asked.stderr);
  const plain = await cluster.run("list", "nodes");
  assertEquals([plain.code, plain.stderr.trim().split("\n").length], [1, 1]);
  await Deno.remove(folder, { recursive: true });
});
