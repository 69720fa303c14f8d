/**
 * JSON Schema (draft 2020-12) of what flash_inspect prints with --json. `flash_inspect schema`
 * prints it; a test holds every command's output against it.
 */
import { REPORT_FORMAT, REPORT_VERSION } from './json.js';

const text = { type: 'string' } as const;
const count = { type: 'integer', minimum: 0 } as const;
const bool = { type: 'boolean' } as const;
/** Bytes in hexadecimal. */
const hex = { type: 'string', pattern: '^([0-9a-f]{2})*$' } as const;
/** On the flash; -1: at no one place. */
const place = { type: 'integer', minimum: -1 } as const;

type Properties = Readonly<Record<string, unknown>>;

/** An object whose `optional` keys may be missing; keys that are not named may come with time. */
function object(required: Properties, optional: Properties = {}) {
  return {
    type: 'object',
    properties: { ...required, ...optional },
    required: Object.keys(required),
  } as const;
}
const list = (items: unknown) => ({ type: 'array', items }) as const;
const byName = (items: unknown) => ({ type: 'object', additionalProperties: items }) as const;

const fileType = {
  enum: ['file', 'dir', 'symlink', 'char', 'block', 'fifo', 'socket', 'unknown'],
} as const;

const entry = object(
  {
    path: text,
    ino: count,
    type: fileType,
    mode: { ...count, maximum: 0o7777 },
    uid: count,
    gid: count,
    size: count,
    nlink: count,
    atime: count,
    mtime: count,
    ctime: count,
    version: count,
  },
  {
    pathHex: hex,
    target: text,
    targetHex: hex,
    major: count,
    minor: count,
    xattrs: list(object({ name: text, valueHex: hex }, { nameHex: hex })),
    error: text,
    isCycle: bool,
  },
);

const content = object({
  ino: count,
  version: count,
  type: fileType,
  size: count,
  mtime: count,
  remains: { enum: ['intact', 'doubtful', 'partial', 'none'] },
  missing: list(text),
});

const blockKind = { enum: ['blank', 'free', 'clean', 'dirty', 'garbage', 'bad'] } as const;
const summaryKind = { enum: ['none', 'valid', 'bad'] } as const;

const useBytes = {
  usedBytes: count,
  obsoleteBytes: count,
  overheadBytes: count,
  dirtBytes: count,
  freeBytes: count,
};

const check = object({
  errors: count,
  notes: count,
  isMountable: bool,
  inodesChecked: count,
  repaired: count,
  problems: list(
    object({
      severity: { enum: ['error', 'note'] },
      kind: text,
      at: place,
      text,
      isFatal: bool,
      isRepairable: bool,
    }),
  ),
});

const extracted = object({ names: count, bytes: count, target: text });

/** Command → what its `result` is. */
const RESULTS: Readonly<Record<string, unknown>> = {
  info: object({
    kind: { enum: ['jffs2', 'blank', 'foreign'] },
    isEmpty: bool,
    endian: { enum: ['little', 'big'] },
    offset: count,
    sizeBytes: count,
    eraseSizeBytes: count,
    isCertain: bool,
    evidence: list(text),
    blocks: byName(count),
    ...useBytes,
    cleanmarkerBytes: count,
    cleanmarkers: count,
    summaries: count,
    nodes: byName(object({ inForce: count, obsolete: count, damaged: count })),
    codecs: byName(object({ nodes: count, storedBytes: count, dataBytes: count })),
    names: count,
    inodes: count,
    highestInode: count,
    oldestTime: count,
    newestTime: count,
    damage: byName(count),
    rebuild: text,
  }),
  ls: object({ entries: list(entry) }),
  cat: object({ size: count, contentHex: hex }),
  extract: extracted,
  nodes: object({
    nodes: list(
      object(
        { at: count, block: count, length: count, kind: text, verdict: text, isInForce: bool },
        { isObsolete: bool, isHidden: bool, name: text, nameHex: hex },
      ),
    ),
  }),
  blocks: object({
    blocks: list(
      object(
        {
          block: count,
          offset: count,
          state: blockKind,
          ...useBytes,
          nodes: count,
          summary: summaryKind,
        },
        { eraseCount: count },
      ),
    ),
  }),
  history: object({
    events: list(
      object(
        {
          time: count,
          kind: {
            enum: [
              'create',
              'name',
              'replace',
              'delete',
              'rename',
              'write',
              'hole',
              'truncate',
              'attributes',
              'copy',
              'gap',
            ],
          },
          ino: count,
          versionsOf: count,
          version: count,
          versionEnd: count,
          at: place,
          path: text,
          text,
          isInForce: bool,
        },
        { pathHex: hex, oldPath: text, oldPathHex: hex, isInferred: bool, isClockBack: bool },
      ),
    ),
    limits: list(text),
  }),
  recover: object(
    {
      items: list(
        object(
          { kind: { enum: ['deleted name', 'old version', 'orphan'] }, evidence: text, content },
          {
            path: text,
            pathHex: hex,
            ino: count,
            version: count,
            type: fileType,
            time: count,
            at: count,
            livesAs: list(object({ path: text }, { pathHex: hex })),
          },
        ),
      ),
    },
    { written: extracted },
  ),
  check,
  repair: check,
  carve: object({
    fileSystems: list(
      object(
        {
          offset: count,
          length: count,
          endian: { enum: ['little', 'big'] },
          eraseSizeBytes: count,
          isCertain: bool,
          missingBytes: count,
          nodes: count,
          evidence: list(text),
        },
        { file: text },
      ),
    ),
  }),
  diff: object({
    differences: list(
      object(
        { path: text, change: { enum: ['added', 'removed', 'changed'] }, details: list(text) },
        { pathHex: hex },
      ),
    ),
  }),
  oob: object(
    {
      writesize: count,
      oobsize: count,
      ecc: { enum: ['hamming', 'none'] },
      layout: { enum: ['raw', 'auto'] },
      pages: count,
      programmedPages: count,
      correctedBits: count,
      uncorrectablePages: list(count),
      badBlocks: list(count),
      cleanmarkers: count,
      evidence: list(text),
    },
    { output: text },
  ),
  convert: object({ output: text, sizeBytes: count, report: list(text) }),
};

export const REPORT_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: `What flash_inspect prints with --json, version ${REPORT_VERSION}`,
  ...object({
    format: { const: REPORT_FORMAT },
    version: { const: REPORT_VERSION },
    command: { enum: Object.keys(RESULTS) },
    image: text,
    complete: bool,
    problems: list(text),
    result: { type: 'object' },
  }),
  allOf: Object.entries(RESULTS).map(([command, result]) => ({
    if: { properties: { command: { const: command } } },
    // biome-ignore lint/suspicious/noThenProperty: JSON Schema's word
    then: { properties: { result } },
  })),
} as const;
