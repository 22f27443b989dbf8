import { World } from "/work/wt/sim/tests/sim/world.ts";
const w = new World(Number(Deno.args[0]));
try {
  w.run();
} catch (e) {
  console.log((e as Error).message);
}
for (const p of w.processes) {
  if (!p.isAlive) continue;
  console.log(p.name, p.owner.submitter.leftovers(), p.owner.calls.leftovers());
  for (const t of p.owner.open) {
    console.log(
      "  task",
      t.ordinal,
      t.plan.name,
      t.phase,
      "attempt",
      t.attempt,
      t.actor?.actorId,
      "deps",
      t.dependencies.map((d) =>
        `${d.handle.entry.ownerId}.${d.handle.entry.ordinal} ${d.handle.entry.status}`
      ),
      "caller",
      t.callerNo,
    );
  }
  // deno-lint-ignore no-explicit-any
  console.log((p.owner.calls as any).dump?.());
}
console.log(
  [...w.node.actors.views()].map((
    v,
  ) => [v.spec.actorId, v.phase, v.incarnation]),
);
console.log(w.node.leftovers());
console.log(
  w.processes.filter((p) => p.isAlive).map((
    p,
  ) => [p.name, p.owner.references.table.sharedCount]),
);
