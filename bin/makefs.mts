/** makefs: NetBSD's command line on lump's image builder. */
import { endianness } from 'node:os';
import { isatty } from 'node:tty';
import { writeFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import type { FileSystemType, MakeOptionValues } from '../src/makefs/filesystem_type.js';
import { type FsNode, MakefsError } from '../src/makefs/fsnode.js';
import { FILE_SYSTEM_TYPES } from '../src/makefs/filesystem_types.js';
import { formatMtree } from '../src/makefs/mtree.js';
import { toBytes } from './image_output.mjs';
import { failure, makeImage, parseJobs, usageOutput } from './make_image.mjs';
import { describe, type ManualSection, version } from './program.mjs';

const NAME = 'makefs';
const STDOUT = 1;
const SECTOR_BYTES = 512;
/** Bits of -d. */
const DEBUG_PHASES = 1;
const DEBUG_STATISTICS = 2;
const BYTE_ORDERS: Readonly<Record<string, 'little' | 'big'>> = {
  little: 'little',
  le: 'little',
  '1234': 'little',
  big: 'big',
  be: 'big',
  '4321': 'big',
};
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 512,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  w: 4,
};

const typeSections: readonly ManualSection[] = FILE_SYSTEM_TYPES.map(({ name, options }) => ({
  title: `Options of ${name} (-t ${name} -o …)`,
  rows: options.map(({ name, value, meaning }) => {
    const word =
      value === undefined ? '' : value.startsWith('[') ? `[=${value.slice(1)}` : `=${value}`;
    return [`${name}${word}`, meaning] as const;
  }),
}));

export const program = describe(
  new Command(NAME)
    .description('Makes a file system image from directories or an mtree(5) specification.')
    .usage('-t type [options] image directory|specification [directory ...]')
    .argument('<image>', 'file to write; "-" is standard output')
    .argument('<sources...>', 'directories; the first may be a specification instead')
    .option('-t <TYPE>', `type of file system: ${FILE_SYSTEM_TYPES.map((t) => t.name).join(', ')}`)
    .option<string[]>('-o <OPTIONS>', "the type's options, separated by commas", (text, before) => [
      ...(before ?? []),
      text,
    ])
    .option('-B <ORDER>', "byte order: little, le, 1234, big, be, 4321 (default: this machine's)")
    .option('-b <N>', 'leave at least so many blocks free; with % of the image')
    .option('-d <MASK>', 'tell details: 1 = how long phases take, 2 = statistics')
    .option('-F <FILE>', 'an mtree(5) specification, which adds to and changes the tree')
    .option('-f <N>', 'leave at least so many files free; with % of the image')
    .option('-M <SIZE>', 'the image is at least as large')
    .option('-m <SIZE>', 'the image is at most as large')
    .option('-N <DIR>', 'directory with passwd (or master.passwd) and group for names (/etc)')
    .option('-O <OFFSET>', 'where in the image file the file system starts')
    .option('-r', 'a later directory replaces what an earlier one has')
    .option('-S <SIZE>', 'size of a sector')
    .option('-s <SIZE>', 'the image is exactly as large')
    .option('-T <SECONDS>', 'no time in the image is later (seconds since 1970)')
    .option('-x', 'leave out what the specification does not list')
    .option('-Z', 'make a sparse image')
    .option('-j, --jobs <N>', 'processors to compress on (default: all)')
    .option('--write-spec <FILE>', 'write the tree as an mtree(5) specification, too')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this text')
    .configureOutput(usageOutput(NAME))
    .exitOverride(),
  {
    sections: [
      {
        title: 'Sizes',
        text:
          'A number of bytes, with b for 512 bytes, k, m, g, t for units of 1024 and its powers, or w ' +
          'for words of 4 bytes behind it; numbers with an x between them are multiplied.',
      },
      ...typeSections,
    ],
    environment: [
      ['SOURCE_DATE_EPOCH', 'seconds since 1970: no time in the image is later, and "now" is this'],
    ],
    exitStatus: [
      ['0', 'the image is made'],
      ['1', 'it is not; what was there stays'],
    ],
    examples: [
      'makefs -t jffs2 -o eraseblock=128KiB,summary flash.jffs2 rootfs',
      'makefs -t jffs2 -B be -s 8m -F rootfs.mtree flash.jffs2 rootfs overlay',
      'makefs -t jffs2 flash.jffs2 rootfs.mtree',
      'makefs -t ext2 -o label=data -b 20% -f 100 disk.img folder',
      'makefs -t msdos -o fat_type=32,volume_label=STICK -s 64m stick.img folder',
    ],
    seeAlso: ['mkfs.jffs2(1)', 'lump_jffs2(1)'],
  },
);

interface Options {
  t?: string;
  o?: string[];
  B?: string;
  b?: string;
  d?: string;
  F?: string;
  f?: string;
  M?: string;
  m?: string;
  N?: string;
  O?: string;
  r?: true;
  S?: string;
  s?: string;
  T?: string;
  x?: true;
  Z?: true;
  jobs?: string;
  writeSpec?: string;
}

export async function main(): Promise<number> {
  try {
    program.parse();
    return await run(program.opts<Options>(), program.args as [string, ...string[]]);
  } catch (error) {
    // Help and version end here as well, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    return failure(NAME, error);
  }
}

async function run(options: Options, [image, ...sources]: [string, ...string[]]): Promise<number> {
  const type = typeOf(options.t);
  if (options.x && options.F === undefined) throw new MakefsError('-x needs a specification, -F');
  if (image === '-' && isatty(STDOUT)) throw new MakefsError('an image is nothing for a terminal');
  const say = (line: string): void => {
    process.stderr.write(`${NAME}: ${line}\n`);
  };
  for (const [letter, value] of [
    ['f', options.f],
    ['S', options.S],
    ['Z', options.Z],
  ] as const) {
    if (value !== undefined && !type.letters.includes(letter))
      say(`-${letter} means nothing to ${type.name}; it is not used`);
  }
  const debug = options.d === undefined ? 0 : number('-d', options.d);
  const exact = options.s === undefined ? undefined : size('-s', options.s);
  const { writeSpec } = options;
  const report = await makeImage({
    name: NAME,
    type,
    output: image,
    offset: options.O === undefined ? 0 : size('-O', options.O),
    source: {
      sources: sources.map(toBytes),
      specification: options.F === undefined ? undefined : toBytes(options.F),
      exclude: options.x === true,
      replace: options.r === true,
      userDatabase: toBytes(options.N ?? '/etc'),
    },
    request: {
      byteOrder: byteOrder(type, options.B),
      options: typeOptions(type, options.o ?? []),
      minimumSizeBytes: exact ?? (options.M === undefined ? 0 : size('-M', options.M)),
      maximumSizeBytes:
        exact ?? (options.m === undefined ? Number.POSITIVE_INFINITY : size('-m', options.m)),
      free: freeSpace(options.b),
      freeFiles: freeFiles(options.f),
      sectorBytes: options.S === undefined ? SECTOR_BYTES : sectorSize(options.S),
      ...(options.T === undefined ? {} : { timeMaxSec: number('-T', options.T) }),
    },
    jobs: parseJobs(options.jobs),
    treeRead: (tree: FsNode) => {
      if (writeSpec !== undefined) writeFileSync(writeSpec, formatMtree(tree));
    },
    phase: (phase, ms) => {
      if (debug & DEBUG_PHASES) say(`${phase}: ${ms.toFixed(0)} ms`);
    },
  });
  if (debug & DEBUG_STATISTICS) {
    for (const line of report.statistics) say(line);
    say(`${report.sizeBytes} bytes`);
  }
  return 0;
}

function typeOf(name: string | undefined): FileSystemType {
  const names = FILE_SYSTEM_TYPES.map((type) => type.name).join(', ');
  if (name === undefined) throw new MakefsError(`say which file system, with -t: ${names}`);
  const type = FILE_SYSTEM_TYPES.find((one) => one.name === name);
  if (type === undefined) throw new MakefsError(`-t ${name}: there are ${names}`);
  return type;
}

/** "name,name=value,…"; a comma within a value cannot be. @throws MakefsError */
function typeOptions(type: FileSystemType, texts: readonly string[]): MakeOptionValues {
  const values: Record<string, string | true | string[]> = {};
  for (const word of texts.flatMap((text) => text.split(',')).filter((text) => text !== '')) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    const row = type.options.find((option) => option.name === name);
    if (row === undefined) {
      const names = type.options.map((option) => option.name).join(', ');
      throw new MakefsError(`${type.name} has no option ${name}; there are ${names}`);
    }
    if (row.value === undefined && value !== undefined) {
      throw new MakefsError(`option ${name} takes no value`);
    }
    if (row.value !== undefined && !row.value.startsWith('[') && value === undefined) {
      throw new MakefsError(`option ${name} needs a value: ${name}=${row.value}`);
    }
    if (row.many) values[name] = [...((values[name] as string[] | undefined) ?? []), value!];
    else values[name] = value ?? true;
  }
  return values;
}

function byteOrder(type: FileSystemType, text: string | undefined): 'little' | 'big' {
  const { byteOrders } = type;
  const own = endianness() === 'LE' ? 'little' : 'big';
  if (text === undefined) return byteOrders.includes(own) ? own : byteOrders[0]!;
  if (!Object.hasOwn(BYTE_ORDERS, text)) {
    throw new MakefsError(`-B ${text}: expected little, le, 1234, big, be or 4321`);
  }
  const order = BYTE_ORDERS[text]!;
  if (!byteOrders.includes(order)) throw new MakefsError(`-B ${text}: ${type.name} has no such`);
  return order;
}

function freeFiles(text: string | undefined): { files: number } | { percent: number } {
  if (text === undefined) return { files: 0 };
  return text.endsWith('%') ? { percent: percent('-f', text) } : { files: number('-f', text) };
}

/** @throws MakefsError */
function sectorSize(text: string): number {
  const bytes = size('-S', text);
  if (![512, 1024, 2048, 4096].includes(bytes)) {
    throw new MakefsError(`-S ${text}: expected 512, 1024, 2048 or 4096`);
  }
  return bytes;
}

function freeSpace(text: string | undefined): { blocks: number } | { percent: number } {
  if (text === undefined) return { blocks: 0 };
  return text.endsWith('%') ? { percent: percent('-b', text) } : { blocks: number('-b', text) };
}

function percent(option: string, text: string): number {
  const value = number(option, text.slice(0, -1));
  if (value > 99) throw new MakefsError(`${option} ${text}: expected up to 99%`);
  return value;
}

function number(option: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new MakefsError(`${option} ${text}: expected a number`);
  return Number(text);
}

/** "8m", "4x512k" → bytes. */
function size(option: string, text: string): number {
  let product = 1;
  for (const factor of text.split('x')) {
    const match = /^(\d{1,15})([bkmgtw]?)$/i.exec(factor);
    if (match === null)
      throw new MakefsError(`${option} ${text}: expected a size, as 8m or 4x512k`);
    product *= Number(match[1]) * UNITS[match[2]!.toLowerCase()]!;
  }
  if (!Number.isSafeInteger(product)) throw new MakefsError(`${option} ${text} is too large`);
  return product;
}
