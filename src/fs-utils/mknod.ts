/** fsu_mknod */
import { EXIT_USAGE, ToolError, isSystemError } from './errors.js';
import { modeOption } from './mkdir.js';
import type { Tool } from './tool.js';
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK, makedev } from './tree.js';

/**
 * How systems pack device numbers: bits of the parts (major, and minor or unit and subunit), and
 * where they lie. Source: mknod(8)'s list of systems; their own definitions of dev_t.
 */
type Pack = (parts: readonly number[]) => number;

const fields =
  (...bits: readonly number[]): Pack =>
  (parts) => {
    if (parts.length !== bits.length) {
      throw new ToolError(`this format wants ${bits.length} numbers`, EXIT_USAGE);
    }
    return parts.reduce((packed, part, i) => {
      if (part >= 2 ** bits[i]!)
        throw new ToolError(`${part} is too large for this format`, EXIT_USAGE);
      return packed * 2 ** bits[i]! + part;
    }, 0);
  };

const pair: Pack = ([maj, min]) => {
  if (maj! > 0xfff || min! > 0xfffff) throw new ToolError('too large for this format', EXIT_USAGE);
  return makedev(maj!, min!);
};

const FORMATS: Readonly<Record<string, Pack>> = {
  native: pair,
  netbsd: pair,
  linux: pair,
  '386bsd': fields(8, 8),
  '4bsd': fields(8, 8),
  bsdos: (parts) => (parts.length === 3 ? fields(12, 12, 8)(parts) : fields(12, 20)(parts)),
  freebsd: ([maj, min]) => {
    if (maj! > 0xff || min! > 0xffffffff)
      throw new ToolError('too large for this format', EXIT_USAGE);
    return ((maj! << 8) | (min! & 0xffff00ff)) >>> 0;
  },
  hpux: fields(8, 24),
  isc: fields(8, 8),
  osf1: fields(12, 20),
  sco: fields(8, 8),
  solaris: fields(14, 18),
  sunos: fields(8, 8),
  svr3: fields(8, 8),
  svr4: fields(14, 18),
  ultrix: fields(8, 8),
};

function numberOf(text: string): number {
  if (!/^(0x[0-9a-f]+|\d+)$/i.test(text)) throw new ToolError(`'${text}' is no number`, EXIT_USAGE);
  const value = /^0[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number(text);
  if (value > 0xffffffff) throw new ToolError(`${text} is too large`, EXIT_USAGE);
  return value;
}

const TYPES: Readonly<Record<string, number>> = {
  b: S_IFBLK,
  c: S_IFCHR,
  u: S_IFCHR,
  p: S_IFIFO,
  s: S_IFSOCK,
};

export const mknod: Tool = {
  name: 'mknod',
  about: 'Makes a device, a fifo or a socket in an image.',
  usage:
    '[-rR] [-F format] [-g group] [-m mode] [-u user] name [b | c] [major minor | number]\n[-rR] [-g group] [-m mode] [-u user] name [p | s]',
  writes: true,
  options: [
    ['-F <format>', `how the system packs the numbers: ${Object.keys(FORMATS).join(', ')}`],
    ['-g <group>', 'the group'],
    ['-m <mode>', 'the mode, as of chmod, instead of the one that the umask leaves'],
    ['-R', 'replace a file that exists and is of another kind or number'],
    ['-r', 'a file that exists with this kind and number is no error; mode and owner are set'],
    ['-u <user>', 'the user'],
  ],
  operands: [2, 5],
  examples: ['/dev/console c 5 1', '-m 666 /dev/null c 1 3', '-F solaris /dev/sd0 b 32 0'],
  seeAlso: ['mknod(1)', 'fsu_mkfifo(1)'],
  run(context, words) {
    const { tree, session, names } = context;
    const [path, letter, ...numbers] = words.operands as [string, string, ...string[]];
    const type = TYPES[letter];
    if (type === undefined)
      throw new ToolError(`the kind must be b, c, p or s, not '${letter}'`, EXIT_USAGE);
    const format = words.value('F') ?? 'native';
    const pack = FORMATS[format];
    if (pack === undefined) throw new ToolError(`format '${format}' is not known`, EXIT_USAGE);
    const isDevice = type === S_IFBLK || type === S_IFCHR;
    if (isDevice ? numbers.length === 0 : numbers.length > 0) {
      throw new ToolError(
        isDevice ? 'major and minor are missing' : 'only devices have numbers',
        EXIT_USAGE,
      );
    }
    const values = numbers.map(numberOf);
    const rdev = !isDevice ? 0 : values.length === 1 ? values[0]! : pack(values);
    const owner = (option: 'u' | 'g', find: (text: string) => number | undefined): number => {
      const text = words.value(option);
      if (text === undefined) return -1;
      const id = find(text);
      if (id === undefined)
        throw new ToolError(`'${text}': no such ${option === 'u' ? 'user' : 'group'}`);
      return id;
    };
    const uid = owner('u', (text) => names.uid(text));
    const gid = owner('g', (text) => names.gid(text));
    const mode = modeOption(context, words, 0o666);
    context.try(path, () => {
      const make = (): void => tree.mknod(path, type | (mode ?? 0o666 & ~session.umask), rdev);
      try {
        make();
      } catch (error) {
        if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
        const stat = tree.lstat(path);
        const isSame = (stat.mode & S_IFMT) === type && (!isDevice || stat.rdev === rdev);
        if (!(isSame && (words.has('r') || words.has('R')))) {
          if (!words.has('R') || (stat.mode & S_IFMT) === S_IFREG) throw error;
          tree.unlink(path);
          make();
        }
      }
      if (uid >= 0 || gid >= 0) tree.lchown(path, uid, gid);
      if (mode !== undefined) tree.chmod(path, mode);
    });
    return undefined;
  },
};
