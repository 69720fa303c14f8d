/**
 * The report: one HTML page that needs nothing else, with the figures as tables and plots that
 * answer to the pointer. The same results make the same bytes.
 */
import type { Run } from './run_results.js';
import { reportModel, type ReportGroup } from './report_model.js';
import { REPORT_STYLE } from './report_style.js';
import { statisticsTable, text } from './report_table.js';

export interface ReportParts {
  readonly title: string;
  /** Source of ECharts, for the browser. */
  readonly plotting: string;
  /** report_client.ts, compiled. */
  readonly script: string;
}

/** The page asks the network for nothing. */
const CONTENT_POLICY =
  "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";

/** Runs without a sample are only counted. */
export function reportPage(runs: readonly Run[], parts: ReportParts): string {
  const model = reportModel(runs);
  const shown = model.groups.flatMap(({ variants }) => variants.flatMap((one) => one.runs)).length;
  const data = JSON.stringify(model).replaceAll('<', '\\u003c');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${CONTENT_POLICY}">
<title>${text(parts.title)}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<header>
<h1>${text(parts.title)}</h1>
<p>${count(shown, 'run')}${cutOff(runs, shown)}. Times are the flash's own, modelled; no figure
depends on the machine that ran this.</p>
${model.groups.length > 1 ? SEVERAL_CLOCKS : ''}
</header>
<main>
${model.groups.map(section).join('\n')}
</main>
<script type="application/json" id="data">${data}</script>
<script>${inline(parts.plotting)}</script>
<script type="module">${inline(parts.script)}</script>
</body>
</html>
`;
}

/** Nothing in a script may end its element. */
const inline = (script: string): string =>
  script.replace(/<\/(script)/gi, '<\\/$1').replace(/^\/\/# sourceMappingURL=.*$/gm, '');

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

function cutOff(runs: readonly Run[], shown: number): string {
  const open = runs.filter(({ end }) => end === null).length;
  const empty = runs.length - shown;
  const parts = [
    ...(open > empty ? [`${open - empty} of them cut off`] : []),
    ...(empty > 0 ? [`${empty} more cut off before the first sample`] : []),
  ];
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

const SEVERAL_CLOCKS = `<p class="note" role="note">
<strong>These runs have different clock models.</strong>
The collector of jffs2 chooses its victims by the clock and sleeps by it, so that only runs under
one clock model compare. They are shown apart.</p>`;

interface Figure {
  readonly title: string;
  /** A sentence on what is to be seen. */
  readonly about: string;
  readonly size?: 'tall' | 'wide';
}

/** By the id that report_client.ts looks for: of all runs together. */
const COMPARISONS: Readonly<Record<string, Figure>> = {
  evenness: {
    title: 'How evenly blocks wear',
    about: 'Deviation by mean of the erases per block: 0 is even. Bars: mean of the seeds.',
    size: 'tall',
  },
  causes: {
    title: 'Write amplification by cause',
    about: 'What is programmed for each byte that programs write.',
    size: 'tall',
  },
  lifetime: {
    title: 'Projected lifetime',
    about:
      'From the second half of the run: at least, if every block keeps its rate; at most, if all ' +
      'wear alike from then on.',
    size: 'tall',
  },
  fill: {
    title: 'Write amplification by fill level',
    about: 'A point per run; lines join runs of a policy.',
  },
  lorenz: {
    title: 'Lorenz curves',
    about: 'The more a curve sags, the fewer blocks bear the wear. First seed of each variant.',
  },
};

/** Of the run that is chosen. */
const DETAILS: Readonly<Record<string, Figure>> = {
  heat: {
    title: 'Erase blocks over time',
    about:
      'Each row some blocks, each column a moment. Rows that stay dark hold data that do not move.',
    size: 'wide',
  },
  histogram: {
    title: 'Histogram',
    about: 'How many blocks have had how many erases, at the end.',
  },
  course: {
    title: 'Erases over time',
    about: 'The most and the least worn block draw apart where wear is not levelled.',
  },
  amplification: {
    title: 'Write amplification over time',
    about: 'Between one sample and the next.',
  },
  collected: {
    title: 'What was collected',
    about:
      "jffs2's lists. Linux takes a clean block 2 times in 128, which is what moves data that " +
      'never change.',
  },
};

const LINES_OF_PLOT_PX = 34;

function section(group: ReportGroup, n: number): string {
  const variants = group.variants.filter(({ runs }) => runs.length > 0);
  if (variants.length === 0) return '';
  const rows = Math.max(2, group.variants.length);
  const heights = { tall: Math.min(1400, 90 + rows * LINES_OF_PLOT_PX), wide: 420 };
  const hasLifetime = variants.some(({ runs }) =>
    runs.some(({ summary }) => summary.lifetime !== null || summary.firstBadBlock !== null),
  );
  const figures = (all: Readonly<Record<string, Figure>>): string =>
    Object.entries(all)
      .filter(([id]) => id !== 'lifetime' || hasLifetime)
      .map(([id, { title, about, size }]) => {
        const style = size === undefined ? '' : ` style="height:${heights[size]}px"`;
        return `<figure${size === 'wide' ? ' class="wide"' : ''}>
<figcaption><h3>${text(title)}</h3><p>${text(about)}</p></figcaption>
<div class="plot" id="g${n}-${id}" role="img" aria-label="${text(title)}"${style}></div>
</figure>`;
      })
      .join('\n');
  return `<section id="g${n}">
<h2>Clock: ${text(group.clock)}</h2>
${statisticsTable(variants)}
<div class="plots">
${figures(COMPARISONS)}
</div>
<h3 class="one">One run</h3>
<p class="choice"><label>Run <select id="g${n}-run"></select></label>
<label>Heat map <select id="g${n}-mode">
<option value="so-far">erases so far</option><option value="between">erases in between</option>
</select></label></p>
<div class="plots">
${figures(DETAILS)}
</div>
</section>`;
}
