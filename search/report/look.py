"""How a report's page looks: on a wide screen, on a phone, and on paper."""

CSS = """
:root {
  color-scheme: light;
  --ink: #1f2933; --muted: #52606d; --line: #e4e7eb; --accent: #0072b2;
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 3.2rem; }
body {
  margin: 0; color: var(--ink); background: #fff; line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main, header.top { max-width: 68rem; margin: 0 auto; padding: 0 1.25rem; }
header.top { padding-top: 1.75rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 {
  font-size: 1.35rem; margin: 2.6rem 0 .6rem; padding-top: .9rem;
  border-top: 2px solid var(--line);
}
h3 { font-size: 1.05rem; margin: 1.5rem 0 .35rem; }
figcaption, .lead, .muted { color: var(--muted); }
.lead { margin: 0 0 1rem; overflow-wrap: anywhere; }
p, li { overflow-wrap: break-word; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
nav {
  position: sticky; top: 0; z-index: 5;
  background: #ffffffee; border-bottom: 1px solid var(--line);
}
nav ul {
  max-width: 68rem; margin: 0 auto; padding: .55rem 1.25rem;
  display: flex; flex-wrap: wrap; gap: .1rem .85rem; list-style: none;
  white-space: nowrap; font-size: .9rem;
}

.tiles {
  display: grid; gap: .7rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fit, minmax(8.4rem, 1fr));
}
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.25rem; line-height: 1.3; }
.tile span { color: var(--muted); font-size: .85rem; }

.scroll { overflow-x: auto; margin: .6rem 0; }
table { border-collapse: collapse; font-size: .88rem; width: 100%; }
th, td {
  text-align: left; vertical-align: top; padding: .32rem .7rem .32rem 0;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums;
}
th { font-weight: 600; white-space: nowrap; }
td { min-width: 5rem; overflow-wrap: break-word; }
td:first-child { white-space: nowrap; }
td.n, th.n, td[style] { text-align: right; min-width: 0; white-space: nowrap; }

figure { margin: .8rem 0 1.2rem; min-width: 0; }
figcaption { font-size: .86rem; margin-top: .2rem; }
.plot { width: 100%; }
figure > img { display: block; max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
.wide > .plot { min-width: 46rem; }
.pair, .trio { display: grid; gap: 0 1.5rem; }
.pair { grid-template-columns: repeat(2, minmax(0, 1fr)); }
.trio { grid-template-columns: repeat(3, minmax(0, 1fr)); }
.narrow { max-width: 46rem; }

.entry { border-left: 3px solid var(--line); padding-left: 1rem; }
.entry h1 { font-size: 1.25rem; }
.entry h2 { font-size: 1.1rem; border: 0; padding: 0; margin: 1.3rem 0 .3rem; }
ul.findings { list-style: none; padding: 0; }
ul.findings li {
  border-left: 4px solid #b4bcc6; padding: .1rem 0 .1rem .8rem; margin: .7rem 0;
}
ul.findings li.high { border-color: #d55e00; }
ul.findings li.medium { border-color: #e69f00; }
ul.findings .next { display: block; color: var(--muted); }
.badge {
  font-size: .72rem; font-weight: 600; text-transform: uppercase; letter-spacing: .04em;
}
summary { cursor: pointer; color: var(--accent); margin: .4rem 0; }
footer { color: var(--muted); font-size: .85rem; margin: 3rem 0 2rem; overflow-wrap: anywhere; }
code { font-size: .92em; overflow-wrap: anywhere; }

@media (max-width: 46rem) {
  .pair, .trio { grid-template-columns: minmax(0, 1fr); }
  main, header.top { padding-left: .9rem; padding-right: .9rem; }
  nav ul { padding-left: .9rem; flex-wrap: nowrap; overflow-x: auto; }
  h1 { font-size: 1.5rem; }
  .entry { padding-left: .7rem; }
  .entry table { min-width: 40rem; }
}

@media print {
  @page { size: A4; margin: 14mm 12mm; }
  body { font-size: 10pt; }
  nav, summary, .modebar, .updatemenu-container { display: none !important; }
  main, header.top { max-width: none; padding: 0; }
  .pair { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .trio { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .scroll, .wide { overflow: visible; }
  .wide > .plot, .entry table { min-width: 0; }
  figure, .tile, li, tr { break-inside: avoid; }
  h1, h2, h3 { break-after: avoid; }
  a { color: inherit; }
  details[data-long]:not([open]), #trials:has(> details:not([open])) { display: none; }
}
"""
