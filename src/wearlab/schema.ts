/** The JSON schema of an experiment, with the defaults of what may be left out. */

/** Bytes: a whole number, or text with a unit. */
const size = (fallback?: number, minimum = 0): object => ({
  ...(fallback !== undefined && { default: fallback }),
  type: ['integer', 'string'],
  minimum,
  pattern: '^\\d+(\\.\\d+)? *([KMGT]iB|B)$',
});
const number = (fallback: number, minimum = 0, maximum?: number): object => ({
  type: 'number',
  default: fallback,
  minimum,
  ...(maximum !== undefined && { maximum }),
});
const share = (fallback: number): object => number(fallback, 0, 1);
const count = (fallback: number, minimum = 0): object => ({
  type: 'integer',
  default: fallback,
  minimum,
});
const text = (fallback: string): object => ({ type: 'string', default: fallback });
const one = (first: string | number, ...rest: (string | number)[]): object => ({
  enum: [first, ...rest],
  default: first,
});
const limit = (schema: object): object => ({
  ...schema,
  type: ['null'].concat((schema as { type: string | string[] }).type),
  default: null,
});
const record = (properties: object, required: string[] = []): object => ({
  type: 'object',
  additionalProperties: false,
  properties,
  required,
});
/** May be left out as a whole. */
const optional = (properties: object): object => ({ ...record(properties), default: {} });

const timing = record(
  {
    read_unit_us: number(0),
    read_byte_us: number(0),
    program_unit_us: number(0),
    program_byte_us: number(0),
    erase_block_us: number(0),
  },
  ['program_unit_us', 'erase_block_us'],
);

const endurance = record(
  {
    cycles: { type: 'number', exclusiveMinimum: 0 },
    spread: number(0.1, 0, 1),
    distribution: one('normal', 'lognormal', 'weibull'),
    program_failures: share(0),
    read_disturb: count(0),
    retention_days: number(0),
  },
  ['cycles'],
);

const chip = record(
  {
    kind: one('nand', 'nor'),
    id: { type: 'string', default: '', pattern: '^([0-9a-fA-F]{2})*$' },
    size: size(0),
    erasesize: size(0),
    writesize: count(0),
    oobsize: count(0),
    endurance: limit(endurance),
    timing: limit(timing),
  },
  [],
);

const workload = record(
  {
    type: {
      enum: ['overwrite', 'hot_cold', 'zipf', 'append_log', 'rotate', 'copy_delete', 'trace'],
    },
    weight: number(1),
    pause_ms: number(0),
    fsync_every: count(0),
    files: count(16, 1),
    filesize: size(65536, 1),
    io: size(4096, 1),
    hot_files: share(0.2),
    hot_writes: share(0.8),
    exponent: number(1),
    keep: count(4),
    replace: { type: 'boolean', default: false },
    trace: text(''),
  },
  ['type'],
);

export const EXPERIMENT_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'wear_lab experiment',
  ...record(
    {
      name: { type: 'string', pattern: '^[\\w.+-]+$' },
      title: text(''),
      description: text(''),
      chip,
      filesystem: optional({
        compr: text('none'),
        summary: { type: 'boolean', default: true },
        linux_summary_quirk: { type: 'boolean', default: false },
        linux_gc_trigger: { type: 'boolean', default: false },
      }),
      clock: optional({
        model: one('modelled', 'frozen'),
        hz: { enum: [100, 250, 1000], default: 250 },
      }),
      data: optional({ ratio: number(1, 0.01, 1), spread: number(0, 0, 1) }),
      fill: optional({ static: number(0, 0, 0.95), filesize: size(131072, 1) }),
      workload: { type: 'array', items: workload, minItems: 1 },
      policy: optional({
        name: text('linux'),
        module: text(''),
        options: { type: 'object', additionalProperties: { type: 'number' }, default: {} },
      }),
      stop: record({
        host_bytes: limit(size()),
        operations: limit(count(0)),
        erases: limit(count(0)),
        device_days: limit(number(0)),
        bad_blocks: limit(count(0, 1)),
        bad_share: limit(share(0)),
      }),
      checkpoint: optional({
        erases: { type: ['null', 'integer'], minimum: 1, default: 100_000 },
      }),
      seeds: {
        type: 'array',
        items: { type: 'integer', minimum: 0 },
        minItems: 1,
        default: [1],
      },
      fidelity: one('fast', 'full'),
      samples: count(200, 1),
      sweep: {
        type: 'object',
        additionalProperties: { type: 'array', minItems: 1 },
        default: {},
      },
    },
    ['chip', 'workload', 'stop'],
  ),
} as const;
