/**
 * How the dashboard's page looks: light or dark as the browser prefers, down
 * to the width of a telephone.
 *
 * @module
 */

/** The page's style sheet. */
export const style = `
:root {
  color-scheme: light dark;
  --ground: #fff; --raised: #f4f5f7; --line: #d8dbe0; --text: #1b1d21;
  --quiet: #5c6470; --accent: #0b62c4; --good: #17713a; --bad: #b3261e;
  --wait: #8a5a00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15171b; --raised: #1e2126; --line: #363b43; --text: #e6e8eb;
    --quiet: #a0a8b4; --accent: #79b4ff; --good: #6fcf97; --bad: #ff8a80;
    --wait: #f2c56b;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 0.75rem; max-width: 90rem;
  background: var(--ground); color: var(--text);
  font: 0.9rem/1.45 system-ui, sans-serif;
}
header { display: flex; flex-wrap: wrap; gap: 0.5rem 1rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.15rem; margin: 0; overflow-wrap: anywhere; }
h1 small { color: var(--quiet); font-weight: normal; }
h2 { font-size: 1rem; margin: 1.25rem 0 0.4rem; }
nav { display: flex; flex-wrap: wrap; gap: 0.25rem; margin: 0.6rem 0; border-bottom: 1px solid var(--line); }
nav a { padding: 0.35rem 0.7rem; color: var(--quiet); text-decoration: none; border-bottom: 2px solid transparent; }
nav a[aria-current] { color: var(--text); border-color: var(--accent); }
#trouble, #why { padding: 0.5rem 0.75rem; background: var(--raised); border-left: 3px solid var(--accent); overflow-wrap: anywhere; }
#trouble { border-color: var(--bad); }
.quiet, footer { color: var(--quiet); }
footer p { margin: 0.2rem 0; }
.scrolls { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); vertical-align: top; white-space: nowrap; }
td.long { white-space: normal; min-width: 14rem; overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.id, pre { font: 0.85em/1.45 ui-monospace, monospace; }
button { font: inherit; color: var(--accent); background: none; border: 0; padding: 0; cursor: pointer; }
button.act { border: 1px solid var(--line); border-radius: 0.3rem; padding: 0.4rem 0.8rem; background: var(--raised); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
[data-tone=good] { color: var(--good); }
[data-tone=bad] { color: var(--bad); }
[data-tone=wait] { color: var(--wait); }
.bars { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 0.6rem 1.25rem; }
.bars div, .counts div { background: var(--raised); padding: 0.5rem 0.75rem; border-radius: 0.3rem; }
.bars span { display: flex; justify-content: space-between; gap: 1rem; }
progress { width: 100%; height: 0.5rem; accent-color: var(--accent); }
.counts { display: flex; flex-wrap: wrap; gap: 0.6rem; }
.counts b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
pre { margin: 0; max-height: 70vh; overflow: auto; background: var(--raised); padding: 0.6rem; white-space: pre-wrap; overflow-wrap: anywhere; }
select { font: inherit; }
`;
