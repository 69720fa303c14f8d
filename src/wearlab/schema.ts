/**
 * The JSON schema of an experiment, with the defaults of what may be left out. What a person wants
 * to know of a field is its description: `wear_lab fields` shows it.
 */

/** What is used here of JSON Schema. */
export interface FieldSchema {
  readonly description?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, FieldSchema>>;
  readonly required?: readonly string[];
  readonly items?: FieldSchema;
}

/** Is it bytes, which may be given as text with a unit? */
export const isSize = ({ type }: FieldSchema): boolean =>
  Array.isArray(type) && type.includes('integer') && type.includes('string');

/** Bytes: a whole number, or text with a unit. */
const size = (description: string, fallback?: number, minimum = 0): object => ({
  description,
  ...(fallback !== undefined && { default: fallback }),
  type: ['integer', 'string'],
  minimum,
  pattern: '^\\d+(\\.\\d+)? *([KMGT]iB|B)$',
});
const number = (description: string, fallback: number, minimum = 0, maximum?: number): object => ({
  description,
  type: 'number',
  default: fallback,
  minimum,
  ...(maximum !== undefined && { maximum }),
});
const share = (description: string, fallback: number): object =>
  number(description, fallback, 0, 1);
const count = (description: string, fallback: number, minimum = 0): object => ({
  description,
  type: 'integer',
  default: fallback,
  minimum,
});
const text = (description: string, fallback = ''): object => ({
  description,
  type: 'string',
  default: fallback,
});
const flag = (description: string, fallback: boolean): object => ({
  description,
  type: 'boolean',
  default: fallback,
});
const one = (
  description: string,
  first: string | number,
  ...rest: (string | number)[]
): object => ({
  description,
  enum: [first, ...rest],
  default: first,
});
const limit = (schema: object): object => ({
  ...schema,
  type: ['null'].concat((schema as { type: string | string[] }).type),
  default: null,
});
const record = (description: string, properties: object, required: string[] = []): object => ({
  description,
  type: 'object',
  additionalProperties: false,
  properties,
  required,
});
/** May be left out as a whole. */
const optional = (description: string, properties: object): object => ({
  ...record(description, properties),
  default: {},
});

const timing = record(
  'times of the chip, in microseconds; null: of a typical one',
  {
    read_unit_us: number('reading a page; NOR: beginning to read', 0),
    read_byte_us: number('each byte that is read', 0),
    program_unit_us: number('programming a page; NOR: of 256 bytes', 0),
    program_byte_us: number('each byte that is programmed', 0),
    erase_block_us: number('erasing a block', 0),
  },
  ['program_unit_us', 'erase_block_us'],
);

const endurance = record(
  'how many erases blocks survive; null: any number',
  {
    cycles: {
      description: 'erases that a block survives, on average; 100000 is usual',
      type: 'number',
      exclusiveMinimum: 0,
    },
    spread: number('standard deviation among the blocks, as a share of cycles', 0.1, 0, 1),
    distribution: one(
      'normal, lognormal or weibull: how blocks differ',
      'normal',
      'lognormal',
      'weibull',
    ),
    program_failures: share('share of the blocks that fail in programming, not in erasing', 0),
    read_disturb: count('reads after an erase until a block is uncorrectable; 0: never is', 0),
    retention_days: number('days after an erase until it is; 0: never is', 0),
  },
  ['cycles'],
);

const chip = record(
  'the flash',
  {
    kind: one('nand or nor', 'nand', 'nor'),
    id: {
      description: 'NAND: id bytes in hex, as 20a20015, for sizes that are not given',
      type: 'string',
      default: '',
      pattern: '^([0-9a-fA-F]{2})*$',
    },
    size: size('bytes, OOB not counted', 0),
    erasesize: size('bytes of an erase block', 0),
    writesize: count('NAND: bytes of a page', 0),
    oobsize: count('NAND: OOB bytes of a page', 0),
    endurance: limit(endurance),
    timing: limit(timing),
  },
  [],
);

const WORKLOADS = ['overwrite', 'hot_cold', 'zipf', 'append_log', 'rotate', 'copy_delete', 'trace'];

const workload = record(
  'what one of them does',
  {
    type: { description: WORKLOADS.join(', '), enum: WORKLOADS },
    weight: number('how often it has its turn, beside the others', 1),
    pause_ms: number('device time that passes after each of its operations', 0),
    fsync_every: count('fsync after so many operations; 0: never', 0),
    files: count('files that are written to; copy_delete: that are there at a time', 16, 1),
    filesize: size('bytes of a file; append_log, rotate: of a log, which begins anew', 65536, 1),
    io: size('bytes written at once; append_log, rotate: of a record', 4096, 1),
    hot_files: share('hot_cold: share of the files that are hot', 0.2),
    hot_writes: share('hot_cold: share of the writes that go to hot files', 0.8),
    exponent: number('zipf: file n is chosen as often as n^-exponent is large', 1),
    keep: count('rotate: old logs that are kept', 4),
    replace: flag('overwrite, hot_cold, zipf: rename whole new files over the old', false),
    trace: text('trace: the file, relative to the experiment'),
  },
  ['type'],
);

export const EXPERIMENT_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'wear_lab experiment',
  ...record(
    'An experiment of wear_lab: which flash, what is on it, what is done to it, when it ends.',
    {
      name: {
        description: "of its results: letters, digits, . _ + -; left out: the file's",
        type: 'string',
        pattern: '^[\\w.+-]+$',
      },
      title: text('title of its report'),
      description: text('for people'),
      chip,
      filesystem: optional('how jffs2 is mounted', {
        compr: text('compression: none, a mode or a codec, as of lump_jffs2 -o compr=', 'none'),
        summary: flag('write erase block summaries', true),
        linux_summary_quirk: flag("waste room for summaries as Linux 6.1's collector does", false),
        linux_gc_trigger: flag('what wakes the collector ends its pause, as in Linux', true),
      }),
      clock: optional('how time goes on', {
        model: one("modelled: by the chip's times; frozen: no tick ever", 'modelled', 'frozen'),
        hz: {
          description: '100, 250 or 1000 ticks a second',
          enum: [100, 250, 1000],
          default: 250,
        },
      }),
      data: optional('what files hold', {
        ratio: number('size of a page when it is compressed; 1: it cannot be', 1, 0.01, 1),
        spread: number('by how much pages differ in that, up and down', 0, 0, 1),
      }),
      fill: optional('files that are written first, and never again', {
        static: number('share of the chip that they take', 0, 0, 0.95),
        filesize: size('bytes of each', 131072, 1),
      }),
      workload: {
        description: 'what programs do: a list; those in it take turns, by weight',
        type: 'array',
        items: workload,
        minItems: 1,
      },
      policy: optional('which block is collected next', {
        name: text('one that "wear_lab list" shows, or module', 'linux'),
        module: text("module: file of a policy of one's own, relative to the experiment"),
        options: {
          description: 'numbers that the policy takes, as {threshold: 16}',
          type: 'object',
          additionalProperties: { type: 'number' },
          default: {},
        },
      }),
      stop: record('the first of these that is reached ends the run', {
        host_bytes: limit(size('bytes written into files')),
        operations: limit(count('operations of the workload', 0)),
        erases: limit(count('erases of all blocks together', 0)),
        device_days: limit(number("days of the device's time", 0)),
        bad_blocks: limit(count('blocks gone bad', 0, 1)),
        bad_share: limit(share('share of all blocks gone bad; 1: until nothing can be written', 0)),
      }),
      checkpoint: optional('from which an interrupted run goes on', {
        erases: {
          description: 'after how many erases there is one, again and again; null: none',
          type: ['null', 'integer'],
          minimum: 1,
          default: 100_000,
        },
      }),
      seeds: {
        description: 'a run for each; what differs between them is chance',
        type: 'array',
        items: { type: 'integer', minimum: 0, maximum: 0xffff_ffff },
        minItems: 1,
        default: [1],
      },
      fidelity: one(
        'fast: headers and sizes, full: every byte, with the real codecs',
        'fast',
        'full',
      ),
      samples: count('how many states of the flash a run tells', 200, 1),
      sweep: {
        description: 'values of fields, for "wear_lab sweep": {fill.static: [0.1, 0.6]}',
        type: 'object',
        additionalProperties: { type: 'array', minItems: 1 },
        default: {},
      },
    },
    ['chip', 'workload', 'stop'],
  ),
} as const;
