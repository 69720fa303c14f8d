/** The statistics of a report as a table of HTML. */
import type { ReportRun, ReportVariant } from './report_model.js';

/** For HTML, also in attributes. */
export const text = (raw: string): string => raw.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

type Column = readonly [title: string, about: string, value: (run: ReportRun) => number | null];

/** Of days: "34 s", "12 min", "5 h", "2.5 d", "11 a". */
function days(value: number): string {
  const seconds = value * 86_400;
  if (seconds < 120) return `${plain(seconds)} s`;
  if (seconds < 7200) return `${plain(seconds / 60)} min`;
  if (value < 2) return `${plain(value * 24)} h`;
  return value < 3650 ? `${plain(value)} d` : `${plain(value / 365.25)} a`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

function bytes(value: number): string {
  let unit = 0;
  let rest = value;
  for (; rest >= 1024 && unit < UNITS.length - 1; unit++) rest /= 1024;
  return `${plain(rest)} ${UNITS[unit]}`;
}

const micros = (us: number): string => (us < 1000 ? `${plain(us)} µs` : `${plain(us / 1000)} ms`);

/** Three digits, or all before the point. */
function plain(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

const PERCENT = (share: number): string => `${plain(share * 100)} %`;

/** Title, explanation, value, and how it is written. */
const COLUMNS: readonly (readonly [...Column, format: (value: number) => string])[] = [
  ['written', 'bytes that programs wrote', ({ summary: s }) => s.hostBytes, bytes],
  ['device time', 'modelled', ({ summary: s }) => s.days, days],
  ['fill', 'share of the flash in use', ({ summary: s }) => s.fill, PERCENT],
  ['erases', 'of all blocks', ({ summary: s }) => s.wear.total, plain],
  ['min', 'erases of the least worn block', ({ summary: s }) => s.wear.min, plain],
  ['mean', 'erases per block', ({ summary: s }) => s.wear.mean, plain],
  ['max', 'erases of the most worn block', ({ summary: s }) => s.wear.max, plain],
  ['deviation', 'of the erases per block', ({ summary: s }) => s.wear.deviation, plain],
  ['CV', 'deviation by mean', ({ summary: s }) => s.wear.coefficientOfVariation, plain],
  ['Gini', '0: even wear', ({ summary: s }) => s.wear.gini, plain],
  ['max/mean', 'what even wear would gain', ({ summary: s }) => s.wear.maxToMean, plain],
  [
    'WA',
    'write amplification: bytes programmed per byte written',
    ({ summary: s }) => s.amplification?.total ?? null,
    plain,
  ],
  ['WA, 2nd half', 'when the flash has settled', ({ summary: s }) => s.amplificationLate, plain],
  [
    'clean collected',
    'share of the collected blocks that were clean',
    ({ summary: s }) => s.collectedClean,
    PERCENT,
  ],
  [
    'GC wait p50',
    'passes of the collector that a writer waited for, median',
    ({ summary: s }) => s.gcForeground.median,
    micros,
  ],
  ['GC wait p99', '99 % were shorter', ({ summary: s }) => s.gcForeground.p99, micros],
  ['GC wait max', 'the longest', ({ summary: s }) => s.gcForeground.max, micros],
  ['bad blocks', 'at the end', ({ summary: s }) => s.badBlocks, plain],
  [
    'first bad',
    'bytes written until the first block went bad',
    ({ summary: s }) => s.firstBadBlock?.hostBytes ?? null,
    bytes,
  ],
  ['', 'the same in device days', ({ summary: s }) => s.firstBadBlock?.days ?? null, days],
  [
    'uncorrectable',
    'reads that came too late or too often for ECC (read_disturb, retention_days)',
    ({ summary: s }) => s.uncorrectable || null,
    plain,
  ],
  [
    'lifetime ≥',
    'projected until the first block is worn out, if every block keeps its rate',
    ({ summary: s }) => s.lifetime?.atLeast.hostBytes ?? null,
    bytes,
  ],
  ['', 'the same in device days', ({ summary: s }) => s.lifetime?.atLeast.days ?? null, days],
  [
    'lifetime ≤',
    'projected, if all blocks wear alike from now on',
    ({ summary: s }) => s.lifetime?.atMost.hostBytes ?? null,
    bytes,
  ],
  ['', 'the same in device days', ({ summary: s }) => s.lifetime?.atMost.days ?? null, days],
];

/** A row a variant: means over its seeds, and under the pointer the least and the greatest. */
export function statisticsTable(variants: readonly ReportVariant[]): string {
  const used = COLUMNS.filter(([, , value]) =>
    variants.some(({ runs }) => runs.some((run) => value(run) !== null)),
  );
  const head = used
    .map(([title, about]) => `<th scope="col" title="${text(about)}">${text(title)}</th>`)
    .join('');
  const body = variants.map(({ label, runs }) => {
    const cells = used.map(([, , value, format]) => {
      const values = runs.map(value).filter((one) => one !== null);
      if (values.length === 0) return '<td>–</td>';
      const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
      const range = `${format(Math.min(...values))} … ${format(Math.max(...values))}`;
      return `<td title="${text(range)}">${text(format(mean))}</td>`;
    });
    const reasons = [...new Set(runs.map(({ summary }) => summary.reason))].join(', ');
    return (
      `<tr><th scope="row">${text(label)}</th><td>${runs.length}</td>${cells.join('')}` +
      `<td>${text(reasons.replaceAll('_', ' '))}</td></tr>`
    );
  });
  return `<div class="table"><table>
<thead><tr><th scope="col">variant</th>
<th scope="col" title="runs that differ in nothing else">seeds</th>
${head}
<th scope="col">ended by</th></tr></thead>
<tbody>
${body.join('\n')}
</tbody></table></div>
<p class="legend">
Means over the seeds; the pointer shows their range, and what a column means.</p>`;
}
