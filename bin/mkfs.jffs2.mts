/** mkfs.jffs2: mtd-utils' command line on lump's image builder. */
import { endianness } from 'node:os';
import { isatty } from 'node:tty';
import { Command, CommanderError } from 'commander';
import { jffs2_compressors } from '../src/jffs2/compr.js';
import { nodeZlib } from '../src/rumpuser/node_zlib.js';
import type { MakeOptionValues } from '../src/makefs/filesystem_type.js';
import { type FsNode, MakefsError, showPath, walkTree } from '../src/makefs/fsnode.js';
import { jffs2Type } from '../src/makefs/jffs2.js';
import { toBytes } from './image_output.mjs';
import { failure, makeImage, optionFlags, parseJobs, usageOutput } from './make_image.mjs';
import { describe, version } from './program.mjs';

const NAME = 'mkfs.jffs2';
const STDOUT = 1;

const collect = (value: string, before: readonly string[] | undefined): string[] => [
  ...(before ?? []),
  value,
];

function makeProgram(): Command {
  const command = new Command(NAME)
    .description('Makes a jffs2 image from a directory tree.')
    .usage('[options]')
    .option('-r, --root <DIR>', 'directory with the tree (default: the current one)')
    .option('-d <DIR>', 'the same as -r')
    .option('-o, --output <FILE>', 'image to write (default: standard output)')
    .option('-l, --little-endian', "little-endian image (default: this machine's order)")
    .option('-b, --big-endian', 'big-endian image');
  for (const row of jffs2Type.options) {
    if (row.many) command.option<string[]>(optionFlags(row), row.meaning, collect);
    else command.option(optionFlags(row), row.meaning);
  }
  command
    .option('-j, --jobs <N>', 'processors to compress on (default: all)')
    .option('-L, --list-compressors', 'show the compressors and their states')
    .option('-v, --verbose', 'list what goes in, and show statistics')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this text')
    .configureOutput(usageOutput(NAME))
    .exitOverride();
  return describe(command, {
    sections: [
      {
        title: 'Notes',
        text:
          'Sizes are decimal, octal (0200000) or hexadecimal (0x10000), with KiB or MiB behind them ' +
          'if you like.\n' +
          'Owners beyond 16 bits, names of 255 bytes and whatever else jffs2 would cut are refused.',
      },
    ],
    environment: [['SOURCE_DATE_EPOCH', 'seconds since 1970: no time in the image is later']],
    exitStatus: [
      ['0', 'the image is made'],
      ['1', 'it is not; what was there stays'],
    ],
    examples: [
      'mkfs.jffs2 -r rootfs -o flash.jffs2 -e 128KiB --pad',
      'mkfs.jffs2 -r rootfs -o flash.jffs2 -q -D devices.txt --summary',
      'mkfs.jffs2 -b -n -r rootfs | nandwrite -p /dev/mtd1 -',
    ],
    seeAlso: ['makefs(1)', 'lump_jffs2(1)'],
  });
}

export const program = makeProgram();

/** As getopt_long(3): a long option may be cut short as long as only one begins so. */
function expand(words: readonly string[], command: Command): string[] {
  const names = command.options.flatMap(({ long }) =>
    long === undefined || long === null ? [] : [long],
  );
  names.push('--help');
  return words.map((word, i) => {
    const [name, ...value] = word.split('=') as [string, ...string[]];
    if (!/^--\w/.test(name) || names.includes(name) || words.indexOf('--') in words.slice(0, i)) {
      return word;
    }
    const meant = names.filter((long) => long.startsWith(name));
    return meant.length === 1 ? [meant[0], ...value].join('=') : word;
  });
}

export async function main(): Promise<number> {
  try {
    program.parse(expand(process.argv.slice(2), program), { from: 'user' });
    const options = program.opts<{
      root?: string;
      d?: string;
      output?: string;
      littleEndian?: true;
      bigEndian?: true;
      jobs?: string;
      listCompressors?: true;
      verbose?: true;
    }>();
    if (options.listCompressors) return listCompressors();
    return await run(options, valuesOf(program));
  } catch (error) {
    // Help and version end here as well, with 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 1;
    return failure(NAME, error);
  }
}

/** The file system's own options, by the names that its table has. */
function valuesOf(command: Command): MakeOptionValues {
  const values: Record<string, string | true | readonly string[]> = {};
  for (const row of jffs2Type.options) {
    const option = command.options.find(({ long }) => long === `--${row.name}`)!;
    const value: unknown = command.getOptionValue(option.attributeName());
    // commander takes "--no-cleanmarkers" for the negation of "--cleanmarkers".
    const given = option.negate ? value === false : value !== undefined;
    if (given) values[row.name] = option.negate ? true : (value as string | true | string[]);
  }
  return values;
}

async function run(
  options: {
    root?: string;
    d?: string;
    output?: string;
    littleEndian?: true;
    bigEndian?: true;
    jobs?: string;
    verbose?: true;
  },
  values: MakeOptionValues,
): Promise<number> {
  const output = options.output ?? '-';
  if (output === '-' && isatty(STDOUT)) {
    throw new MakefsError('an image is nothing for a terminal; name a file with -o');
  }
  if (options.littleEndian && options.bigEndian) {
    throw new MakefsError('an image is big-endian or little-endian, not both');
  }
  const hostOrder = endianness() === 'LE' ? 'little' : 'big';
  // Whoever reads the list may have seen enough; the image is made all the same.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  const print = (line: string): void => {
    (output === '-' ? process.stderr : process.stdout).write(`${line}\n`);
  };
  const report = await makeImage({
    name: NAME,
    type: jffs2Type,
    output,
    offset: 0,
    source: {
      sources: [toBytes(options.root ?? options.d ?? '.')],
      specification: undefined,
      exclude: false,
      replace: false,
      userDatabase: '/etc',
    },
    request: {
      byteOrder: options.littleEndian ? 'little' : options.bigEndian ? 'big' : hostOrder,
      options: values,
      minimumSizeBytes: 0,
      maximumSizeBytes: Number.POSITIVE_INFINITY,
      free: { blocks: 0 },
      freeFiles: { files: 0 },
      sectorBytes: 512,
    },
    jobs: parseJobs(options.jobs),
    ...(options.verbose ? { treeRead: (tree: FsNode) => list(tree, print) } : {}),
  });
  if (options.verbose) {
    for (const line of report.statistics) process.stderr.write(`${line}\n`);
    process.stderr.write(`${report.sizeBytes} bytes\n`);
  }
  return 0;
}

function list(tree: FsNode, print: (line: string) => void): void {
  for (const { path, inode } of walkTree(tree)) {
    const size = inode.contents?.sizeBytes ?? inode.target.length;
    const facts = [inode.mode.toString(8).padStart(6), size, inode.uid, inode.gid];
    print(`${facts.join('\t')}\t${showPath(path)}`);
  }
}

function listCompressors(): number {
  for (const { codec, priority, disabled } of new jffs2_compressors({ zlib: nodeZlib() }).list()) {
    console.log(
      `${codec.name.padEnd(12)} priority ${priority}, ${disabled ? 'disabled' : 'enabled'}`,
    );
  }
  return 0;
}
