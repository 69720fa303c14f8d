/**
 * An experiment as data: which chip, which file system on it, what is done to it, when it ends.
 * YAML or JSON; {@link EXPERIMENT_SCHEMA} is the contract, and what it says is checked before
 * anything runs. Sizes are bytes, or text as "64 MiB".
 *
 * {@link parseExperiment} fills in what was left out, so that all who read an {@link Experiment}
 * find every field there.
 */
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { type Document, isSeq, parseDocument } from 'yaml';
import { Errno } from '../lump/errno.js';
import { nand_decode_id } from '../mtd/nand_ids.js';
import { EXPERIMENT_SCHEMA, type FieldSchema, isSize } from './schema.js';

/** What is wrong with an experiment: a message for a person, with the place. */
export class ExperimentError extends Error {
  override readonly name = 'ExperimentError';
}

/** The chip of an experiment. Bytes. */
export interface ChipSpec {
  readonly kind: 'nor' | 'nand';
  /** NAND: id bytes in hex, as "20a20015", for the sizes that are not given; or ''. */
  readonly id: string;
  /** Bytes of the chip (OOB not counted), of an erase block; NAND: of a page and of its OOB. */
  readonly size: number;
  readonly erasesize: number;
  readonly writesize: number;
  readonly oobsize: number;
  readonly endurance: EnduranceSpec | null;
  /** Null: a typical chip's, see timing_of in src/mtd/timing.ts. */
  readonly timing: TimingSpec | null;
}

/** How long its operations take; see src/mtd/timing.ts. */
export interface TimingSpec {
  readonly read_unit_us: number;
  readonly read_byte_us: number;
  readonly program_unit_us: number;
  readonly program_byte_us: number;
  readonly erase_block_us: number;
}

/** How many erases each block survives: drawn from a distribution, by the run's seed. */
export interface EnduranceSpec {
  /** Mean, erases per block. */
  readonly cycles: number;
  /** Standard deviation, as a share of the mean. */
  readonly spread: number;
  readonly distribution: 'normal' | 'lognormal' | 'weibull';
  /** Share of the blocks that fail while they are programmed, not while they are erased. */
  readonly program_failures: number;
  /** Reads of a block since its erase after which it cannot be corrected any more; 0: never. */
  readonly read_disturb: number;
  /** Days after which what was programmed cannot be corrected any more; 0: never. */
  readonly retention_days: number;
}

/** What is mounted on it, and how. */
export interface FileSystemSpec {
  /** Codec or mode, as jffs2's mount option. */
  readonly compr: string;
  /** Write erase block summaries. */
  readonly summary: boolean;
  /** As Linux 6.1: its collector reserves a node's length where its summary entry's is meant. */
  readonly linux_summary_quirk: boolean;
  /** As Linux: what wakes the background collector ends its pause between two passes, too. */
  readonly linux_gc_trigger: boolean;
}

/** How simulated time goes on. */
export interface ClockSpec {
  /** 'modelled': ticks come from the chip's own times. 'frozen': no tick ever, for comparison. */
  readonly model: 'modelled' | 'frozen';
  /** Ticks per second. */
  readonly hz: 100 | 250 | 1000;
}

/** What files hold: how far their pages can be compressed. */
export interface DataSpec {
  /** Compressed by plain size, mean over pages; 1 cannot be compressed. */
  readonly ratio: number;
  /** Half the width of the range in which pages differ. */
  readonly spread: number;
}

/** Files that are written before the workload starts, and never again. */
export interface FillSpec {
  /** Share of the chip that they take, plain bytes by chip size. */
  readonly static: number;
  readonly filesize: number;
}

/** One generator; several take turns, by weight. */
export interface WorkloadSpec {
  readonly type:
    | 'overwrite'
    | 'hot_cold'
    | 'zipf'
    | 'append_log'
    | 'rotate'
    | 'copy_delete'
    | 'trace';
  readonly weight: number;
  /** Modelled pause after each operation, ms: the device sleeps, its background threads do not. */
  readonly pause_ms: number;
  /** fsync after so many operations; 0: never. */
  readonly fsync_every: number;
  /** Files in the working set, and bytes of each. */
  readonly files: number;
  readonly filesize: number;
  /** Bytes written at once. */
  readonly io: number;
  /** hot_cold: share of the files that are hot, and share of the writes that they get. */
  readonly hot_files: number;
  readonly hot_writes: number;
  /** zipf: exponent. */
  readonly exponent: number;
  /** rotate: how many old logs are kept. */
  readonly keep: number;
  /** overwrite, hot_cold, zipf: replace whole files by new ones that are renamed over them. */
  readonly replace: boolean;
  /** trace: file of operations, relative to the experiment's. */
  readonly trace: string;
}

/** What the file system decides otherwise than Linux. */
export interface PolicySpec {
  /** A name that `wear_lab list` shows, or 'module'. */
  readonly name: string;
  /** 'module': path of an ES module, relative to the experiment's file. */
  readonly module: string;
  /** The policy's own parameters. */
  readonly options: Readonly<Record<string, number>>;
}

/** The run ends when one of these is reached. */
export interface StopSpec {
  readonly host_bytes: number | null;
  readonly operations: number | null;
  readonly erases: number | null;
  readonly device_days: number | null;
  /** Blocks gone bad; a share of all blocks gone bad. */
  readonly bad_blocks: number | null;
  readonly bad_share: number | null;
}

/**
 * When a run can be left, to go on from there later: it closes its files, writes out what is in the
 * write buffer, and reads what it needs again, which takes no time and is no wear. A part of the
 * experiment, so that a run that was left and one that was not do the same.
 */
export interface CheckpointSpec {
  /** After so many erases, and each time again; null: never. */
  readonly erases: number | null;
}

/** A whole experiment: the same description and seed give the same result. */
export interface Experiment {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly chip: ChipSpec;
  readonly filesystem: FileSystemSpec;
  readonly clock: ClockSpec;
  readonly data: DataSpec;
  readonly fill: FillSpec;
  readonly workload: readonly WorkloadSpec[];
  readonly policy: PolicySpec;
  readonly stop: StopSpec;
  readonly checkpoint: CheckpointSpec;
  readonly seeds: readonly number[];
  readonly fidelity: 'full' | 'fast';
  /** Samples that a whole run gives. */
  readonly samples: number;
  /** Dotted path of a field → values that a sweep gives it, all combinations. */
  readonly sweep: Readonly<Record<string, readonly unknown[]>>;
}

let validate: ReturnType<Ajv2020['compile']> | null = null;

/**
 * Reads an experiment: YAML, of which JSON is a part.
 * @param name the experiment's, unless it says another; files: theirs without the ending.
 * @param changes of fields, as a command line has them: "fill.static=0.4"; what the experiment
 *   lists for such a field under "sweep" counts no longer.
 * @throws ExperimentError
 */
export function parseExperiment(
  text: string,
  name: string,
  changes: readonly string[] = [],
): Experiment {
  const document = parseDocument(text, { prettyErrors: true });
  const [error] = document.errors;
  if (error) throw new ExperimentError(`${name}: is no YAML: ${error.message.trimEnd()}`);
  let value: unknown;
  try {
    for (const change of changes) setField(document, change);
    value = document.toJS();
  } catch (thrown) {
    if (thrown instanceof ExperimentError) throw thrown;
    // Aliases of what is not there, or too many of them.
    throw new ExperimentError(`${name}: ${(thrown as Error).message}`);
  }
  if (value === null) {
    throw new ExperimentError(`${name}: is empty; "wear_lab fields" shows what may stand in it`);
  }
  return checkExperiment(value, name);
}

/** @throws ExperimentError */
function setField(document: Document, change: string): void {
  const fail = (why: string): never => {
    throw new ExperimentError(`--set ${change}: ${why}`);
  };
  const [, path, text] =
    /^\s*([\w.]+)\s*=([\s\S]*)$/.exec(change) ??
    fail('is no field and value, as fill.static=0.4 or workload.0.io="64 KiB"');
  const value = parseDocument(text!);
  if (value.errors.length > 0) fail('the value is no YAML');
  const keys = path!.split('.').map((key) => (/^\d+$/.test(key) ? Number(key) : key));
  for (const [n, key] of keys.entries()) {
    const list: unknown = document.getIn(keys.slice(0, n));
    if (isSeq(list) && Number(key) > list.items.length) {
      fail(`there is no ${keys.slice(0, n + 1).join('.')}; entries are counted from 0`);
    }
  }
  try {
    document.setIn(keys, value.contents);
    if (document.hasIn(['sweep', path])) document.deleteIn(['sweep', path]);
  } catch {
    fail(`there is nothing in which ${path} could be`);
  }
}

/**
 * The same for what is already an object, as a sweep makes it by changing fields. What comes out
 * goes in again unchanged.
 * @throws ExperimentError
 */
export function checkExperiment(value: unknown, name: string): Experiment {
  validate ??= new Ajv2020({
    allErrors: true,
    useDefaults: true,
    strict: true,
    allowUnionTypes: true,
    strictRequired: false,
    verbose: true,
  }).compile(EXPERIMENT_SCHEMA);
  const given = structuredClone(value) as Record<string, unknown>;
  if (!validate(given)) {
    const lines = new Set((validate.errors ?? []).map(explain));
    throw new ExperimentError(`${name}: ${[...lines].join('; ')}`);
  }
  const experiment = sizesToNumbers(given) as unknown as Experiment & { name?: string };
  const filled = {
    ...experiment,
    name: experiment.name ?? name,
    title: experiment.title || (experiment.name ?? name),
    chip: withId(experiment.chip, name),
  };
  checkSense(filled);
  return filled;
}

/** What a person is told about a mistake, with the field it is in. */
function explain({ instancePath, keyword, message, params, parentSchema, data }: ErrorObject) {
  const where = instancePath === '' ? 'the experiment' : instancePath.slice(1).replaceAll('/', '.');
  const schema = parentSchema as FieldSchema;
  const given = typeof data === 'number' ? String(data) : JSON.stringify(data);
  switch (keyword) {
    case 'additionalProperties': {
      const known = Object.keys(schema.properties ?? {}).join(', ');
      return `${where}: unknown field "${params.additionalProperty}"; there are ${known}`;
    }
    case 'required':
      return `${where}: the field "${params.missingProperty}" is missing`;
    case 'enum':
      return `${where}: must be one of ${params.allowedValues.join(', ')}, not ${given}`;
    case 'pattern':
      return isSize(schema)
        ? `${where}: ${given} is no size; say bytes, as 65536, or KiB, MiB, GiB, TiB, as "64 KiB"`
        : `${where}: ${given} does not fit (${schema.description ?? params.pattern})`;
    case 'type': {
      const wanted = [params.type].flat();
      const isUnquoted = wanted.join() === 'string' && typeof data === 'number';
      const found = typeof data === 'object' && data !== null ? 'what stands there' : given;
      const words = wanted.map((type: string) => TYPES[type] ?? type).join(' or ');
      return `${where}: must be ${words}, not ${isUnquoted ? 'a number; quote it' : found}`;
    }
    case 'minItems':
      return `${where}: the list is empty`;
    default:
      return `${where}: ${message}${typeof data === 'object' ? '' : `, not ${given}`}`;
  }
}

const TYPES: Readonly<Record<string, string>> = {
  object: 'fields, as {field: value}',
  array: 'a list, as [one, other]',
  integer: 'a whole number',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
};

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};
/** Fields of a size; the schema lets text through there only. */
const SIZES = new Set(['size', 'erasesize', 'filesize', 'io', 'host_bytes']);

function sizesToNumbers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sizesToNumbers);
  if (typeof value !== 'object' || value === null) return value;
  const result: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(value)) {
    const match =
      SIZES.has(key) && typeof field === 'string' ? /^([\d.]+) *([KMGT]iB|B)$/.exec(field) : null;
    result[key] = match
      ? Math.round(Number(match[1]) * UNITS[match[2]!]!)
      : key === 'sweep'
        ? field
        : sizesToNumbers(field);
  }
  return result;
}

/** The sizes that the id bytes say, where none are given. @throws ExperimentError */
function withId(chip: ChipSpec, name: string): ChipSpec {
  if (chip.kind === 'nor') return { ...chip, writesize: chip.writesize || 1 };
  if (chip.id === '') return chip;
  try {
    const bytes = (chip.id.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
    const { size, erasesize, writesize, oobsize } = nand_decode_id(bytes);
    return {
      ...chip,
      size: chip.size || size,
      erasesize: chip.erasesize || erasesize,
      writesize: chip.writesize || writesize,
      oobsize: chip.oobsize || oobsize,
    };
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
    throw new ExperimentError(
      `${name}: chip.id: ${sentenceOf(error)}; give size, erasesize, writesize and oobsize instead`,
    );
  }
}

/** What an error says, without its code before it. */
export const sentenceOf = ({ message, code }: { message: string; code: string }): string =>
  message.replace(`${code}: `, '');

type Fail = (where: string, why: string) => never;

/** mkfs.jffs2 makes no smaller ones, and lump mounts none. */
const ERASESIZE_MIN = 4096;

const isUnset = (limit: number | null): boolean => limit === null;

/** @throws ExperimentError */
function checkGeometry({ kind, id, size, erasesize, writesize, oobsize }: ChipSpec, fail: Fail) {
  const give = (what: string): string =>
    kind === 'nand' ? `give ${what}, or the chip's id bytes as chip.id` : `give ${what}`;
  if (erasesize === 0) fail('chip.erasesize', `is missing; ${give('the bytes of an erase block')}`);
  if (erasesize < ERASESIZE_MIN) {
    fail('chip.erasesize', `is ${erasesize} bytes; jffs2 needs at least ${ERASESIZE_MIN}`);
  }
  if (size === 0) fail('chip.size', `is missing; ${give('the bytes of the chip')}`);
  if (size % erasesize !== 0) {
    fail('chip.size', `${size} bytes are no whole number of erase blocks of ${erasesize}`);
  }
  if (kind === 'nor') {
    if (id !== '' || writesize > 1 || oobsize > 0) {
      fail('chip', "id, writesize and oobsize are NAND's; the kind is nor");
    }
    return;
  }
  if (writesize === 0) fail('chip.writesize', `is missing; ${give('the bytes of a page')}`);
  if (writesize < 256 || erasesize % writesize !== 0) {
    fail('chip.writesize', `pages of ${writesize} bytes do not fill erase blocks of ${erasesize}`);
  }
}

/** What a schema cannot say. @throws ExperimentError */
function checkSense({ name, chip, stop, fill, workload, policy, clock }: Experiment): void {
  const fail = (where: string, why: string): never => {
    throw new ExperimentError(`${name}: ${where}: ${why}`);
  };
  checkGeometry(chip, fail);
  const { timing } = chip;
  const takesNoTime = timing !== null && Object.values(timing).every((us) => us === 0);
  if (takesNoTime && policy.name === 'linux' && clock.model === 'modelled') {
    // In a tick of clean blocks Linux's rule would collect those without end, and gain nothing.
    fail(
      'chip.timing',
      'with a chip that takes no time no tick passes, by which policy linux chooses; give it ' +
        'times, or take policy lump, for which a choice counts as a tick',
    );
  }
  if (Object.values(stop).every(isUnset)) {
    const known = Object.keys(stop).join(', ');
    fail('stop', `give at least one condition, or the run never ends; there are ${known}`);
  }
  const wears = stop.bad_blocks !== null || stop.bad_share !== null;
  const others = [stop.host_bytes, stop.operations, stop.erases, stop.device_days];
  if (wears && chip.endurance === null && others.every(isUnset)) {
    fail(
      'stop',
      'blocks go bad only where chip.endurance is given, as {cycles: 100000}; or the run never ends',
    );
  }
  const lasts = workload.some(({ type, pause_ms }) => type === 'trace' || pause_ms > 0);
  if (takesNoTime && !lasts && Object.values({ ...stop, device_days: null }).every(isUnset)) {
    fail('stop.device_days', 'no time ever passes: the chip takes none, and there are no pauses');
  }
  if (workload.every(({ weight }) => weight === 0)) {
    fail('workload', 'all have weight 0, and none has a turn');
  }
  if (fill.static > 0 && fill.static * chip.size < fill.filesize) {
    fail(
      'fill.filesize',
      `one file of ${fill.filesize} bytes is more than all static data (fill.static of chip.size)`,
    );
  }
  for (const [n, one] of workload.entries()) {
    if (one.type === 'trace' && one.trace === '') {
      fail(`workload.${n}.trace`, 'is missing; name the file of the trace');
    }
    if (one.io > one.filesize && one.type !== 'append_log') {
      fail(
        `workload.${n}.io`,
        `writes of ${one.io} bytes do not fit files of ${one.filesize} (workload.${n}.filesize)`,
      );
    }
  }
  if (policy.name === 'module' && policy.module === '') {
    fail('policy.module', 'is missing; name the file of your policy');
  }
}
