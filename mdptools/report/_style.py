"""How a page looks, and what it may do: a style sheet and a policy, both within the page.

Takes     nothing.
Gives     text for the head of a page.
Not here  what stands on it.
"""

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)
"""For the browser: no network, no scripts, no forms. Pictures and styles are in the file."""

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1b1f24; --quiet: #57606a; --paper: #fff; --line: #d5dae0; --shade: #f4f6f8;
  --accent: #0b5cad; --good: #116329; --bad: #a40e26;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e2e6ea; --quiet: #a0a9b3; --paper: #14181d; --line: #39424c; --shade: #1f252c;
    --accent: #79b8ff; --good: #6fd08c; --bad: #ff8f9b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.25rem 4rem; color: var(--ink);
  background: var(--paper); overflow-wrap: break-word;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 {
  font-size: 1.25rem; line-height: 1.3; margin: 2.5rem 0 .75rem; padding-top: .75rem;
  border-top: 1px solid var(--line);
}
h3 { font-size: 1.02rem; margin: 1.5rem 0 .5rem; }
p, ul { margin: .5rem 0; max-width: 46rem; }
ul { padding-left: 1.2rem; }
li { margin: .25rem 0; }
a { color: var(--accent); }
code { font: .9em/1.4 ui-monospace, "Liberation Mono", Consolas, monospace; }
.lead, .quiet, figcaption, tfoot td { color: var(--quiet); }
.lead { font-size: 1.05rem; margin: 0 0 1rem; }
.quiet, figcaption, tfoot td { font-size: .9rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1rem; list-style: none; padding: 0; }
nav li { margin: 0; }
nav { font-size: .95rem; margin-bottom: 1rem; }
dl.glance {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .6rem;
  margin: 1rem 0 0;
}
dl.glance div {
  background: var(--shade); border-radius: 6px; padding: .6rem .8rem; display: flex;
  flex-direction: column;
}
dl.glance dt { color: var(--quiet); font-size: .82rem; }
dl.glance dd { margin: 0; font-size: 1.15rem; font-weight: 600; overflow-wrap: anywhere; }
dl.glance dd small { display: block; font-size: .8rem; font-weight: 400; color: var(--quiet); }
.good, .bad { font-weight: 600; }
.good { color: var(--good); }
.bad { color: var(--bad); }
table {
  border-collapse: collapse; font-size: .92rem; line-height: 1.4; margin: .5rem 0;
  font-variant-numeric: tabular-nums;
}
caption { text-align: left; color: var(--quiet); font-size: .9rem; padding: .25rem 0; }
th, td { padding: .28rem .9rem .28rem 0; vertical-align: top; border-top: 1px solid var(--line); }
th:last-child, td:last-child { padding-right: 0; }
thead th, tbody:first-child tr:first-child > * { border-top: 0; }
th { font-weight: 600; }
th[scope=row] { font-weight: 400; color: var(--quiet); padding-right: 1.5rem; white-space: nowrap; }
td { min-width: 3rem; }
td[style*=right], th[style*=right] { white-space: nowrap; overflow-wrap: normal; }
figure { margin: 1rem 0; }
.beside { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 0 3rem; }
.beside > * { flex: 0 1 auto; max-width: 100%; }
.beside > :last-child { flex: 1 1 19rem; }
.beside figure { margin-top: 1.5rem; max-width: min(100%, 34rem); }
.beside h3 { margin-top: .6rem; }
figure img {
  display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px;
  border: 1px solid var(--line); padding: .5rem;
}
figcaption { margin-top: .4rem; max-width: 46rem; }
dl.proofs dt { font-weight: 600; margin-top: .9rem; }
dl.proofs dd { margin: .1rem 0 0; max-width: 46rem; }
details { margin: .75rem 0; }
summary { cursor: pointer; color: var(--accent); }
footer { margin-top: 2.5rem; }
@media (max-width: 34rem) {
  body { padding: 1rem .9rem 3rem; }
  h1 { font-size: 1.4rem; }
  th[scope=row] { white-space: normal; padding-right: .9rem; }
}
@media print {
  :root { --ink: #000; --quiet: #444; --paper: #fff; --line: #bbb; --shade: #f2f2f2; }
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  nav { display: none; }
  h2, h3 { break-after: avoid; }
  figure, tr, dl.glance div { break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
}
"""
