/**
 * The views of the dashboard's page: which routes each asks, and what it makes
 * of the answers. Text for the browser, between the parts of
 * `page_script.ts`.
 *
 * @module
 */

/** The views, by name, in the order of their links. */
export const views: string = String.raw`
const h2 = (text) => el("h2", {}, text);

/** What each resource has in use, on all nodes that are alive. */
function resourceBars(nodes) {
  const sums = new Map();
  for (const { state, resources, available } of nodes) {
    if (state !== "alive") continue;
    for (const [name, amount] of Object.entries(resources)) {
      const sum = sums.get(name) ?? { used: 0, total: 0 };
      sum.total += amount;
      sum.used += amount - (available[name] ?? 0);
      sums.set(name, sum);
    }
  }
  return [...sums].map(([name, { used, total }]) =>
    bar(name, used, total, name === "memory" ? bytesText : undefined));
}

const taskStates = ["waiting", "running", "finished", "failed", "cancelled", "crashed"];
const openStates = ["preparing", "waiting", "sent", "running"];

async function overview() {
  const [sums, nodes] = await Promise.all([ask("/api/summary"), ask("/api/nodes")]);
  const programs = sums.programs.map(({ script }) => (script ?? "").split("/").at(-1));
  const title = sums.isCluster ? sums.name : programs.join(", ") || sums.name;
  byId("name").textContent = title;
  document.title = title + " – manta";
  const count = (state) => sums.functions.reduce((all, row) => all + row[state], 0);
  const { usedBytes, capacityBytes } = sums.store;
  const actors = Object.entries(sums.actors).map(([state, n]) => n + " " + state);
  return {
    content: [
      h2("Resources in use"),
      el("div", { class: "bars" }, ...resourceBars(nodes.rows),
        bar("object store", usedBytes, capacityBytes, bytesText)),
      h2("Tasks"),
      el("div", { class: "counts" }, ...taskStates.map((state) =>
        el("div", {}, el("b", { "data-tone": count(state) > 0 ? tones[state] : undefined }, String(count(state))), state))),
      h2("Tasks by function"),
      table(sums.functionCells, { none: "No tasks yet." }),
      h2("Nodes, and what of each is free"),
      table(nodes.cells, { none: "No nodes.", explained: "node" }),
      el("p", { class: "quiet" }, sums.processCount + " processes; actors: " + (actors.join(", ") || "none") + "."),
    ],
    notes: [...new Set([...sums.notes, ...nodes.notes])],
  };
}

/** A view of one list. */
const listed = (kind, explained, none) => async () => {
  const { cells, notes } = await ask("/api/" + kind);
  return { content: [table(cells, { none, explained })], notes };
};

/** It stays while the table below it changes: an open list of options closes with its element. */
const stateSelect = el("select", {}, ...["", ...new Set([...openStates, ...taskStates])].map((state) =>
  el("option", { value: state }, state || "all")));
stateSelect.addEventListener("change", () => refresh());
const stateControls = [el("label", {}, "state ", stateSelect)];

async function tasks() {
  const state = stateSelect.value;
  const { cells, notes } = await ask("/api/tasks", state === "" ? {} : { state });
  const none = state === "" ? "No tasks yet." : "No tasks that are " + state + ".";
  return {
    controls: stateControls,
    content: [table(cells, { none, explained: "task" })],
    notes,
  };
}

async function objects() {
  const held = await ask("/api/memory");
  const giving = held.stores.filter(({ capacityBytes }) => capacityBytes > 0);
  return {
    content: [
      h2("Shared memory"),
      el("div", { class: "bars" }, ...giving.map(({ nodeId, usedBytes, capacityBytes }) =>
        bar("node " + nodeId.slice(0, 8), usedBytes, capacityBytes, bytesText))),
      h2("Objects, the largest first"),
      table(held.objectCells, {
        none: "No objects in shared memory, and none that others hold.",
        explained: "object",
      }),
      h2("Who owns them"),
      table(held.holderCells, { none: "No processes." }),
    ],
    notes: held.notes,
  };
}

async function jobs() {
  const answer = await ask("/api/jobs");
  const content = [
    h2("Programs that run"),
    table(answer.programCells, { none: "No program uses this cluster now." }),
  ];
  if (answer.isCluster) {
    content.push(
      h2("Submitted programs"),
      table(answer.submittedCells, { none: "None was submitted: see cli.ts submit." }),
    );
  }
  return { content, notes: answer.notes };
}

const linesMax = 1000;
let kept = [];
let seen = {};
let reading = Promise.resolve();

/** Reads what is new; one after the other, or a line would come twice. */
function readLines() {
  // Who asked before was told what went wrong.
  reading = reading.catch(() => {}).then(async () => {
    const pairs = Object.entries(seen).map(([tag, seq]) => tag + ":" + seq);
    const answer = await ask("/api/logs", pairs.length === 0 ? {} : { seen: pairs.join() });
    seen = answer.seen;
    kept = [...kept, ...answer.lines].slice(-linesMax);
    return answer.notes;
  });
  return reading;
}

async function logs() {
  const notes = await readLines();
  if (kept.length === 0) {
    return { content: [el("p", { class: "quiet" }, "No worker or actor has printed anything.")], notes };
  }
  const lines = kept.map(({ name, pid, line, stream }) =>
    el("span", { "data-tone": stream === "stderr" ? "wait" : undefined },
      "(" + name + " " + pid + ") " + textOf(line.replace(/\x1b\[[\d;]*m/g, "")) + "\n"));
  const old = document.querySelector("main pre");
  const isAtEnd = old === null || old.scrollHeight - old.scrollTop - old.clientHeight < 40;
  const pre = el("pre", { tabindex: "0", id: "lines" }, ...lines);
  const scrollTop = old?.scrollTop ?? 0;
  requestAnimationFrame(() => pre.scrollTop = isAtEnd ? pre.scrollHeight : scrollTop);
  return { content: [pre], notes };
}

async function download(button) {
  button.disabled = true;
  try {
    const trace = await ask("/api/timeline");
    const url = URL.createObjectURL(new Blob([JSON.stringify(trace)], { type: "application/json" }));
    el("a", { href: url, download: "timeline.json" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    byId("why").textContent = trace.traceEvents.length + " events in timeline.json";
  } catch (error) {
    byId("why").textContent = error.message;
  }
  byId("why").hidden = false;
  button.disabled = false;
}

const downloadButton = el("button", { type: "button", class: "act" }, "Download timeline.json");
downloadButton.addEventListener("click", () => download(downloadButton));

function timeline() {
  return Promise.resolve({
    content: [
      el("p", {}, "What tasks did when, for ui.perfetto.dev or chrome://tracing. Tasks under 1 ms are slices only where the program named its lineage file."),
    ],
    controls: [downloadButton],
  });
}

const views = {
  overview,
  workers: listed("workers", "process", "No processes."),
  actors: listed("actors", "actor", "No actors."),
  tasks,
  objects,
  jobs,
  logs,
  timeline,
};
`;
