/** The style of report pages: light, dark, print, and any width from 320 px. */
export const reportStyle = `
:root {
  color-scheme: light dark;
  --page: #fbfaf7; --panel: #f3f1ec; --ink: #1c1e22; --soft: #5a6069; --line: #d8d5cd; --band: #e9e5da;
  --vertical: #0a7069; --horizontal: #a34c0d; --wrong: #b0123f;
  --picture: 96px;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #141619; --panel: #1d2024; --ink: #e9e6df; --soft: #a5aab3; --line: #363b42; --band: #262b30;
    --vertical: #57c9bd; --horizontal: #f0a763; --wrong: #ff7b97;
  }
}
@media (min-width: 720px) { :root { --picture: 128px; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 16px; }
body {
  margin: 0 auto; padding: 0 16px 64px; max-width: 1168px; background: var(--page); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word;
}
h1, h2, h3 { line-height: 1.2; text-wrap: balance; letter-spacing: -0.012em; }
h1 { font-size: clamp(1.75rem, 1.2rem + 2.6vw, 2.75rem); font-weight: 700; margin: 48px 0 8px; }
h2 { font-size: 1.5rem; margin: 0 0 16px; display: flex; gap: 0.6em; }
h2 .number { color: var(--soft); font-weight: 400; }
h3 { font-size: 1.0625rem; margin: 40px 0 8px; }
p, .findings { max-width: 68ch; margin: 0 0 16px; }
sup { font-size: 0.75em; line-height: 0; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: 3px; }
a:focus-visible, .scroll:focus-visible { outline: 2px solid var(--vertical); outline-offset: 2px; }
var { font-style: italic; }
.subtitle { color: var(--soft); margin-bottom: 24px; }
.lead { font-size: 1.125rem; }
@media (min-width: 1000px) {
  .opening { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); gap: 56px; align-items: start; margin-top: 40px; }
  .opening .scroll { margin: 0; }
}
section { margin-top: 56px; padding-top: 32px; border-top: 1px solid var(--line); }
footer { margin-top: 56px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.875rem; }
footer p { max-width: none; }
nav ol { columns: 15rem; column-gap: 32px; margin: 24px 0 0; padding-left: 1.4em; }
nav li { padding: 2px 0; break-inside: avoid; }
nav li::marker { color: var(--soft); }
figure { margin: 24px 0; }
figcaption, caption { color: var(--soft); font-size: 0.875rem; line-height: 1.5; max-width: 76ch; text-align: left; }
figcaption { margin-top: 12px; }
caption { caption-side: bottom; padding-top: 10px; }

.scroll { overflow-x: auto; margin: 24px 0; }
table { border-collapse: collapse; width: 100%; max-width: 760px; }
th, td { padding: 7px 12px 7px 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); font-weight: 400; }
thead th { color: var(--soft); font-size: 0.875rem; vertical-align: bottom; border-bottom: 1.5px solid var(--ink); }
th.figure-cell, td.figure-cell { text-align: right; white-space: nowrap; padding-left: 8px; }
th:last-child, td:last-child { padding-right: 0; }
thead th.figure-cell { white-space: normal; }
table .about { display: block; color: var(--soft); font-size: 0.875rem; line-height: 1.4; }
table .unit { color: var(--soft); font-size: 0.875rem; }
.headline td.figure-cell { font-size: 1.125rem; font-weight: 600; }
.totals th, .totals td { border-top: 1.5px solid var(--ink); }

.network { display: flex; flex-wrap: wrap; gap: 10px 0; margin: 0; padding: 0; list-style: none; }
.network li { display: flex; align-items: center; }
.network li + li::before { content: "→"; color: var(--soft); padding: 0 8px; }
.network div { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 6px 12px; line-height: 1.35; }
.network span { display: block; color: var(--soft); font-size: 0.8125rem; }

.gallery { display: grid; grid-template-columns: repeat(auto-fill, var(--picture)); gap: 16px; margin: 0; padding: 0; list-style: none; }
.gallery li { width: var(--picture); font-size: 0.8125rem; line-height: 1.35; }
.gallery img { display: block; width: var(--picture); height: var(--picture); image-rendering: pixelated; border-radius: 2px; }
.gallery .wrong img { outline: 3px solid var(--wrong); outline-offset: 1px; }
.chances { display: flex; height: 5px; margin: 7px 0 3px; background: var(--horizontal); border-radius: 1px; overflow: hidden; }
.chances span { background: var(--vertical); }
.both { display: flex; justify-content: space-between; }
.v { color: var(--vertical); } .h { color: var(--horizontal); }
.verdict { color: var(--wrong); font-weight: 600; }
.kind { margin: 32px 0 0; }
.kind-title { display: flex; flex-wrap: wrap; gap: 2px 16px; align-items: baseline; max-width: none; margin: 0 0 10px; }
.kind-title .about { color: var(--soft); font-size: 0.875rem; }

.meter { display: block; position: relative; height: 10px; min-width: 84px; width: 100%; margin-top: 8px; background: var(--band); border-radius: 2px; overflow: hidden; }
.meter span { display: block; height: 100%; background: var(--soft); }
.meter::after { content: ""; position: absolute; left: 50%; top: 0; bottom: 0; border-left: 2px dotted var(--page); }
td.bar { width: 28%; }

.panels { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 24px; }
@media (max-width: 719px) { .panels { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 20px 12px; } }
.panel-title { font-size: 0.875rem; line-height: 1.35; margin: 0; padding-left: 24px; align-self: end; }
.panel { display: grid; grid-row: span 2; grid-template-rows: subgrid; row-gap: 6px; }
.plane { display: grid; align-content: start; grid-template-columns: 20px minmax(0, 1fr); column-gap: 4px; }
.square { grid-column: 2; position: relative; aspect-ratio: 1; }
.square img { width: 100%; height: 100%; display: block; image-rendering: pixelated; }
.overlay { position: absolute; inset: 0; width: 100%; height: 100%; }
.overlay path, .overlay circle { fill: none; vector-effect: non-scaling-stroke; stroke-width: 1.5px; }
.overlay .ring { stroke: #ffffff; }
.overlay .first { stroke: #5fe3d6; }
.overlay .second { stroke: #ffd27d; }
.ticks { grid-column: 2; display: flex; justify-content: space-between; color: var(--soft); font-size: 0.75rem; line-height: 1.5; }
.vertical-ticks { grid-column: 1; flex-direction: column; align-items: flex-end; line-height: 1; }
.colour-bar { grid-column: 2; display: grid; grid-template-columns: 1fr auto 1fr; font-size: 0.75rem; color: var(--soft); line-height: 1.5; margin-top: 4px; }
.colour-bar .strip { grid-column: 1 / -1; height: 8px; border-radius: 1px; }
.colour-bar span:last-child { text-align: right; }

.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 328px), 1fr)); gap: 16px 24px; }
.chart-title { font-size: 0.875rem; margin: 0; }
.charts svg, .sweep svg { max-width: 100%; height: auto; }
.sweep .wide { display: none; }
@media (min-width: 800px) { .sweep .wide { display: block; } .sweep .narrow { display: none; } }
.key { display: flex; flex-wrap: wrap; gap: 4px 20px; list-style: none; margin: 0 0 8px; padding: 0; font-size: 0.875rem; }
.key li { display: flex; align-items: center; gap: 8px; }
.swatch { display: inline-block; width: 20px; height: 0; border-top: 2.5px solid var(--ink); }
.swatch.soft { border-color: var(--soft); } .swatch.vertical { border-color: var(--vertical); }
.swatch.horizontal { border-color: var(--horizontal); } .swatch.wrong { border-color: var(--wrong); }
.swatch.dashes { border-top-style: dashed; }
.swatch.dot { width: 9px; height: 9px; border: 0; border-radius: 50%; background: var(--ink); }
.swatch.dot.wrong { background: var(--wrong); } .swatch.dot.horizontal { background: var(--horizontal); }
.swatch.dot.vertical { background: var(--vertical); } .swatch.dot.soft { background: var(--soft); }
.swatch.block { height: 12px; border: 0; background: var(--band); outline: 1px solid var(--line); }
.swatch.vertical-block { height: 8px; border: 0; background: var(--vertical); }
.swatch.horizontal-block { height: 8px; border: 0; background: var(--horizontal); }
.swatch.frame { width: 14px; height: 14px; border: 3px solid var(--wrong); }
.swatch.first-outline, .swatch.second-outline, .swatch.ring-mark { width: 16px; height: 16px; background: #1f1147; border: 2px solid #5fe3d6; outline: 2px solid #1f1147; }
.swatch.second-outline { border-color: #ffd27d; }
.swatch.ring-mark { border: 1.5px solid #ffffff; border-radius: 50%; }
.findings { padding-left: 1.2em; }
.findings li { margin-bottom: 8px; }
.verdict-line { border-left: 3px solid var(--ink); padding-left: 16px; font-weight: 600; }
* { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
@media print {
  :root {
    --page: #ffffff; --panel: #f3f1ec; --ink: #000000; --soft: #4d525a; --line: #cccccc; --band: #e9e5da;
    --vertical: #0a7069; --horizontal: #a34c0d; --wrong: #b0123f; --picture: 96px;
  }
  body { font-size: 11pt; max-width: none; padding: 0; }
  nav { display: none; }
  section { margin-top: 24px; padding-top: 16px; }
  h2, h3, .kind-title { break-after: avoid; }
  figure, li, tr { break-inside: avoid; }
}
`;
