/** Runs that differ in their seed alone are one variant; what it is called says how it differs. */
import { experimentFields, type Run } from './run_results.js';

export interface Variant {
  /** Unique among the variants of one call. */
  readonly label: string;
  /** By seed, ascending. */
  readonly runs: readonly Run[];
}

export interface Variants {
  readonly variants: readonly Variant[];
  readonly labels: ReadonlyMap<Run, string>;
}

const percent = (value: unknown): string => `${Math.round(Number(value) * 1000) / 10} %`;

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB'];

/** "64 KiB"; what is no round number of a unit stays in bytes. */
export function sizeText(bytes: number): string {
  let unit = -1;
  let value = bytes;
  while (value >= 1024 && value % 1024 === 0 && unit + 1 < UNITS.length) {
    value /= 1024;
    unit++;
  }
  return unit < 0 ? `${bytes} bytes` : `${value} ${UNITS[unit]}`;
}

/** How a field is shown in a label. */
const SHOWN: Readonly<Record<string, (value: unknown) => string>> = {
  'policy.name': String,
  'fill.static': (value) => `${percent(value)} static`,
  'clock.hz': (value) => `HZ ${value}`,
  'clock.model': (value) => `${value} clock`,
  'chip.size': (value) => `${sizeText(Number(value))} chip`,
  'chip.erasesize': (value) => `${sizeText(Number(value))} blocks`,
  'chip.endurance.cycles': (value) => `${value} cycles`,
  'filesystem.summary': (value) => (value ? 'summaries' : 'no summaries'),
  'filesystem.compr': (value) => `compr ${value}`,
};

function fieldText(path: string, value: unknown): string {
  const shown = SHOWN[path];
  if (shown !== undefined) return shown(value);
  return `${path.replace(/^(workload\.0|policy\.options)\./, '')} ${value ?? 'unset'}`;
}

/** In the order of the first of each group. */
export function groupBy<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}

/** The policy first, then by the alphabet. */
const byImportance = (a: string, b: string): number =>
  Number(b.startsWith('policy.')) - Number(a.startsWith('policy.')) || (a < b ? -1 : 1);

/** In the order of the runs. */
export function variantsOf(runs: readonly Run[]): Variants {
  const fields = new Map(runs.map((run) => [run, experimentFields(run.header.experiment)]));
  const families = groupBy(runs, ({ header }) => header.experiment.name);
  const variants: Variant[] = [];
  const labels = new Map<Run, string>();
  for (const family of families) {
    const all = family.map((run) => fields.get(run)!);
    const paths = [...new Set(all.flatMap((of) => [...of.keys()]))].sort(byImportance);
    const differing = paths.filter((path) => new Set(all.map((of) => of.get(path))).size > 1);
    const fidelities = new Set(family.map(({ header }) => header.fidelity)).size;
    const groups = groupBy(family, (run) =>
      JSON.stringify([differing.map((path) => fields.get(run)!.get(path)), run.header.fidelity]),
    );
    for (const group of groups) {
      const { header } = group[0]!;
      const of = fields.get(group[0]!)!;
      const parts = differing.map((path) => fieldText(path, of.get(path)));
      if (fidelities > 1) parts.push(`${header.fidelity} fidelity`);
      if (families.length > 1 || parts.length === 0) parts.unshift(header.experiment.name);
      const label = parts.join(', ');
      const bySeed = [...group].sort((a, b) => a.header.seed - b.header.seed);
      variants.push({ label, runs: bySeed });
      for (const run of group) labels.set(run, label);
    }
  }
  return { variants, labels };
}
