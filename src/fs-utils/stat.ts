/** fsu_stat: NetBSD's stat(1), with its formats. */
import { encode, toBytes, type ByteText } from './bytes.js';
import { EXIT_USAGE, ToolError, isSystemError } from './errors.js';
import { flagsText } from './flags.js';
import { modeText, strftime } from './format.js';
import type { Tool, ToolContext } from './tool.js';
import {
  S_IFCHR,
  S_IFBLK,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  isSymlink,
  major,
  minor,
  typeOf,
  type FileStat,
  type Timespec,
} from './tree.js';

const DEFAULT = '%d %i %Sp %l %Su %Sg %r %z "%Sa" "%Sm" "%Sc" "%SB" %k %b %#Xf %N';
const LONG = '%Sp %l %Su %Sg %Z %Sm %N%SY';
const LONG_MARKED = '%Sp %l %Su %Sg %Z %Sm %N%T%SY';
const RAW = '%d %i %#p %l %u %g %r %z %a %m %c %B %k %b %f %N';
const SHELL =
  'st_dev=%d st_ino=%i st_mode=%#p st_nlink=%l st_uid=%u st_gid=%g st_rdev=%r st_size=%z ' +
  'st_atime=%a st_mtime=%m st_ctime=%c st_birthtime=%B st_blksize=%k st_blocks=%b st_flags=%f';
const VERBOSE =
  '  File: "%N"%n  Size: %-11z  FileType: %HT%n  Mode: (%04OLp/%.10Sp)         Uid: (%5u/%8Su)  ' +
  'Gid: (%5g/%8Sg)%nDevice: %Hd,%Ld   Inode: %i    Links: %l%nAccess: %Sa%nModify: %Sm%nChange: %Sc';
const TIME = '%b %e %H:%M:%S %Y';

const TYPES: readonly (readonly [number, string, string])[] = [
  [S_IFREG, 'Regular File', ''],
  [S_IFDIR, 'Directory', '/'],
  [S_IFLNK, 'Symbolic Link', '@'],
  [S_IFCHR, 'Character Device', ''],
  [S_IFBLK, 'Block Device', ''],
  [S_IFIFO, 'Fifo File', '|'],
  [S_IFSOCK, 'Socket', '='],
];

type Datum = number | ByteText | Timespec;

/** Letters whose text is the default; the others' is a number. */
const TEXTS = 'NTYZ';

const FORMAT = /%(?:([nt%@])|([#+ \-0]*)(\d*)(?:\.(\d+))?([DOUXFS])?([HML])?([a-zA-Z]))/g;

class Formatter {
  readonly #context: ToolContext;
  readonly #timeFormat: string;

  constructor(context: ToolContext, timeFormat: string) {
    this.#context = context;
    this.#timeFormat = timeFormat;
  }

  /** @throws ToolError for letters that mean nothing. */
  format(format: string, path: ByteText, stat: FileStat, index: number): ByteText {
    return format.replace(
      FORMAT,
      (
        whole,
        single: string,
        flags: string,
        width: string,
        precision: string,
        kind: string,
        part: string,
        letter: string,
      ) => {
        if (single !== undefined)
          return { n: '\n', t: '\t', '%': '%', '@': String(index) }[single]!;
        const text = this.#datum(whole, flags, precision, kind, part, letter, path, stat);
        if (width === '') return text;
        if (flags.includes('-')) return text.padEnd(Number(width));
        return text.padStart(Number(width), flags.includes('0') && kind !== 'S' ? '0' : ' ');
      },
    );
  }

  #datum(
    whole: string,
    flags: string,
    precision: string | undefined,
    kind: string | undefined,
    part: string | undefined,
    letter: string,
    path: ByteText,
    stat: FileStat,
  ): ByteText {
    const asText = kind === 'S' || (kind === undefined && TEXTS.includes(letter));
    const datum = this.#value(letter, asText, part, path, stat);
    if (datum === undefined) throw new ToolError(`${whole}: bad format`, EXIT_USAGE);
    if (typeof datum === 'string')
      return precision === undefined ? datum : datum.slice(0, Number(precision));
    if (typeof datum === 'object') {
      if (asText) return encode(strftime(this.#timeFormat, datum.sec));
      if (kind !== 'F') return numberText(datum.sec, kind, flags);
      const fraction = String(datum.nsec)
        .padStart(9, '0')
        .slice(0, precision === undefined ? 9 : Number(precision));
      return `${datum.sec}${fraction === '' ? '' : '.'}${fraction}`;
    }
    const base = kind ?? (letter === 'p' ? 'O' : undefined);
    const text = numberText(datum, base, flags);
    return precision === undefined ? text : text.padStart(Number(precision), '0');
  }

  #value(
    letter: string,
    asText: boolean,
    part: string | undefined,
    path: ByteText,
    stat: FileStat,
  ): Datum | undefined {
    const { tree, names } = this.#context;
    const device = (rdev: number): number =>
      part === 'H' ? major(rdev) : part === 'L' ? minor(rdev) : rdev;
    switch (letter) {
      case 'd':
        return device(stat.dev);
      case 'r':
        return device(stat.rdev);
      case 'i':
        return stat.ino;
      case 'p':
        if (asText) {
          const text = modeText(stat.mode);
          return part === 'H'
            ? text.slice(1, 4)
            : part === 'M'
              ? text.slice(4, 7)
              : part === 'L'
                ? text.slice(7)
                : text;
        }
        if (part === 'H') return stat.mode >> 12;
        if (part === 'M') return (stat.mode >> 9) & 7;
        return part === 'L' ? stat.mode & 0o777 : stat.mode;
      case 'l':
        return stat.nlink;
      case 'u':
        return asText ? (names.user(stat.uid) ?? String(stat.uid)) : stat.uid;
      case 'g':
        return asText ? (names.group(stat.gid) ?? String(stat.gid)) : stat.gid;
      case 'a':
        return stat.atime;
      case 'm':
        return stat.mtime;
      case 'c':
        return stat.ctime;
      case 'B':
        return stat.birthtime;
      case 'z':
        return stat.size;
      case 'b':
        return stat.blocks;
      case 'k':
        return stat.blksize;
      case 'f':
        return asText ? flagsText(stat.flags) || '-' : stat.flags;
      case 'v':
        return 0;
      case 'N':
        return path;
      case 'T': {
        const type = TYPES.find(([bits]) => bits === typeOf(stat));
        if (part === 'H') return type?.[1] ?? 'unknown';
        return type?.[2] || (typeOf(stat) === S_IFREG && (stat.mode & 0o111) !== 0 ? '*' : '');
      }
      case 'Y': {
        if (!isSymlink(stat)) return '';
        const target = tree.readlink(path);
        return asText ? ` -> ${target}` : target;
      }
      case 'Z':
        return typeOf(stat) === S_IFCHR || typeOf(stat) === S_IFBLK
          ? `${major(stat.rdev)},${minor(stat.rdev)}`
          : String(stat.size);
      default:
        return undefined;
    }
  }
}

function numberText(value: number, kind: string | undefined, flags: string): string {
  const sign = flags.includes('+') && value >= 0 ? '+' : '';
  if (kind === 'O') return (flags.includes('#') && value !== 0 ? '0' : '') + value.toString(8);
  if (kind === 'X') return (flags.includes('#') && value !== 0 ? '0x' : '') + value.toString(16);
  return sign + String(value);
}

export const stat: Tool = {
  name: 'stat',
  about: 'Shows what inodes of an image say.',
  usage: '[-FLnq] [-f format | -l | -r | -s | -x | --struct system] [-t timefmt] file ...',
  writes: false,
  options: [
    ['-F', 'with -l, a mark after the name, as of fsu_ls -F'],
    ['-f <format>', 'in this form'],
    ['-L', 'follow symbolic links'],
    ['-l', 'as fsu_ls -lT'],
    ['-n', 'no newline at the end'],
    ['-q', 'no messages'],
    ['-r', 'as numbers'],
    ['-s', 'as variables of a shell'],
    ['-t <timefmt>', 'how times are written, as of strftime'],
    ['-x', 'over several lines'],
    [
      '--struct <system>',
      "struct stat itself, in the bytes of 'netbsd' or 'linux', to standard output",
    ],
  ],
  operands: [1, Number.POSITIVE_INFINITY],
  notes: [
    {
      title: 'Formats',
      text:
        'A format has fields such as %z: %, then flags (# for 0 and 0x, +, -, 0, space), width, ' +
        'precision, how (D decimal, O octal, X hexadecimal, F with fraction, S as text), a part (H high, ' +
        'M middle, L low) and what:',
      rows: [
        ['a, m, c, B', 'times of access, modification, change, birth'],
        ['b, k', 'blocks of 512 bytes, best size of a block'],
        ['d, r', 'device the inode is on, device the inode is'],
        ['f', 'file flags'],
        ['g, u', 'group, user'],
        ['i, l', 'number of the inode, of its names'],
        ['N, Y', 'name, what a link leads to'],
        ['p', 'type and mode'],
        ['T', 'mark of the type; HT: the type in words'],
        ['z, Z', 'size; Z: of devices, the numbers'],
        ['n, t, %, @', 'newline, tab, percent sign, number of the operand'],
      ],
    },
  ],
  examples: ['/etc/passwd', "-f '%N %Lp %z' /bin/busybox", '-x /'],
  seeAlso: ['fsu_ls(1)', 'stat(1)'],
  run(context, words) {
    const { tree, out } = context;
    const abi = words.value('struct');
    if (abi !== undefined && abi !== 'netbsd' && abi !== 'linux') {
      throw new ToolError(`--struct: '${abi}' is neither netbsd nor linux`, EXIT_USAGE);
    }
    const chosen = words.last('f', 'l', 'r', 's', 'x');
    const formats: Readonly<Record<string, string>> = {
      f: words.value('f') ?? '',
      l: words.has('F') ? LONG_MARKED : LONG,
      r: RAW,
      s: SHELL,
      x: VERBOSE,
    };
    const format = chosen === undefined ? DEFAULT : formats[chosen]!;
    const timeFormat = words.value('t') ?? (chosen === 'x' ? '%a %b %e %H:%M:%S %Y' : TIME);
    const formatter = new Formatter(context, timeFormat);
    for (const [i, path] of words.operands.entries()) {
      try {
        if (abi !== undefined) {
          out.bytes(tree.ukfs.statBytes(toBytes(path), abi, words.has('L')));
          continue;
        }
        const found = words.has('L') ? tree.stat(path) : tree.lstat(path);
        out.write(formatter.format(format, path, found, i + 1) + (words.has('n') ? '' : '\n'));
      } catch (error) {
        if (!isSystemError(error)) throw error;
        if (words.has('q')) context.status = 1;
        else context.fail(path, error);
      }
    }
    return undefined;
  },
};

export const readlink: Tool = {
  name: 'readlink',
  about: 'Shows where symbolic links of an image lead.',
  usage: '[-n] link ...',
  writes: false,
  options: [['-n', 'no newline at the end']],
  operands: [1, Number.POSITIVE_INFINITY],
  examples: ['/etc/mtab'],
  seeAlso: ['fsu_stat(1)', 'readlink(1)'],
  run(context, words) {
    for (const path of words.operands) {
      // As its namesake: silent about what is no link.
      try {
        context.out.write(context.tree.readlink(path) + (words.has('n') ? '' : '\n'));
      } catch (error) {
        if (!isSystemError(error)) throw error;
        context.status = 1;
      }
    }
    return undefined;
  },
};
