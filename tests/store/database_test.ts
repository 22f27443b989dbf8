import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { MantaError } from "../../src/base/errors.ts";
import {
  type DatabaseKind,
  failureOf,
  openDatabase,
  openForReading,
} from "../../src/store/database.ts";
import { canMount, mountDisk } from "../support/disk.ts";

const kind: DatabaseKind = {
  label: "test file",
  applicationId: 0x74657374,
  migrations: ["CREATE TABLE things (name TEXT)"],
};

function withFolder(use: (folder: string) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "manta čeština " });
  try {
    use(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function assertRefused(path: string, reason: string): void {
  const error = assertThrows(() => openDatabase(path, kind), MantaError);
  assertEquals(
    error.message.startsWith(`Cannot use test file "${path}"`),
    true,
  );
  assertEquals(error.message.includes(reason), true, error.message);
}

Deno.test("openDatabase() makes a file, and opens it again as it was", () => {
  withFolder((folder) => {
    const path = `${folder}/new.db`;
    const made = openDatabase(path, kind);
    made.exec("INSERT INTO things VALUES ('kept')");
    made.close();
    using again = openDatabase(path, kind);
    const row = again.prepare("SELECT name FROM things").get();
    assertEquals(row?.name, "kept");
    assertEquals(
      again.prepare("PRAGMA journal_mode").get()?.journal_mode,
      "wal",
    );
    assertEquals(again.prepare("PRAGMA synchronous").get()?.synchronous, 1);
  });
});

Deno.test("openDatabase() takes a file of an older version to its own", () => {
  withFolder((folder) => {
    const path = `${folder}/old.db`;
    openDatabase(path, kind).close();
    const newer = {
      ...kind,
      migrations: [...kind.migrations, "CREATE TABLE more (n)"],
    };
    using database = openDatabase(path, newer);
    assertEquals(
      database.prepare("SELECT count(*) AS n FROM more").get()?.n,
      0,
    );
    assertEquals(
      database.prepare("PRAGMA user_version").get()?.user_version,
      2,
    );
  });
});

Deno.test("openDatabase() refuses a file of a newer version", () => {
  withFolder((folder) => {
    const path = `${folder}/newer.db`;
    const newer = {
      ...kind,
      migrations: [...kind.migrations, "CREATE TABLE more (n)"],
    };
    openDatabase(path, newer).close();
    assertRefused(path, "a newer version");
  });
});

Deno.test("openDatabase() refuses what is no database of ours, and leaves it as it is", () => {
  withFolder((folder) => {
    const text = `${folder}/notes.txt`;
    Deno.writeTextFileSync(text, "my notes");
    assertRefused(text, "no SQLite database");
    assertEquals(Deno.readTextFileSync(text), "my notes");

    const foreign = `${folder}/foreign.db`;
    const other = new DatabaseSync(foreign);
    other.exec("CREATE TABLE theirs (a)");
    other.close();
    const before = Deno.readFileSync(foreign);
    assertRefused(foreign, "another program's database");
    assertEquals(Deno.readFileSync(foreign), before);
    assertEquals([...Deno.readDirSync(folder)].length, 2);
  });
});

Deno.test("openDatabase() refuses a damaged file, and leaves it as it is", () => {
  withFolder((folder) => {
    const path = `${folder}/damaged.db`;
    const database = openDatabase(path, kind);
    const insert = database.prepare("INSERT INTO things VALUES (?)");
    for (let n = 0; n < 500; n++) insert.run("x".repeat(100));
    database.close();
    const bytes = Deno.readFileSync(path);
    bytes.fill(0xff, 4096, 12_288);
    Deno.writeFileSync(path, bytes);
    assertRefused(path, "it is damaged");
    assertEquals(Deno.readFileSync(path), bytes);
  });
});

Deno.test("openDatabase() refuses a cut-off file", () => {
  withFolder((folder) => {
    const path = `${folder}/cut.db`;
    openDatabase(path, kind).close();
    Deno.truncateSync(path, 4096);
    assertRefused(path, "it is damaged");
    Deno.truncateSync(path, 50);
    assertRefused(path, "no SQLite database");
  });
});

Deno.test("openDatabase() refuses a folder, and a path that can't be written", () => {
  withFolder((folder) => {
    assertRefused(folder, "it is a folder");
    assertRefused(`${folder}/missing/a.db`, "can't be written");
    Deno.writeTextFileSync(`${folder}/file`, "");
    assertRefused(`${folder}/file/a.db`, "can't be written");
  });
});

Deno.test({
  name: "openDatabase() refuses what lies on a disk that is read-only, or full",
  ignore: !canMount,
  fn: () => {
    using disk = mountDisk("256k");
    const path = `${disk.path}/a.db`;
    openDatabase(path, kind).close();
    const ballast = disk.fill();
    assertRefused(`${disk.path}/full.db`, "make room");
    ballast.release();
    disk.makeReadOnly();
    assertRefused(path, "can't be written");
    assertRefused(`${disk.path}/new.db`, "can't be written");
  },
});

Deno.test({
  name: "openDatabase() refuses a file and a folder that may not be written",
  ignore: Deno.uid() === 0, // Who may do all can't be kept from it.
  fn: () =>
    withFolder((folder) => {
      const path = `${folder}/a.db`;
      openDatabase(path, kind).close();
      Deno.chmodSync(path, 0o400);
      assertRefused(path, "can't be written");
      Deno.chmodSync(folder, 0o500);
      assertRefused(`${folder}/new.db`, "can't be written");
      Deno.chmodSync(folder, 0o700);
    }),
});

Deno.test("openDatabase() takes what a torn write-ahead log has whole, and refuses nothing", () => {
  withFolder((folder) => {
    const path = `${folder}/live.db`;
    using live = openDatabase(path, kind);
    const insert = live.prepare("INSERT INTO things VALUES (?)");
    for (let n = 0; n < 100; n++) insert.run("x".repeat(1000));
    const copy = `${folder}/copy.db`;
    Deno.copyFileSync(path, copy);
    Deno.copyFileSync(`${path}-wal`, `${copy}-wal`);
    const { size } = Deno.statSync(`${copy}-wal`);
    Deno.truncateSync(`${copy}-wal`, Math.floor(size / 2));
    using torn = openDatabase(copy, kind);
    const row = torn.prepare("SELECT count(*) AS n FROM things").get();
    const count = Number(row?.n);
    assertEquals(count > 10 && count < 90, true, `${count} rows`);
  });
});

Deno.test("openDatabase() says who keeps a file that is locked", () => {
  withFolder((folder) => {
    const path = `${folder}/a.db`;
    openDatabase(path, kind).close();
    using other = new DatabaseSync(path);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
    const open = () => openDatabase(path, kind, { busyMs: 1 });
    assertThrows(open, MantaError, "another program locks it");
    other.exec("COMMIT");
  });
});

Deno.test("openForReading() refuses a file that is not there, and makes none", () => {
  withFolder((folder) => {
    const path = `${folder}/none.db`;
    const read = () => openForReading(path, kind);
    assertThrows(read, MantaError, "no such file");
    assertEquals([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("failureOf() tells a full disk from a locked and from a broken file", () => {
  assertEquals(failureOf(new Error("database or disk is full")), "full");
  const malformed = new Error("database disk image is malformed");
  assertEquals(failureOf(malformed), "broken");
  assertEquals(failureOf(new Error("database is locked")), "locked");
  assertEquals(failureOf(new Error("disk I/O error")), "other");
});
