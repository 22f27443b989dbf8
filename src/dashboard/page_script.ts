/**
 * What the dashboard's page does: asks the routes of the view it shows, every
 * two seconds while it is visible, and puts the answers into tables.
 *
 * It is text, because it runs in a browser. Whatever it shows of a program goes
 * in as text nodes, never as markup: names of tasks are their authors' own.
 *
 * @module
 */
import { views } from "./page_views.ts";

const start = String.raw`
"use strict";
const everyMs = 2000;
const storeKey = "manta-token";

/** The token came with the URL once: it goes where only this page finds it. */
const given = new URLSearchParams(location.search).get("token");
if (given !== null) {
  sessionStorage.setItem(storeKey, given);
  history.replaceState(null, "", location.pathname + location.hash);
}

const byId = (id) => document.getElementById(id);

/** An element; texts among its children are text nodes. */
function el(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

/** What is to be shown instead of an answer. */
class Trouble extends Error {}

async function ask(route, query) {
  const headers = { authorization: "Bearer " + sessionStorage.getItem(storeKey) };
  const text = new URLSearchParams(query ?? {}).toString();
  let response;
  try {
    response = await fetch(route + (text === "" ? "" : "?" + text), { headers });
  } catch {
    throw new Trouble("The program has ended, or its dashboard can't be reached.");
  }
  if (response.status === 401) {
    throw new Trouble("This page has no token, or an old one: open the URL that was printed.");
  }
  const answer = await response.json();
  if (!response.ok) throw new Trouble(answer.error);
  return answer;
}

const tones = {
  alive: "good", running: "good", ready: "good", finished: "good", busy: "good",
  failed: "bad", dead: "bad", crashed: "bad", gone: "bad", lost: "bad",
  waiting: "wait", pending: "wait", draining: "wait", restarting: "wait", starting: "wait",
  stopped: "wait", cancelled: "wait",
};
const idColumns = ["task", "actor", "object", "process", "node", "job"];
const longColumns = ["why", "reason", "held by", "script", "runs"];
const amountText = /^[\d.]+( (B|[KMGT]iB|ms|s))?$/;

/** A cell's text: one line, whatever a program named it. */
function textOf(value) {
  if (value === undefined || value === null || value === "") return "–";
  if (typeof value === "number" && !Number.isInteger(value)) return value.toFixed(3);
  return String(value).replace(/\p{Cc}+/gu, " ");
}

function cell(column, value, { kind, explained }) {
  const text = textOf(value);
  const isLong = kind === undefined && longColumns.includes(column) && text.length > 24;
  const td = el("td", { class: isLong ? "long" : kind });
  if (column === "state" && Object.hasOwn(tones, text)) td.dataset.tone = tones[text];
  if (column === explained && text !== "–" && text !== "unknown") {
    const button = el("button", { type: "button", title: "why?", "data-id": text }, text);
    button.addEventListener("click", () => explain(text));
    td.append(button);
  } else td.append(text);
  return td;
}

/** Rows as a table; the column that is explained has a button for each id. */
function table(rows, { none, explained }) {
  if (rows.length === 0) return el("p", { class: "quiet" }, none);
  const columns = [...new Set(rows.flatMap(Object.keys))];
  const isNumber = (text) => amountText.test(text) || text === "–";
  const kinds = columns.map((column) => {
    if (idColumns.includes(column)) return "id";
    return rows.every((row) => isNumber(textOf(row[column]))) ? "number" : undefined;
  });
  const head = columns.map((column, at) =>
    el("th", { scope: "col", class: kinds[at] === "number" ? "number" : undefined }, column));
  const body = rows.map((row) =>
    el("tr", {}, ...columns.map((column, at) => cell(column, row[column], { kind: kinds[at], explained }))));
  return el("div", { class: "scrolls" },
    el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body)));
}

function bytesText(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; bytes >= 1024 && at < units.length - 1; at++) bytes /= 1024;
  return (at === 0 ? bytes : bytes.toFixed(1)) + " " + units[at];
}

/** How much of something is used. */
function bar(name, used, total, words) {
  const say = words ?? ((amount) => String(Math.round(amount * 100) / 100));
  return el("div", {},
    el("span", {}, el("b", {}, name), say(used) + " of " + say(total)),
    el("progress", { value: used, max: total || 1, "aria-label": name }));
}

/** Says below the header what an id is, or why it is not there yet. */
async function explain(id) {
  const line = byId("why");
  line.hidden = false;
  line.textContent = "asking …";
  try {
    const { kind, id: whole, line: why } = await ask("/api/why", { id });
    line.textContent = kind + " " + whole + " " + why;
  } catch (error) {
    line.textContent = error.message;
  }
}
`;

const end = String.raw`
const names = Object.keys(views);
const shown = () => {
  const name = location.hash.slice(1);
  return names.includes(name) ? name : names[0];
};
byId("views").append(...names.map((name) => el("a", { href: "#" + name }, name)));

let turn = 0;
let timer;

/** Asks and shows, unless another view was chosen meanwhile. */
async function refresh() {
  clearTimeout(timer);
  const mine = ++turn;
  const name = shown();
  const isChosen = byId("view").dataset.view !== name;
  for (const link of byId("views").children) {
    if (link.textContent === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (isChosen) byId("why").hidden = true;
  try {
    const { content, notes, controls } = await views[name]();
    if (mine !== turn) return;
    control(name, controls ?? []);
    byId("trouble").hidden = true;
    if (isChosen || getSelection().isCollapsed) put(name, content);
    byId("notes").replaceChildren(...(notes ?? []).map((note) => el("p", {}, note)));
  } catch (error) {
    if (mine !== turn) return;
    byId("trouble").hidden = false;
    byId("trouble").textContent = error.message;
    if (isChosen) {
      control("", []);
      put(name, []);
    }
    if (!(error instanceof Trouble)) console.error(error);
  }
  later();
}

/** Puts up what a view is steered by, once: what is used must not go. */
function control(name, controls) {
  const place = byId("controls");
  if (place.dataset.view === name) return;
  place.dataset.view = name;
  place.hidden = controls.length === 0;
  place.replaceChildren(...controls);
}

/** Puts a view's content up; what had the focus has it again. */
function put(name, content) {
  const view = byId("view");
  const id = document.activeElement?.dataset.id;
  const scrolled = [...view.querySelectorAll(".scrolls")].map((each) => each.scrollLeft);
  const isSame = view.dataset.view === name;
  view.dataset.view = name;
  view.replaceChildren(...content);
  if (!isSame) return;
  view.querySelectorAll(".scrolls").forEach((each, at) => each.scrollLeft = scrolled[at] ?? 0);
  if (id === undefined) return;
  const again = [...view.querySelectorAll("[data-id]")].find((each) => each.dataset.id === id);
  again?.focus({ preventScroll: true });
}

function later() {
  clearTimeout(timer);
  const isWanted = document.visibilityState === "visible" && !byId("pause").checked;
  if (isWanted) timer = setTimeout(refresh, everyMs);
}

addEventListener("hashchange", refresh);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible") refresh();
  else clearTimeout(timer);
});
byId("pause").addEventListener("change", () => byId("pause").checked ? clearTimeout(timer) : refresh());
refresh();
`;

/** The page's script. */
export const script: string = start + views + end;
