import { assert, assertEquals, assertRejects } from "@std/assert";
import { MantaError } from "../../src/base/errors.ts";
import { Dashboard } from "../../src/dashboard/dashboard.ts";
import { Source } from "../../src/dashboard/source.ts";
import type { Reach } from "../../src/inspect/reach.ts";

const gone = () =>
  Promise.reject<Reach>(new MantaError("Cannot reach it: it has ended"));

Deno.test("Dashboard says in words that who was asked is gone, and asks again", async () => {
  let askedCount = 0;
  const source = new Source(() => {
    askedCount++;
    return gone();
  });
  const place = { hostname: "127.0.0.1", port: 0 };
  await using dashboard = new Dashboard(source, place);
  const { origin, search } = new URL(dashboard.url);
  for (const count of [1, 2]) {
    const response = await fetch(`${origin}/api/summary${search}`);
    assertEquals(response.status, 503);
    assertEquals(await response.json(), {
      error: "Cannot reach it: it has ended",
    });
    assertEquals(askedCount, count);
  }
});

Deno.test("Dashboard speaks TLS where it has a certificate, and nothing plain", async () => {
  const folder = await Deno.makeTempDir();
  const [cert, key] = ["cert.pem", "key.pem"].map((name) =>
    `${folder}/${name}`
  );
  const made = await new Deno.Command("openssl", {
    args: [
      ..."req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        .split(" "),
      ...["-addext", "subjectAltName=DNS:localhost"],
      ...["-addext", "basicConstraints=critical,CA:FALSE"],
      ...["-keyout", key!, "-out", cert!],
    ],
    stdout: "null",
    stderr: "null",
  }).output();
  assert(made.success, "openssl makes the certificate of this test");
  const tls = {
    cert: await Deno.readTextFile(cert!),
    key: await Deno.readTextFile(key!),
  };
  await Deno.remove(folder, { recursive: true });
  const place = { hostname: "localhost", port: 0, tls };
  await using dashboard = new Dashboard(new Source(gone), place);
  assert(dashboard.url.startsWith("https://localhost:"), dashboard.url);
  using client = Deno.createHttpClient({ caCerts: [tls.cert] });
  const response = await fetch(dashboard.url, { client });
  assertEquals(response.status, 200);
  assert(response.headers.get("set-cookie")!.endsWith("; Secure"));
  assert((await response.text()).startsWith("<!doctype html>"));
  const plain = dashboard.url.replace("https:", "http:");
  await assertRejects(() => fetch(plain));
});
