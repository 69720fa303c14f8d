/** fsu_cp, fsu_ecp, fsu_get, fsu_put, fsu_emv */
import type { CopyOptions, Kept } from './copy.js';
import { EXIT_STATUS, NO_PRESERVE, copyAll, preserved } from './copy_all.js';
import { EXIT_USAGE, ToolError } from './errors.js';
import { SECOND_NOTE, SECOND_OPTIONS, namesSecond, withSecond } from './second.js';
import type { Tool, ToolContext, ToolOption, Words } from './tool.js';
import type { Follow } from './traverse.js';

const ALL = Number.POSITIVE_INFINITY;

const WALK_OPTIONS: readonly ToolOption[] = [
  ['-H', 'with -R, follow symbolic links among the operands'],
  ['-L', 'with -R, follow all symbolic links'],
  ['-P', 'with -R, follow no symbolic link (the default)'],
];

const BORDER_OPTIONS: readonly ToolOption[] = [
  ['-L', 'follow symbolic links'],
  ['-R', 'directories with all that is below them (always so)'],
  ['-v', 'name what is made'],
  NO_PRESERVE,
];

const KEEPING = {
  title: 'What is kept',
  text:
    'Directories are copied with all that is below them. Modes, owners (numbers), times, symbolic and ' +
    'hard links, devices, holes and extended attributes are kept as far as the caller may; what could ' +
    'not be kept is counted, told, and makes the exit status 1. An ordinary user cannot keep the owners ' +
    'of others on the host: --no-preserve=ownership says that this is no loss. On the host, extended ' +
    'attributes and special files need python3.\n\nBelow the target no symbolic link is followed; names ' +
    'that would lead out of it are refused.',
};

export const cp: Tool = {
  name: 'cp',
  about: 'Copies files inside an image, or to another.',
  usage:
    '[-fip] [-v] [--to image] source target\n' +
    '[-fip] [-Nv] [-R [-H | -L | -P]] [--to image] source ... directory',
  writes: (argv) => !namesSecond(argv),
  options: [
    ...WALK_OPTIONS,
    ['-a', 'the same as -pPR'],
    ['-f', 'remove a target that cannot be opened'],
    ['-i', 'ask before a file is replaced'],
    ['-N', 'without file flags'],
    ['-p', 'keep modes, owners, times, links and extended attributes'],
    ['-R', 'directories with all that is below them, and special files'],
    ['-r', 'the same as -R'],
    ['-v', 'name what is made'],
    NO_PRESERVE,
    ...SECOND_OPTIONS,
  ],
  operands: [2, ALL],
  notes: [
    SECOND_NOTE,
    {
      title: 'What is kept',
      text:
        'With -p or -a, what could not be kept is counted, told at the end with its first examples, and ' +
        'makes the exit status 1. --no-preserve says what is no loss.',
    },
  ],
  examples: [
    '/etc/passwd /etc/passwd.old',
    '-Rp /etc /etc.factory',
    '--to disk.img -a / /',
    '--to card.img -a --no-preserve=ownership,mode /www /',
  ],
  exitStatus: EXIT_STATUS,
  seeAlso: ['cp(1)', 'fsu_ecp(1)', 'fsu_mv(1)'],
  run(context, words) {
    const recursive = words.has('R') || words.has('r') || words.has('a');
    const keep = new Set<Kept>(words.has('p') || words.has('a') ? preserved(words) : []);
    if (words.has('N')) keep.delete('flags');
    const links = words.last('H', 'L', 'P', 'a');
    const follow: Follow = recursive
      ? links === 'H' || links === 'L'
        ? links
        : 'P'
      : links === 'P'
        ? 'P'
        : 'L';
    return withSecond(context, words, true, (to) =>
      copyAll(context, context.tree, to, words.operands, {
        recursive,
        follow,
        keep,
        force: words.has('f'),
        asks: words.last('f', 'i') === 'i',
        verbose: words.has('v'),
        exactTimes: words.has('to'),
      }),
    );
  },
};

function border(
  context: ToolContext,
  words: Words,
  direction: 'get' | 'put',
  move: boolean,
): undefined {
  const { tree, host } = context;
  const options: CopyOptions = {
    recursive: true,
    follow: words.has('L') ? 'L' : 'P',
    keep: new Set(preserved(words)),
    verbose: words.has('v'),
    move,
  };
  const [from, to] = direction === 'get' ? [tree, host] : [host, tree];
  const home = direction === 'get' ? '.' : '/';
  const operands = words.operands.length === 1 ? [...words.operands, home] : words.operands;
  // umask is for what people make by hand.
  return copyAll(context, from, to, operands, options);
}

const borderTool = (
  name: string,
  direction: 'get' | 'put',
  about: string,
  usage: string,
  examples: readonly string[],
): Tool => ({
  name,
  about,
  usage,
  writes: direction === 'put',
  options: BORDER_OPTIONS,
  operands: [1, ALL],
  notes: [KEEPING],
  examples,
  exitStatus: EXIT_STATUS,
  seeAlso: ['cp(1)', 'fsu_ecp(1)', direction === 'get' ? 'fsu_put(1)' : 'fsu_get(1)'],
  run: (context, words) => border(context, words, direction, false),
});

export const get: Tool = borderTool(
  'get',
  'get',
  'Copies files out of an image.',
  '[-LRv] [--no-preserve list] source [target]\n[-LRv] [--no-preserve list] source ... directory',
  ['/etc/passwd', '/ rootfs', '--no-preserve=ownership /www .'],
);

export const put: Tool = borderTool(
  'put',
  'put',
  'Copies files into an image.',
  '[-LRv] [--no-preserve list] source [target]\n[-LRv] [--no-preserve list] source ... directory',
  ['passwd /etc/passwd', 'rootfs/. /'],
);

const DIRECTION_OPTIONS: readonly ToolOption[] = [
  ['-g', 'get: out of the image'],
  ['-p', 'put: into the image'],
];

function directionOf(words: Words): 'get' | 'put' {
  const direction = words.last('g', 'p');
  if (direction === undefined)
    throw new ToolError('-g (get) or -p (put) must say the direction', EXIT_USAGE);
  return direction === 'g' ? 'get' : 'put';
}

export const ecp: Tool = {
  name: 'ecp',
  about: 'Copies files between the host and an image.',
  usage: '-g | -p [-dLRv] [--no-preserve list] source ... target',
  writes: (argv) => argv.some((word) => /^-[LRvg]*[pd]/.test(word)),
  options: [
    ...DIRECTION_OPTIONS,
    ['-d', 'remove each source that was copied without any loss'],
    ...BORDER_OPTIONS,
  ],
  operands: [1, ALL],
  notes: [KEEPING],
  examples: ['-g /etc etc', '-p etc/. /etc', '-g -d /var/log logs'],
  exitStatus: EXIT_STATUS,
  seeAlso: ['cp(1)', 'fsu_get(1)', 'fsu_put(1)', 'fsu_emv(1)'],
  run: (context, words) => border(context, words, directionOf(words), words.has('d')),
};

export const emv: Tool = {
  name: 'emv',
  about: 'Moves files between the host and an image.',
  usage: '-g | -p [-LRv] [--no-preserve list] source ... target',
  writes: true,
  options: [...DIRECTION_OPTIONS, ...BORDER_OPTIONS],
  operands: [1, ALL],
  notes: [KEEPING],
  examples: ['-g /var/log logs', '-p firmware.conf /etc'],
  exitStatus: EXIT_STATUS,
  seeAlso: ['mv(1)', 'fsu_ecp(1)'],
  run: (context, words) => border(context, words, directionOf(words), true),
};
