/** How the page of a report looks, by day and by night. */
export const REPORT_STYLE = `
:root {
  color-scheme: light dark;
  --ground: #fff;
  --page: #f5f6f8;
  --text: #24292f;
  --faint: #5d6670;
  --line: #dfe3e8;
  --note: #fff4d6;
}
@media(prefers-color-scheme:dark) {
  :root {
    --ground: #1b1f24;
    --page: #14171b;
    --text: #d7dbe0;
    --faint: #9aa2ac;
    --line: #31363d;
    --note: #3a3013;
  }
}
* {
  box-sizing: border-box;
}
body {
  margin: 0;
  background: var(--page);
  color: var(--text);
  font: 15px/1.5 system-ui,sans-serif;
}
header, main {
  max-width: 1500px;
  margin: 0 auto;
  padding: 0 24px;
}
header {
  padding-top: 28px;
}
h1 {
  font-size: 1.6em;
  margin: 0 0 .2em;
}
h2 {
  font-size: 1.2em;
  margin: 1.6em 0 .6em;
}
h3 {
  font-size: 1em;
  margin: 0;
}
h3.one {
  font-size: 1.2em;
  margin-top: 1.6em;
}
p {
  margin: .3em 0;
  color: var(--faint);
}
.note {
  background: var(--note);
  color: var(--text);
  padding: .7em 1em;
  border-radius: 6px;
  max-width: 70em;
}
.table {
  overflow-x: auto;
  background: var(--ground);
  border: 1px solid var(--line);
  border-radius: 8px;
}
table {
  border-collapse: collapse;
  font-size: 13px;
  font-variant-numeric: tabular-nums;
  width: 100%;
}
th, td {
  padding: .45em .7em;
  text-align: right;
  white-space: nowrap;
  border-bottom: 1px solid var(--line);
}
tbody tr:last-child>* {
  border-bottom: 0;
}
thead th {
  color: var(--faint);
  font-weight: 600;
}
th[title] {
  cursor: help;
}
th:first-child {
  text-align: left;
  position: sticky;
  left: 0;
  background: var(--ground);
}
td:last-child, thead th:last-child {
  text-align: left;
}
.legend {
  font-size: 13px;
}
.plots {
  display: grid;
  grid-template-columns: repeat(auto-fit,minmax(min(100%,540px),1fr));
  gap: 16px;
  margin: 14px 0;
}
figure {
  margin: 0;
  background: var(--ground);
  border: 1px solid var(--line);
  border-radius: 8px;
  padding: 14px 16px 8px;
  min-width: 0;
}
figure.wide {
  grid-column: 1/-1;
}
figcaption p {
  font-size: 13px;
  margin: 0 0 .4em;
}
.plot {
  height: 340px;
  width: 100%;
}
.choice {
  display: flex;
  flex-wrap: wrap;
  gap: 1.5em;
}
select {
  font: inherit;
  color: inherit;
  background: var(--ground);
  border: 1px solid var(--line);
  border-radius: 6px;
  padding: .25em .5em;
  max-width: 40em;
}
main {
  padding-bottom: 48px;
}
@media print {
  body {
    background: #fff;
  }
  figure, .table {
    break-inside: avoid;
  }
}
`;
