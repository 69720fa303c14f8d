/**
 * mtree(5) specifications: a line per file, with its attributes as keywords. Reads both styles, the
 * nested one (relative names, "..") and the one with full paths; writes full paths.
 *
 * Source: NetBSD's manual page mtree(5); reference rump.md §7.3. Digests, cksum, size, flags,
 * nlink, tags and the like are for who verifies a tree: they are read, and mean nothing to an
 * image.
 */
import { type ByteName, bytesToName, putName } from '../lump/types.js';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../lump/fs.js';
import { fileType, type FsInode, type FsNode, MakefsError, showPath, walkTree } from './fsnode.js';
import { parseMode } from './mode.js';

/** What a specification says of one file; absent = nothing. */
export interface MtreeEntry {
  /** Components below the root; empty = the root itself. */
  readonly path: readonly ByteName[];
  /** File and line, for messages. */
  readonly where: string;
  /** S_IF*. */
  type?: number;
  /** Permission bits. */
  mode?: number;
  uid?: number;
  gid?: number;
  uname?: string;
  gname?: string;
  timeSec?: number;
  link?: ByteName;
  device?: { readonly major: number; readonly minor: number };
  /** Path on the host of a file that has the data (FreeBSD's). */
  contents?: ByteName;
  /** Not made when the tree has it not. */
  optional?: boolean;
  /** Neither it nor what is below it is compared, or here: changed. */
  ignore?: boolean;
}

const TYPES: Readonly<Record<string, number>> = {
  block: S_IFBLK,
  char: S_IFCHR,
  dir: S_IFDIR,
  fifo: S_IFIFO,
  file: S_IFREG,
  link: S_IFLNK,
  socket: S_IFSOCK,
};

/** Keywords without meaning for an image. */
const VERIFYING = new Set(
  ['cksum', 'flags', 'size', 'nlink', 'tags', 'inode', 'resdevice', 'nochange']
    .concat(
      ['md5', 'rmd160', 'sha1', 'sha256', 'sha384', 'sha512'].flatMap((n) => [n, `${n}digest`]),
    )
    .concat(['ripemd160digest']),
);

/** As the kernel's PATH_MAX: nothing longer could be reached. */
const PATH_BYTES_MAX = 4096;

/** @throws MakefsError naming the file and the line */
export function parseMtree(bytes: Uint8Array, file: string): MtreeEntry[] {
  const entries: MtreeEntry[] = [];
  const parser = new MtreeParser(entries);
  for (const { text, where } of logicalLines(bytes, file)) {
    try {
      parser.line(text, where);
    } catch (error) {
      if (!(error instanceof MakefsError)) throw error;
      throw new MakefsError(`${where}: ${error.message}`);
    }
  }
  return entries;
}

/** Lines without comments and blanks; those that end with a backslash are joined. */
function* logicalLines(
  bytes: Uint8Array,
  file: string,
): Generator<{ text: ByteName; where: string }> {
  let pending = '';
  let first = 0;
  const lines = bytesToName(bytes).split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!.replace(/\r$/, '');
    if (pending === '') first = i + 1;
    // An even number of backslashes at the end are escaped ones.
    const continued = /(^|[^\\])(\\\\)*\\$/.test(line);
    pending += continued ? `${line.slice(0, -1)} ` : line;
    if (continued && i + 1 < lines.length) continue;
    const text = pending.trim();
    pending = '';
    if (text !== '' && !text.startsWith('#')) yield { text, where: `${file}:${first}` };
  }
}

type Facts = Omit<MtreeEntry, 'path' | 'where'>;

class MtreeParser {
  private readonly entries: MtreeEntry[];
  private defaults: Facts = {};
  /** Of the nested style: where relative names belong. */
  private current: readonly ByteName[] | null = null;

  constructor(entries: MtreeEntry[]) {
    this.entries = entries;
  }

  line(text: ByteName, where: string): void {
    const [word, ...keywords] = text.split(/[ \t]+/) as [string, ...string[]];
    if (word === '/set') {
      this.defaults = { ...this.defaults };
      for (const keyword of keywords) setKeyword(this.defaults, keyword);
      return;
    }
    if (word === '/unset') {
      this.defaults = { ...this.defaults };
      for (const keyword of keywords) unsetKeyword(this.defaults, keyword);
      return;
    }
    if (word.startsWith('/')) {
      throw new MakefsError(`"${word}" is neither /set nor /unset, and paths start with "./"`);
    }
    if (word === '..') {
      if (this.current === null || this.current.length === 0) {
        throw new MakefsError('".." leads out of the tree');
      }
      this.current = this.current.slice(0, -1);
      return;
    }
    const facts: Facts = { ...this.defaults };
    for (const keyword of keywords) setKeyword(facts, keyword);
    const relative = !word.includes('/');
    const path = this.pathOf(word, relative);
    this.entries.push({ ...facts, path, where });
    if (relative && (facts.type === S_IFDIR || path.length === 0)) this.current = path;
  }

  private pathOf(word: string, relative: boolean): readonly ByteName[] {
    const names = word
      .split('/')
      .filter((name) => name !== '' && name !== '.')
      .map(decodeMtree);
    for (const name of names) {
      if (name === '..' || name === '.' || /[/\0]/.test(name)) {
        throw new MakefsError(`"${showPath(name)}" cannot be a name`);
      }
    }
    const path = relative && word !== '.' ? [...(this.current ?? []), ...names] : names;
    if (path.join('/').length > PATH_BYTES_MAX) {
      throw new MakefsError(`a path longer than ${PATH_BYTES_MAX} bytes`);
    }
    return path;
  }
}

function setKeyword(facts: Facts, text: string): void {
  const equals = text.indexOf('=');
  const keyword = equals < 0 ? text : text.slice(0, equals);
  const value = equals < 0 ? undefined : text.slice(equals + 1);
  if (keyword === 'optional' || keyword === 'ignore') {
    facts[keyword] = true;
    return;
  }
  if (VERIFYING.has(keyword)) return;
  if (!isFact(keyword)) throw new MakefsError(`unknown keyword "${showPath(keyword)}"`);
  if (value === undefined) throw new MakefsError(`${keyword} needs a value`);
  FACTS[keyword](facts, value);
}

const FACTS = {
  type(facts: Facts, value: string) {
    const type = Object.hasOwn(TYPES, value) ? TYPES[value] : undefined;
    if (type === undefined) {
      throw new MakefsError(`type ${showPath(value)} is none of ${Object.keys(TYPES).join(', ')}`);
    }
    facts.type = type;
  },
  mode(facts: Facts, value: string) {
    const mode = parseMode(value);
    if (mode === null)
      throw new MakefsError(`mode ${showPath(value)} is neither octal nor symbolic`);
    facts.mode = mode;
  },
  uid(facts: Facts, value: string) {
    facts.uid = decimal('uid', value);
  },
  gid(facts: Facts, value: string) {
    facts.gid = decimal('gid', value);
  },
  uname(facts: Facts, value: string) {
    facts.uname = decodeMtree(value);
  },
  gname(facts: Facts, value: string) {
    facts.gname = decodeMtree(value);
  },
  time(facts: Facts, value: string) {
    const match = /^(-?\d{1,15})(\.\d*)?$/.exec(value);
    if (match === null) throw new MakefsError(`time ${showPath(value)} is not in seconds`);
    facts.timeSec = Number(match[1]);
  },
  link(facts: Facts, value: string) {
    facts.link = decodeMtree(value);
  },
  contents(facts: Facts, value: string) {
    facts.contents = decodeMtree(value);
  },
  content(facts: Facts, value: string) {
    facts.contents = decodeMtree(value);
  },
  device(facts: Facts, value: string) {
    facts.device = parseDevice(value);
  },
} as const;

const isFact = (keyword: string): keyword is keyof typeof FACTS => Object.hasOwn(FACTS, keyword);

function unsetKeyword(facts: Facts, keyword: string): void {
  if (keyword === 'all') {
    for (const key of Object.keys(facts)) delete facts[key as keyof Facts];
  } else if (keyword === 'time') {
    facts.timeSec = undefined;
  } else {
    delete facts[keyword as keyof Facts];
  }
}

function decimal(keyword: string, value: string): number {
  if (!/^\d{1,10}$/.test(value))
    throw new MakefsError(`${keyword} ${showPath(value)} is no number`);
  return Number(value);
}

/**
 * "format,major,minor", "format,major,unit,subunit", or one number, packed as Linux's 32-bit dev_t.
 * The formats of mknod(8) tell how a number is packed on the host that made the specification;
 * major and minor are the same in all.
 */
function parseDevice(value: string): { major: number; minor: number } {
  const fields = value.split(',');
  const numbers = fields.slice(fields.length > 1 ? 1 : 0).map((field) => {
    const base = /^0x[0-9a-f]+$/i.test(field) ? 16 : /^0[0-7]+$/.test(field) ? 8 : 10;
    if (base === 10 && !/^\d+$/.test(field)) {
      throw new MakefsError(`device ${showPath(value)} is not "format,major,minor"`);
    }
    return Number.parseInt(field, base);
  });
  if (fields.length === 1) {
    const packed = numbers[0]!;
    return { major: (packed >>> 8) & 0xfff, minor: (packed & 0xff) | ((packed >>> 12) & 0xfff00) };
  }
  if (fields.length === 4) {
    throw new MakefsError(`device ${showPath(value)}: units and subunits are not known here`);
  }
  if (fields.length !== 3) {
    throw new MakefsError(`device ${showPath(value)} is not "format,major,minor"`);
  }
  return { major: numbers[0]!, minor: numbers[1]! };
}

const C_ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  b: '\b',
  a: '\x07',
  v: '\v',
  f: '\f',
  s: ' ',
  '0': '\0',
};

/** Undoes vis(3): \ooo, and the C-like forms that some writers use. */
export function decodeMtree(text: string): ByteName {
  return text.replace(/\\(?:([0-7]{3})|(.))/gs, (_, octal: string | undefined, plain: string) =>
    octal === undefined
      ? (C_ESCAPES[plain] ?? plain)
      : String.fromCharCode(Number.parseInt(octal, 8) & 0xff),
  );
}

/** Everything but plain printable characters as \ooo; '#' and glob characters, too. */
export const encodeMtree = (name: ByteName): string =>
  name.replace(
    /[^!-~]|[\\#*?[=]/g,
    (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`,
  );

/** The tree as a specification with full paths, byte for byte the same for the same tree. */
export function formatMtree(root: FsNode): Uint8Array {
  const lines = ['#mtree'];
  const links = new Map<FsInode, number>();
  for (const { inode } of walkTree(root)) links.set(inode, (links.get(inode) ?? 0) + 1);
  for (const node of walkTree(root)) {
    const { inode } = node;
    const type = inode.mode & S_IFMT;
    const names = node.path.split('/').map(encodeMtree).join('/');
    const words = [
      names,
      `type=${fileType(inode.mode)}`,
      `mode=0${(inode.mode & 0o7777).toString(8)}`,
      `uid=${inode.uid}`,
      `gid=${inode.gid}`,
      `time=${inode.mtimeSec}.0`,
    ];
    const count = links.get(inode)!;
    if (type !== S_IFDIR && count > 1) words.push(`nlink=${count}`);
    if (type === S_IFREG) words.push(`size=${inode.contents?.sizeBytes ?? 0}`);
    if (type === S_IFLNK) words.push(`link=${encodeMtree(inode.target)}`);
    if (type === S_IFCHR || type === S_IFBLK) {
      words.push(`device=linux,${inode.rdevMajor},${inode.rdevMinor}`);
    }
    lines.push(words.join(' '));
  }
  const text = `${lines.join('\n')}\n`;
  const bytes = new Uint8Array(text.length);
  putName(bytes, 0, text);
  return bytes;
}
