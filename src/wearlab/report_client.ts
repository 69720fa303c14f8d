/**
 * Draws a report, in the browser: the compiled file is put into the page as it is, so that it
 * imports nothing. `echarts` is there before it.
 */
import type { ReportModel, ReportRun, ReportVariant } from './report_model.js';

/** What is used of the page, and of ECharts; neither has types in a compiler for Node. */
interface Element {
  textContent: string;
  value: string;
  hidden: boolean;
  addEventListener(type: string, listener: () => void): void;
  append(...children: Element[]): void;
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
}
interface Chart {
  setOption(option: object, notMerge: boolean): void;
  resize(): void;
}
interface Page {
  getElementById(id: string): Element | null;
  createElement(tag: string): Element;
}
interface Browser {
  readonly document: Page;
  readonly echarts: {
    init(element: Element, theme: null, options: { renderer: 'canvas' | 'svg' }): Chart;
  };
  matchMedia(query: string): { readonly matches: boolean; addEventListener: Listen };
  addEventListener: Listen;
}
type Listen = (type: string, listener: () => void) => void;

const browser = globalThis as unknown as Browser;
const { document } = browser;
const model = JSON.parse(document.getElementById('data')!.textContent) as ReportModel;

/** After Okabe and Ito: told apart by all eyes; a second set for dark pages. */
const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#5f5f5f'];
const DARK = ['#56b4e9', '#e69f00', '#2fc79a', '#dd93ba', '#f0e442', '#ff7f2a', '#b5b5b5'];
/** Cividis, made for the colour-blind. */
const HEAT = ['#00224e', '#123570', '#3b496c', '#575d6d', '#707173'].concat([
  '#8a8678',
  '#a59c74',
  '#c3b369',
  '#e1cc55',
  '#fee838',
]);
const DASHES = ['solid', 'dashed', 'dotted'];

const dark = browser.matchMedia('(prefers-color-scheme: dark)');
const colours = () =>
  dark.matches
    ? { text: '#d7dbe0', faint: '#8d949e', grid: '#31363d', ground: '#1b1f24', palette: DARK }
    : { text: '#24292f', faint: '#6a737d', grid: '#e3e6ea', ground: '#ffffff', palette: LIGHT };

const escaped = (text: string): string => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

function bytes(value: number): string {
  let unit = 0;
  let rest = value;
  while (rest >= 1024 && unit < UNITS.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : Number(rest.toPrecision(3))} ${UNITS[unit]}`;
}

function figure(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

const percent = (share: number): string => `${figure(share * 100)} %`;

function days(value: number): string {
  const seconds = value * 86_400;
  if (seconds < 120) return `${figure(seconds)} s`;
  if (seconds < 7200) return `${figure(seconds / 60)} min`;
  return value < 2 ? `${figure(value * 24)} h` : `${figure(value)} days`;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** One line of a tooltip. */
const row = (name: string, value: string): string =>
  `${escaped(name)} <b style="float:right;margin-left:1.5em">${escaped(value)}</b>`;

type Values = readonly (number | string)[];
interface Point {
  readonly seriesName: string;
  readonly name: string;
  readonly marker: string;
  readonly value: Values;
}

/** What all plots share. */
function base(tooltip: object): Record<string, unknown> {
  const { text, grid, ground, palette } = colours();
  return {
    color: palette,
    backgroundColor: 'transparent',
    animation: false,
    aria: { enabled: true },
    textStyle: { color: text, fontFamily: 'system-ui, sans-serif' },
    grid: { left: 12, right: 24, top: 44, bottom: 12, containLabel: true },
    legend: { type: 'scroll', top: 4, textStyle: { color: text }, pageTextStyle: { color: text } },
    tooltip: {
      confine: true,
      backgroundColor: ground,
      borderColor: grid,
      textStyle: { color: text, fontSize: 12 },
      ...tooltip,
    },
  };
}

function axis(name: string, more: object): Record<string, unknown> {
  const { text, faint, grid } = colours();
  return {
    name,
    nameLocation: 'middle',
    nameGap: 30,
    nameTextStyle: { color: faint },
    axisLine: { lineStyle: { color: faint } },
    axisLabel: { color: text, hideOverlap: true },
    splitLine: { lineStyle: { color: grid } },
    ...more,
  };
}

/** Below 0 there is nothing, and names of axes need room. */
const sizeAxis = (name: string, more: object = {}): Record<string, unknown> =>
  axis(name, { type: 'value', min: 0, ...more });

/** Ticks at round numbers of binary units. */
function bytesAxis(largest: number): Record<string, unknown> {
  const { text } = colours();
  const unit = 1024 ** Math.max(0, Math.floor(Math.log(largest / 2) / Math.log(1024)));
  let step = 1;
  for (let n = 0; largest / (step * unit) > 6; n++) step *= [2, 2.5, 2][n % 3]!;
  return sizeAxis('bytes written by programs', {
    max: 'dataMax',
    interval: step * unit,
    axisLabel: { color: text, hideOverlap: true, showMaxLabel: false, formatter: bytes },
  });
}

const WITH_NAMES = { left: 28, right: 28, top: 44, bottom: 30, containLabel: true };

const ofRuns = (
  variant: ReportVariant,
  value: (run: ReportRun) => number | null | undefined,
): number[] => variant.runs.map(value).filter((one) => typeof one === 'number');

const meanOf = (variant: ReportVariant, value: (run: ReportRun) => number | null | undefined) => {
  const values = ofRuns(variant, value);
  return values.length === 0 ? null : mean(values);
};

const shown = (value: number | null, format: (value: number) => string): string =>
  value === null ? '–' : format(value);

/** What plots with a row for each variant share; `told`: lines on that under the pointer. */
function byVariant(
  variants: readonly ReportVariant[],
  told: (variant: ReportVariant) => readonly string[],
): Record<string, unknown> {
  const tooltip = {
    trigger: 'axis',
    axisPointer: { type: 'shadow' },
    formatter: (points: Point[]) => {
      const variant = variants.find(({ label }) => label === points[0]?.name);
      if (variant === undefined) return '';
      return [`<b>${escaped(variant.label)}</b>`, ...told(variant)].join('<br>');
    },
  };
  return {
    ...base(tooltip),
    grid: { ...WITH_NAMES, left: 12 },
    yAxis: axis('', {
      type: 'category',
      inverse: true,
      data: variants.map(({ label }) => label),
      axisLabel: { color: colours().text, width: 190, overflow: 'truncate' },
    }),
  };
}

/** Horizontal bars, a variant each: its mean, and a dot for every seed. */
function bars(
  variants: readonly ReportVariant[],
  name: string,
  value: (run: ReportRun) => number | null,
  format: (value: number) => string,
): object {
  return {
    ...byVariant(variants, (variant) => [
      row('mean', shown(meanOf(variant, value), format)),
      ...variant.runs.slice(0, 12).map((run) => row(`seed ${run.seed}`, shown(value(run), format))),
    ]),
    grid: { ...WITH_NAMES, top: 12, left: 12 },
    legend: { show: false },
    xAxis: sizeAxis(name),
    series: [
      {
        name: 'mean',
        type: 'bar',
        barMaxWidth: 22,
        data: variants.map((variant) => meanOf(variant, value)),
      },
      {
        name: 'seeds',
        type: 'scatter',
        symbolSize: 7,
        itemStyle: { opacity: 0.85, borderColor: colours().ground, borderWidth: 1 },
        data: variants.flatMap((variant) =>
          ofRuns(variant, value).map((one) => [one, variant.label]),
        ),
      },
    ],
  };
}

function causes(variants: readonly ReportVariant[]): object {
  const part = (variant: ReportVariant, cause: string): number | null =>
    meanOf(variant, ({ summary }) => {
      const by = summary.amplification?.byCause;
      return by?.[cause as keyof typeof by];
    });
  return {
    ...byVariant(variants, (variant) => {
      const total = meanOf(variant, ({ summary }) => summary.amplification?.total);
      return [
        row('bytes programmed per byte written', shown(total, figure)),
        ...model.causes.map((cause) => row(cause, figure(part(variant, cause) ?? 0))),
      ];
    }),
    xAxis: sizeAxis('bytes programmed per byte written'),
    series: model.causes.map((cause) => ({
      name: cause,
      type: 'bar',
      stack: 'causes',
      barMaxWidth: 22,
      itemStyle: { borderColor: colours().ground, borderWidth: 0.5 },
      data: variants.map((variant) => part(variant, cause)),
    })),
  };
}

function byFill(variants: readonly ReportVariant[]): object {
  const several = new Set(variants.map(({ name }) => name)).size > 1;
  const seriesOf = ({ name, policy }: ReportVariant): string =>
    several ? `${name}, ${policy}` : policy;
  return {
    ...base({
      trigger: 'item',
      formatter: ({ value }: Point) =>
        [
          `<b>${escaped(String(value[2]))}</b>`,
          row('fill level', percent(Number(value[0]))),
          row('write amplification', figure(Number(value[1]))),
          row('seed', String(value[3])),
        ].join('<br>'),
    }),
    grid: WITH_NAMES,
    xAxis: sizeAxis('share of the flash that is in use', {
      max: 1,
      axisLabel: { color: colours().text, formatter: percent },
    }),
    yAxis: sizeAxis('write amplification', { nameGap: 36 }),
    series: [...new Set(variants.map(seriesOf))].map((series, n) => ({
      name: series,
      type: 'line',
      symbolSize: 9,
      symbol: ['circle', 'rect', 'triangle', 'diamond', 'pin', 'arrow'][n % 6],
      lineStyle: { type: DASHES[n % DASHES.length], width: 1.5 },
      data: variants
        .filter((variant) => seriesOf(variant) === series)
        .flatMap(({ label, runs }) =>
          runs.flatMap(({ seed, summary }) =>
            summary.amplification === null
              ? []
              : [[summary.fill, summary.amplification.total, label, seed] as const],
          ),
        )
        .sort((a, b) => a[0] - b[0]),
    })),
  };
}

function lorenz(variants: readonly ReportVariant[]): object {
  const series = variants.flatMap(({ label, runs }) =>
    runs.slice(0, 1).map((run) => ({ label, run })),
  );
  return {
    ...base({
      trigger: 'axis',
      formatter: (points: Point[]) =>
        [
          `the least worn ${percent(Number(points[0]?.value[0] ?? 0))} of the blocks`,
          ...points.map(
            (point) => point.marker + row(point.seriesName, percent(Number(point.value[1]))),
          ),
        ].join('<br>'),
    }),
    grid: WITH_NAMES,
    xAxis: sizeAxis('share of the blocks, least worn first', {
      max: 1,
      axisLabel: { color: colours().text, formatter: percent },
    }),
    yAxis: sizeAxis('share of the erases', {
      max: 1,
      nameGap: 44,
      axisLabel: { color: colours().text, formatter: percent },
    }),
    series: [
      {
        name: 'even wear',
        type: 'line',
        showSymbol: false,
        color: colours().faint,
        lineStyle: { type: 'dashed', width: 1 },
        data: Array.from({ length: 101 }, (_, n) => [n / 100, n / 100]),
      },
      ...series.map(({ label, run }, n) => ({
        name: label,
        type: 'line',
        showSymbol: false,
        color: colours().palette[n % 7],
        lineStyle: { width: 2, type: DASHES[Math.floor(n / 7) % DASHES.length] },
        data: run.lorenz,
      })),
    ],
  };
}

/** From the shorter projection to the longer one; a mark where a block did fail. */
function lifetimes(variants: readonly ReportVariant[]): object {
  const { palette } = colours();
  const least = (run: ReportRun) => run.summary.lifetime?.atLeast.hostBytes;
  const most = (run: ReportRun) => run.summary.lifetime?.atMost.hostBytes;
  const daysLeast = (run: ReportRun) => run.summary.lifetime?.atLeast.days;
  const daysMost = (run: ReportRun) => run.summary.lifetime?.atMost.days;
  const first = (run: ReportRun) => run.summary.firstBadBlock?.hostBytes;
  const low = (variant: ReportVariant): number | null => meanOf(variant, least);
  return {
    ...byVariant(variants, (variant) => [
      row('if every block keeps its rate', shown(low(variant), bytes)),
      row('', shown(meanOf(variant, daysLeast), days)),
      row('if all wear alike', shown(meanOf(variant, most), bytes)),
      row('', shown(meanOf(variant, daysMost), days)),
      row('first bad block in the run', shown(meanOf(variant, first), bytes)),
    ]),
    grid: { ...WITH_NAMES, left: 12, right: 40 },
    legend: { ...(base({}).legend as object), data: ['projected', 'first bad block'] },
    xAxis: {
      ...bytesAxis(
        Math.max(1, ...variants.flatMap((one) => [...ofRuns(one, most), ...ofRuns(one, first)])),
      ),
      name: 'bytes written until the first block is worn out',
      max: null,
    },
    series: [
      {
        name: 'from',
        type: 'bar',
        stack: 'range',
        silent: true,
        itemStyle: { color: 'transparent' },
        data: variants.map(low),
      },
      {
        name: 'projected',
        type: 'bar',
        stack: 'range',
        barMaxWidth: 22,
        barMinHeight: 3,
        itemStyle: { color: palette[0] },
        data: variants.map((variant) => {
          const [from, to] = [low(variant), meanOf(variant, most)];
          return from === null || to === null ? null : to - from;
        }),
      },
      {
        name: 'first bad block',
        type: 'scatter',
        symbol: 'diamond',
        symbolSize: 11,
        itemStyle: { color: palette[1] },
        data: variants.flatMap((variant) => {
          const at = meanOf(variant, first);
          return at === null ? [] : [[at, variant.label]];
        }),
      },
    ],
  };
}

function heat({ heat: map }: ReportRun, between: boolean): object {
  const cells: [number, number, number][] = [];
  let top = 0;
  for (const [x, column] of map.erases.entries()) {
    for (const [y, erases] of column.entries()) {
      const value = between ? Math.max(0, erases - (map.erases[x - 1]?.[y] ?? 0)) : erases;
      top = Math.max(top, value);
      cells.push([x, y, Number(value.toPrecision(4))]);
    }
  }
  const blocks = (y: number): string => {
    const [from, to] = [map.rows[y]!, map.rows[y + 1]! - 1];
    return from === to ? `block ${from}` : `blocks ${from}–${to}`;
  };
  const { text } = colours();
  return {
    ...base({
      position: 'top',
      formatter: ({ value }: Point) => {
        const [x, y] = [Number(value[0]), Number(value[1])];
        return [
          `<b>${blocks(y)}</b>`,
          row(
            between ? 'erases since the column before' : 'erases so far',
            figure(Number(value[2])),
          ),
          row('written', bytes(map.hostBytes[x]!)),
          row('device time', days(map.days[x]!)),
        ].join('<br>');
      },
    }),
    legend: { show: false },
    grid: { left: 34, right: 96, top: 16, bottom: 32, containLabel: true },
    xAxis: axis('bytes written by programs', {
      type: 'category',
      data: map.hostBytes.map(bytes),
      splitArea: { show: false },
    }),
    yAxis: axis('erase block', {
      type: 'category',
      inverse: true,
      nameGap: 42,
      data: map.rows.slice(0, -1).map(String),
    }),
    visualMap: {
      min: 0,
      max: top === 0 ? 1 : top,
      calculable: true,
      right: 4,
      top: 'middle',
      itemHeight: 180,
      text: ['erases', ' '],
      textStyle: { color: text },
      inRange: { color: HEAT },
      formatter: (value: number) => figure(value),
    },
    series: [{ type: 'heatmap', progressive: 0, data: cells, emphasis: { disabled: true } }],
  };
}

function histogramPlot({ histogram: bins }: ReportRun): object {
  return {
    ...base({
      trigger: 'axis',
      axisPointer: { type: 'shadow' },
      formatter: (points: { readonly dataIndex: number }[]) => {
        const bin = bins[points[0]?.dataIndex ?? 0]!;
        const range = bin[1] - bin[0] === 1 ? String(bin[0]) : `${bin[0]} – ${bin[1] - 1}`;
        return [row('erases', range), row('blocks', figure(bin[2]))].join('<br>');
      },
    }),
    legend: { show: false },
    grid: { ...WITH_NAMES, top: 16 },
    xAxis: axis('erases of a block', {
      type: 'category',
      data: bins.map(([from]) => String(from)),
    }),
    yAxis: sizeAxis('blocks', { minInterval: 1, nameGap: 36 }),
    series: [{ type: 'bar', barCategoryGap: '8%', data: bins.map((bin) => bin[2]) }],
  };
}

function course({ course: points }: ReportRun): object {
  const { palette } = colours();
  const line = (name: string, at: 1 | 2 | 3, n: number): object => ({
    name,
    type: 'line',
    showSymbol: false,
    color: palette[n],
    lineStyle: { width: 2, type: DASHES[n] },
    data: points.map((point) => [point[0], point[at]]),
  });
  return {
    ...base({
      trigger: 'axis',
      formatter: (shown: Point[]) =>
        [
          `${bytes(Number(shown[0]?.value[0] ?? 0))} written`,
          ...shown.map(
            (point) => point.marker + row(point.seriesName, figure(Number(point.value[1]))),
          ),
        ].join('<br>'),
    }),
    grid: WITH_NAMES,
    xAxis: bytesAxis(points.at(-1)![0]),
    yAxis: sizeAxis('erases', { nameGap: 44 }),
    series: [line('most worn block', 3, 1), line('mean', 2, 0), line('least worn block', 1, 2)],
  };
}

function amplificationPlot({ amplification }: ReportRun): object {
  return {
    ...base({
      trigger: 'axis',
      formatter: (shown: Point[]) =>
        [
          `${bytes(Number(shown[0]?.value[0] ?? 0))} written`,
          row('write amplification', figure(Number(shown[0]?.value[1] ?? 0))),
        ].join('<br>'),
    }),
    legend: { show: false },
    grid: { ...WITH_NAMES, top: 16 },
    xAxis: bytesAxis(amplification.at(-1)?.[0] ?? 1),
    yAxis: sizeAxis('write amplification', { nameGap: 36 }),
    series: [
      {
        name: 'write amplification',
        type: 'line',
        showSymbol: amplification.length < 3,
        lineStyle: { width: 2 },
        data: amplification,
      },
    ],
  };
}

function collectedPlot({ collected }: ReportRun): object {
  const lists = Object.entries(collected).filter(([, count]) => count > 0);
  const all = lists.reduce((sum, [, count]) => sum + count, 0);
  return {
    ...base({
      trigger: 'axis',
      axisPointer: { type: 'shadow' },
      formatter: (points: { readonly dataIndex: number }[]) => {
        const [name, count] = lists[points[0]?.dataIndex ?? 0] ?? ['', 0];
        return `${row(name, figure(count))}<br>${row('of all', percent(count / all))}`;
      },
    }),
    legend: { show: false },
    grid: { ...WITH_NAMES, top: 16 },
    xAxis: axis('list on which the collector found the block', {
      type: 'category',
      data: lists.map(([name]) => name.replaceAll('_', ' ')),
    }),
    yAxis: sizeAxis('blocks collected', { minInterval: 1, nameGap: 48 }),
    series: [{ type: 'bar', barMaxWidth: 60, data: lists.map(([, count]) => count) }],
  };
}

/** Plots and how each is drawn now: again when the page turns dark, or another run is chosen. */
const plots: { readonly chart: Chart; readonly draw: () => object }[] = [];

function plot(id: string, draw: () => object): void {
  const element = document.getElementById(id);
  if (element === null) return;
  const chart = browser.echarts.init(element, null, { renderer: 'canvas' });
  plots.push({ chart, draw });
  chart.setOption(draw(), true);
}

for (const [n, { variants }] of model.groups.entries()) {
  const cv = ({ summary }: ReportRun): number => summary.wear.coefficientOfVariation;
  plot(`g${n}-evenness`, () => bars(variants, 'coefficient of variation of erases', cv, figure));
  plot(`g${n}-causes`, () => causes(variants));
  plot(`g${n}-lifetime`, () => lifetimes(variants));
  plot(`g${n}-fill`, () => byFill(variants));
  plot(`g${n}-lorenz`, () => lorenz(variants));

  const all = variants.flatMap(({ label, runs }) =>
    runs.map((run) => ({ title: `${label}, seed ${run.seed}`, run })),
  );
  const select = document.getElementById(`g${n}-run`);
  const mode = document.getElementById(`g${n}-mode`);
  if (select === null || mode === null || all.length === 0) continue;
  const chosen = (): ReportRun => all[Number(select.value)]!.run;
  for (const [i, { title }] of all.entries()) {
    const option = document.createElement('option');
    option.value = String(i);
    option.textContent = title;
    select.append(option);
  }
  select.value = '0';
  const first = plots.length;
  plot(`g${n}-heat`, () => heat(chosen(), mode.value === 'between'));
  plot(`g${n}-histogram`, () => histogramPlot(chosen()));
  plot(`g${n}-course`, () => course(chosen()));
  plot(`g${n}-amplification`, () => amplificationPlot(chosen()));
  plot(`g${n}-collected`, () => collectedPlot(chosen()));
  const own = plots.slice(first);
  const redraw = (): void => {
    for (const { chart, draw } of own) chart.setOption(draw(), true);
  };
  select.addEventListener('change', redraw);
  mode.addEventListener('change', redraw);
}

dark.addEventListener('change', () => {
  for (const { chart, draw } of plots) chart.setOption(draw(), true);
});
browser.addEventListener('resize', () => {
  for (const { chart } of plots) chart.resize();
});
