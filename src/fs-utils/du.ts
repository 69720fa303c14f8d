/** fsu_du, fsu_df */
import { followOption } from './chmod.js';
import { EXIT_USAGE, ToolError } from './errors.js';
import { blockSize, humanSize } from './format.js';
import type { Tool, ToolContext, ToolOption, Words } from './tool.js';
import { traverse } from './traverse.js';
import { isDirectory } from './tree.js';

const UNIT_OPTIONS: readonly ToolOption[] = [
  ['-g', 'in GiB'],
  ['-h', 'as 1.5K, 20M'],
  ['-k', 'in KiB'],
  ['-m', 'in MiB'],
];
const UNITS: Readonly<Record<string, number>> = { g: 1 << 30, k: 1 << 10, m: 1 << 20 };

/** Bytes → what is shown; and the unit, undefined for -h. */
function unitOf(
  context: ToolContext,
  words: Words,
): { unit: number | undefined; show(bytes: number): string } {
  const chosen = words.last('g', 'h', 'k', 'm');
  if (chosen === 'h') return { unit: undefined, show: humanSize };
  const unit = UNITS[chosen ?? ''] ?? blockSize(context.session.environment);
  return { unit, show: (bytes) => String(Math.ceil(bytes / unit)) };
}

export const du: Tool = {
  name: 'du',
  about: 'Shows the space that files of an image take.',
  usage: '[-H | -L | -P] [-a | -d depth | -s] [-cghkmnrx] [file ...]',
  writes: false,
  options: [
    ['-a', 'every file, not directories only'],
    ['-c', 'a total'],
    ['-d <depth>', 'directories as deep as this, the operands being 0'],
    ['-H', 'follow symbolic links among the operands'],
    ['-L', 'follow all symbolic links'],
    ['-n', 'without files of the flag nodump'],
    ['-P', 'follow no symbolic link (the default)'],
    ['-r', 'messages about what cannot be read (always so)'],
    ['-s', 'the operands only'],
    ['-x', 'on one device only'],
    ...UNIT_OPTIONS,
  ],
  notes: [
    {
      title: 'Units',
      text: 'Sizes are in 512 bytes, or in what BLOCKSIZE says. A file with several names counts once.',
    },
  ],
  examples: ['-sh /', '-d 1 -k /usr'],
  seeAlso: ['du(1)', 'fsu_df(1)'],
  run(context, words) {
    const { tree, out } = context;
    const { show } = unitOf(context, words);
    const depthText = words.value('d');
    if (depthText !== undefined && !/^\d+$/.test(depthText)) {
      throw new ToolError(`invalid depth '${depthText}'`, EXIT_USAGE);
    }
    const depth = words.has('s') ? 0 : Number(depthText ?? Number.POSITIVE_INFINITY);
    const options = { follow: followOption(words), sameDevice: words.has('x') };
    const seen = new Set<string>();
    let total = 0;
    for (const operand of words.operands.length > 0 ? words.operands : ['.']) {
      /** Bytes of the directories one is in. */
      const sums: number[] = [];
      for (const { kind, path, level, stat, error } of traverse(tree, operand, options)) {
        if (kind === 'error') {
          context.fail(path, error);
          continue;
        }
        if (kind === 'leave') {
          const sum = sums.pop()!;
          if (level <= depth) out.write(`${show(sum)}\t${path}\n`);
          if (sums.length > 0) sums[sums.length - 1]! += sum;
          else total += sum;
          continue;
        }
        const id = `${stat.dev}:${stat.ino}`;
        // An operand below another one was counted with it.
        if (kind === 'enter' && level === 0 && seen.has(id)) break;
        const counts = !(words.has('n') && (stat.flags & 1) !== 0) && !seen.has(id);
        if (kind === 'enter' || stat.nlink > 1 || options.follow !== 'P') {
          if (!isDirectory(stat) && seen.has(id)) continue;
          seen.add(id);
        }
        const bytes = counts ? stat.blocks * 512 : 0;
        if (kind === 'enter') sums.push(bytes);
        else {
          if (level === 0 || (words.has('a') && level <= depth))
            out.write(`${show(bytes)}\t${path}\n`);
          if (sums.length > 0) sums[sums.length - 1]! += bytes;
          else total += bytes;
        }
      }
    }
    if (words.has('c')) out.write(`${show(total)}\ttotal\n`);
    return undefined;
  },
};

const UNIT_NAMES: ReadonlyMap<number, string> = new Map([
  [1 << 10, '1024-blocks'],
  [1 << 20, '1M-blocks'],
  [1 << 30, '1G-blocks'],
]);

export const df: Tool = {
  name: 'df',
  about: 'Shows the free space of an image.',
  usage: '[-aGghiklmnP] [-t type]',
  writes: false,
  options: [
    ['-a', 'accepted: there is one file system'],
    ['-G', 'every number that is known, with its name'],
    ['-i', 'inodes, too'],
    ['-l', 'accepted: it is a local one'],
    ['-n', 'accepted: the numbers are the current ones'],
    ['-P', 'in the form that POSIX has'],
    ['-t <type>', 'only if it is of this type'],
    ...UNIT_OPTIONS,
  ],
  operands: [0, 0],
  examples: ['-h', '-P -k'],
  seeAlso: ['df(1)', 'fsu_du(1)'],
  run(context, words) {
    const { out, session } = context;
    const type = words.value('t');
    if (type !== undefined && !type.split(',').includes(session.type)) return 0;
    const space = context.tree.space();
    const { unit, show } = unitOf(context, words);
    const size = (blocks: number): string => show(blocks * space.blockBytes);
    const used = space.blocks - space.free;
    const reachable = used + space.available;
    const capacity = reachable <= 0 ? '100%' : `${Math.ceil((used / reachable) * 100)}%`;
    if (words.has('G')) {
      const rows: readonly (readonly [string, number | string])[] = [
        ['type', session.type],
        ['block bytes', space.blockBytes],
        ['blocks', space.blocks],
        ['free', space.free],
        ['available', space.available],
        ['files', space.files],
        ['files free', space.filesFree],
      ];
      out.write(`${session.imagePath}\n`);
      for (const [name, value] of rows) out.write(`  ${name.padEnd(12)} ${value}\n`);
      return 0;
    }
    const isPosix = words.has('P');
    const sizeTitle = unit === undefined ? 'Size' : (UNIT_NAMES.get(unit) ?? `${unit}-blocks`);
    const titles = [
      'Filesystem',
      sizeTitle,
      'Used',
      isPosix ? 'Available' : 'Avail',
      isPosix ? 'Capacity' : '%Cap',
    ];
    const values = [
      session.imagePath,
      size(space.blocks),
      size(used),
      size(space.available),
      capacity,
    ];
    if (words.has('i')) {
      const { files, filesFree } = space;
      const inUse = files - filesFree;
      titles.push('iUsed', 'iAvail', '%iCap');
      values.push(
        String(inUse),
        String(filesFree),
        files > 0 ? `${Math.ceil((inUse / files) * 100)}%` : '0%',
      );
    }
    titles.push('Mounted on');
    values.push('/');
    const widths = titles.map((title, i) => Math.max(title.length, values[i]!.length));
    for (const row of [titles, values]) {
      const cells = row.map((cell, i) => {
        const isText = i === 0 || i === row.length - 1;
        return isText ? (i === 0 ? cell.padEnd(widths[i]!) : cell) : cell.padStart(widths[i]!);
      });
      out.write(`${cells.join(' ')}\n`);
    }
    return 0;
  },
};
