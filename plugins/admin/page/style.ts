/** One sheet for light and dark: colours are tokens, and each text has a contrast of 4.5 or more on what it stands on. */
export const style = `:root {
  color-scheme: light dark;
  --page: #f4f5f7;
  --card: #ffffff;
  --text: #1c2330;
  --quiet: #566070;
  --line: #d9dde4;
  --focus: #1257c8;
  --button: #eef1f6;
  --good: #17683a;
  --warn: #8a4b00;
  --bad: #b3261e;
  --s2: #2f7de1;
  --s3: #7a8699;
  --s4: #d98300;
  --s5: #c9302c;
  --p50: #1f6fd0;
  --p90: #8b5cd6;
  --p99: #c2378b;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161d;
    --card: #1b212b;
    --text: #e7ebf1;
    --quiet: #a3adbd;
    --line: #323b49;
    --focus: #8ab8ff;
    --button: #2a3342;
    --good: #6fd69a;
    --warn: #f2b661;
    --bad: #ff9a92;
    --s2: #4d94f0;
    --s3: #8d99ac;
    --s4: #e89b2c;
    --s5: #ef6a64;
    --p50: #6ab0ff;
    --p90: #b99bff;
    --p99: #ff8ac6;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
header, main { max-width: 76rem; margin: 0 auto; padding: 0 1rem; }
header { display: flex; align-items: baseline; justify-content: space-between; gap: 1rem; padding-top: 1rem; }
h1 { font-size: 1.25rem; margin: 0; }
h2 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: -100vw; padding: .5rem 1rem; background: var(--card); color: var(--text); z-index: 2; }
.skip:focus { left: 0; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
.connection { margin: 0; color: var(--quiet); }
.connection::before { content: ""; display: inline-block; width: .6rem; height: .6rem; margin-right: .4rem; border-radius: 50%; border: 2px solid var(--quiet); }
.connection.live::before { background: var(--good); border-color: var(--good); }
.connection.lost { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.tiles div, figure, .upstream, table { background: var(--card); border: 1px solid var(--line); border-radius: 8px; }
.tiles div { padding: .6rem .8rem; display: flex; flex-direction: column; justify-content: space-between; }
dt { color: var(--quiet); font-size: .85rem; }
dd { margin: 0; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
dd.bad { color: var(--bad); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: .75rem; }
figure { margin: 0; padding: .75rem; min-width: 0; }
figcaption { font-weight: 600; margin-bottom: .25rem; }
.chart { height: 200px; overflow: hidden; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; margin: .25rem 0 0; padding: 0; color: var(--quiet); font-size: .9rem; }
.legend b { color: var(--text); font-variant-numeric: tabular-nums; }
.swatch { display: inline-block; width: .8rem; height: .8rem; border-radius: 2px; margin-right: .35rem; vertical-align: -1px; }
.s2 { background: var(--s2); } .s3 { background: var(--s3); } .s4 { background: var(--s4); } .s5 { background: var(--s5); }
.p50 { background: var(--p50); } .p90 { background: var(--p90); } .p99 { background: var(--p99); }
.upstream { margin-bottom: .75rem; }
.upstream > div { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; padding: .7rem .8rem; }
.upstream .about { margin: 0; color: var(--quiet); }
.upstream table { border: 0; border-top: 1px solid var(--line); border-radius: 0; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: .85rem; }
th, td { padding: .45rem .8rem; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; }
td.url, td.why, td.path { overflow-wrap: anywhere; }
@media (min-width: 46.01rem) {
  .upstream table { table-layout: fixed; }
  .upstream th:nth-child(1) { width: 7.5rem; }
  .upstream th:nth-child(2) { width: 26%; }
  .upstream th:nth-child(n + 3):nth-child(-n + 5) { width: 6rem; }
  .upstream th:nth-child(7) { width: 13.5rem; text-align: right; }
}
td.why { color: var(--quiet); }
td.orders { white-space: nowrap; text-align: right; }
.state { font-weight: 600; white-space: nowrap; }
.state::before { display: inline-block; width: 1.2em; }
.state.up { color: var(--good); } .state.up::before { content: "●"; }
.state.partly { color: var(--warn); } .state.partly::before { content: "◐"; }
.state.draining { color: var(--warn); } .state.draining::before { content: "▽"; }
.state.down { color: var(--bad); } .state.down::before { content: "✕"; }
.status { color: var(--bad); font-weight: 600; }
.none, .more { color: var(--quiet); }
.more { margin: 0; padding: .5rem .8rem; border-top: 1px solid var(--line); }
.notice { max-width: 76rem; margin: 1rem auto; padding: 0 1rem; }
button { font: inherit; color: var(--text); background: var(--button); border: 1px solid var(--quiet); border-radius: 6px; padding: .2rem .7rem; min-height: 2rem; cursor: pointer; }
button:hover { border-color: var(--focus); }
button[aria-disabled="true"] { opacity: .7; cursor: progress; }
button + button { margin-left: .4rem; }
.message { position: fixed; left: 50%; bottom: 1rem; transform: translateX(-50%); max-width: calc(100vw - 2rem); margin: 0; padding: .6rem 1rem; background: var(--text); color: var(--page); border-radius: 8px; }
.message:empty { padding: 0; }
dialog { max-width: 26rem; width: calc(100vw - 2rem); border: 1px solid var(--line); border-radius: 8px; background: var(--card); color: var(--text); }
dialog h2 { margin-top: 0; }
dialog label { display: block; font-weight: 600; }
dialog input { font: inherit; width: 100%; margin: .25rem 0 1rem; padding: .4rem; border: 1px solid var(--quiet); border-radius: 6px; background: var(--page); color: var(--text); }
@media (max-width: 46rem) {
  .tiles { grid-template-columns: repeat(2, 1fr); }
  .tiles div:last-child { grid-column: 1 / -1; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody { display: block; }
  tr { display: grid; grid-template-columns: 1fr 1fr; gap: .15rem .8rem; padding: .6rem .8rem; border-top: 1px solid var(--line); }
  tbody:first-of-type tr:first-child { border-top: 0; }
  .upstream tbody tr:first-child { border-top: 1px solid var(--line); }
  td { display: block; border: 0; padding: 0; }
  td[data-label]::before { content: attr(data-label) " "; color: var(--quiet); font-size: .85rem; }
  td.url, td.why, td.path, td.orders { grid-column: 1 / -1; }
  td.why:empty, td.orders:empty { display: none; }
  td.orders { text-align: left; padding-top: .3rem; }
  button { min-height: 2.75rem; padding: .4rem 1.2rem; }
}
@media (prefers-reduced-motion: no-preference) { .skip { transition: left .1s; } }
`
