/** fsu_diff: compares files and trees of an image, or of two. */
import { fromBytes, type ByteText } from './bytes.js';
import { content, together } from './cat.js';
import { EXIT_USAGE, ToolError } from './errors.js';
import { flagsText } from './flags.js';
import { diffLines, type Hunk } from './lines.js';
import { SECOND_NOTE, SECOND_OPTIONS, withSecond } from './second.js';
import type { Tool, ToolContext, Words } from './tool.js';
import { byName } from './traverse.js';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  basename,
  isDevice,
  isDirectory,
  isSameFile,
  join,
  typeOf,
  type FileStat,
  type Tree,
} from './tree.js';

const EXIT_DIFFERENT = 1;
const EXIT_TROUBLE = 2;
const CONTEXT_LINES = 3;
/** Of larger files only whether they differ is said. */
const TEXT_BYTES_MAX = 256 << 20;

const KINDS: ReadonlyMap<number, string> = new Map([
  [S_IFREG, 'regular file'],
  [S_IFDIR, 'directory'],
  [S_IFLNK, 'symbolic link'],
  [S_IFCHR, 'character special file'],
  [S_IFBLK, 'block special file'],
  [S_IFIFO, 'fifo'],
  [S_IFSOCK, 'socket'],
]);

class Comparison {
  readonly #context: ToolContext;
  readonly #words: Words;
  readonly #contextLines: number | undefined;
  /** The tree of the first operand, and of the second. */
  readonly #ours: Tree;
  readonly #theirs: Tree;
  /** Before the paths of each, where they are of two images. */
  readonly #labels: readonly [ByteText, ByteText];
  /** Of files with several names in both trees: the other's inode by one's. */
  readonly #links = new Map<string, string>();
  isDifferent = false;

  constructor(context: ToolContext, words: Words, theirs: Tree) {
    this.#context = context;
    this.#words = words;
    this.#ours = context.tree;
    this.#theirs = theirs;
    const { imagePath } = context.session;
    const isOne = this.#ours === this.#theirs;
    this.#labels = isOne ? ['', ''] : [`${imagePath}:`, `${words.value('to')}:`];
    const given = words.value('U');
    if (given !== undefined && !/^\d+$/.test(given)) {
      throw new ToolError(`-U: '${given}' is no number`, EXIT_USAGE);
    }
    this.#contextLines =
      given !== undefined ? Number(given) : words.has('u') ? CONTEXT_LINES : undefined;
  }

  #say(text: ByteText): void {
    this.isDifferent = true;
    this.#context.out.write(`${text}\n`);
  }

  /** "a and b", as messages name them. */
  #both(a: ByteText, b: ByteText): ByteText {
    return `${this.#labels[0]}${a} and ${this.#labels[1]}${b}`;
  }

  /** Of two operands a directory stands for its file of the other's name. */
  operands(a: ByteText, b: ByteText): void {
    const [first, second] = [this.#ours.stat(a), this.#theirs.stat(b)];
    if (isDirectory(first) === isDirectory(second)) this.#pair(a, b, first, second, true);
    else if (isDirectory(first)) this.operands(join(a, basename(b)), b);
    else this.operands(a, join(b, basename(a)));
  }

  #pair(a: ByteText, b: ByteText, first: FileStat, second: FileStat, isOperand: boolean): void {
    const type = typeOf(first);
    const isSame = this.#ours === this.#theirs && isSameFile(first, second);
    if (type !== typeOf(second)) {
      const kind = (stat: FileStat): string => KINDS.get(typeOf(stat)) ?? 'file';
      const [la, lb] = this.#labels;
      this.#say(`File ${la}${a} is a ${kind(first)} while file ${lb}${b} is a ${kind(second)}`);
      return;
    }
    if (this.#words.has('attributes') && !isSame) this.#attributes(a, b, first, second);
    if (isSame) this.#same(a, b);
    else if (type === S_IFDIR) {
      if (isOperand || this.#words.has('r')) this.#directories(a, b);
      else this.#context.out.write(`Common subdirectories: ${this.#both(a, b)}\n`);
    } else if (type === S_IFLNK) {
      if (this.#ours.readlink(a) !== this.#theirs.readlink(b))
        this.#say(`Symbolic links ${this.#both(a, b)} differ`);
      else this.#same(a, b);
    } else if (type === S_IFREG) this.#files(a, b, first, second, isOperand);
    else if (isDevice(first) && first.rdev !== second.rdev)
      this.#say(`Special files ${this.#both(a, b)} differ`);
    else this.#same(a, b);
  }

  #same(a: ByteText, b: ByteText): void {
    if (this.#words.has('s')) this.#context.out.write(`Files ${this.#both(a, b)} are identical\n`);
  }

  /** What a file has besides its content; one line says all that is different. */
  #attributes(a: ByteText, b: ByteText, first: FileStat, second: FileStat): void {
    const facts: ByteText[] = [];
    const compare = (what: string, ours: ByteText, theirs: ByteText): void => {
      if (ours !== theirs) facts.push(`${what} ${ours || 'none'}, ${theirs || 'none'}`);
    };
    const isLink = typeOf(first) === S_IFLNK;
    const mode = (stat: FileStat): string => (isLink ? '' : (stat.mode & 0o7777).toString(8));
    compare('mode', mode(first), mode(second));
    compare('owner', `${first.uid}:${first.gid}`, `${second.uid}:${second.gid}`);
    const time = ({ mtime: { sec, nsec } }: FileStat): string => `${sec}.${nineDigits(nsec)}`;
    compare('modified', time(first), time(second));
    compare('file flags', flagsText(first.flags), flagsText(second.flags));
    if (typeOf(first) !== S_IFDIR) {
      compare('names', String(first.nlink), String(second.nlink));
      if (first.nlink > 1 && first.nlink === second.nlink) this.#linked(first, second, facts);
    }
    const [ours, theirs] = [this.#ours.xattrs(a), this.#theirs.xattrs(b)];
    for (const name of [...new Set([...ours.keys(), ...theirs.keys()])].sort(byName)) {
      const text = (value: Uint8Array | undefined): string =>
        value === undefined ? '' : `0x${Buffer.from(value).toString('hex')}`;
      compare(`attribute ${name}`, text(ours.get(name)), text(theirs.get(name)));
    }
    if (facts.length > 0)
      this.#say(`Attributes of ${this.#both(a, b)} differ: ${facts.join('; ')}`);
  }

  /** Names of one file here must be names of one file there. */
  #linked(first: FileStat, second: FileStat, facts: ByteText[]): void {
    const [ours, theirs] = [first, second].map(({ dev, ino }) => `${dev}:${ino}`) as [
      string,
      string,
    ];
    const known = this.#links.get(ours) ?? theirs;
    this.#links.set(ours, known);
    if (known !== theirs) facts.push('a link to another file');
  }

  #directories(a: ByteText, b: ByteText): void {
    const ours = new Set(this.#ours.readdir(a));
    const theirs = new Set(this.#theirs.readdir(b));
    for (const name of [...new Set([...ours, ...theirs])].sort(byName)) {
      const [below, other] = [join(a, name), join(b, name)];
      this.#context.try(below, () => {
        if (ours.has(name) && theirs.has(name)) {
          this.#pair(below, other, this.#ours.lstat(below), this.#theirs.lstat(other), false);
          return;
        }
        const stat = ours.has(name) ? this.#ours.lstat(below) : this.#theirs.lstat(other);
        if (!this.#words.has('N') || typeOf(stat) !== S_IFREG) {
          const where = ours.has(name) ? `${this.#labels[0]}${a}` : `${this.#labels[1]}${b}`;
          this.#say(`Only in ${where}: ${name}`);
          return;
        }
        const read = (tree: Tree, path: ByteText, exists: boolean): ByteText =>
          exists ? this.#read(tree, path) : '';
        this.#content(
          below,
          other,
          read(this.#ours, below, ours.has(name)),
          read(this.#theirs, other, theirs.has(name)),
          false,
        );
      });
    }
  }

  #read(tree: Tree, path: ByteText): ByteText {
    return fromBytes(together(content(tree, path)));
  }

  #files(a: ByteText, b: ByteText, first: FileStat, second: FileStat, isOperand: boolean): void {
    if (first.size === second.size && this.#isEqual(a, b)) this.#same(a, b);
    else if (this.#words.has('q')) this.#say(`Files ${this.#both(a, b)} differ`);
    else if (Math.max(first.size, second.size) > TEXT_BYTES_MAX) {
      this.#say(`Large files ${this.#both(a, b)} differ`);
    } else {
      const [ours, theirs] = [this.#read(this.#ours, a), this.#read(this.#theirs, b)];
      this.#content(a, b, ours, theirs, isOperand);
    }
  }

  /** Of files of one size, however large. */
  #isEqual(a: ByteText, b: ByteText): boolean {
    const theirs = content(this.#theirs, b)[Symbol.iterator]();
    try {
      for (const ours of content(this.#ours, a)) {
        const other = theirs.next();
        if (other.done || Buffer.compare(ours, other.value) !== 0) return false;
      }
      return theirs.next().done === true;
    } finally {
      theirs.return?.();
    }
  }

  #content(a: ByteText, b: ByteText, ours: ByteText, theirs: ByteText, isOperand: boolean): void {
    if (ours === theirs) {
      this.#same(a, b);
      return;
    }
    if (this.#words.has('q')) {
      this.#say(`Files ${this.#both(a, b)} differ`);
      return;
    }
    const isText = this.#words.has('a') || !(ours.includes('\0') || theirs.includes('\0'));
    if (!isText) {
      this.#say(`Binary files ${this.#both(a, b)} differ`);
      return;
    }
    this.isDifferent = true;
    const { out } = this.#context;
    const [first, second] = [`${this.#labels[0]}${a}`, `${this.#labels[1]}${b}`];
    if (!isOperand) {
      const flags = this.#contextLines === undefined ? '' : ` -U${this.#contextLines}`;
      out.write(`diff -r${flags} ${first} ${second}\n`);
    }
    const [old, fresh] = [splitLines(ours), splitLines(theirs)];
    const hunks = diffLines(old, fresh, this.#contextLines ?? 0);
    if (this.#contextLines !== undefined) out.write(`--- ${first}\n+++ ${second}\n`);
    for (const hunk of hunks) {
      out.write(
        this.#contextLines === undefined ? normal(hunk, old, fresh) : unified(hunk, old, fresh),
      );
    }
  }
}

const nineDigits = (nsec: number): string => String(nsec).padStart(9, '0');

/** Lines with their newlines, of which the last may have none. */
const splitLines = (text: ByteText): ByteText[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

const shown = (sign: string, line: ByteText): ByteText =>
  line.endsWith('\n') ? sign + line : `${sign}${line}\n\\ No newline at end of file\n`;

function normal({ changes }: Hunk, old: readonly ByteText[], fresh: readonly ByteText[]): ByteText {
  const range = (start: number, end: number): string =>
    end - start <= 1 ? String(end === start ? start : start + 1) : `${start + 1},${end}`;
  return changes
    .map(({ oldStart, oldEnd, newStart, newEnd }) => {
      const letter = oldStart === oldEnd ? 'a' : newStart === newEnd ? 'd' : 'c';
      const removed = old.slice(oldStart, oldEnd).map((line) => shown('< ', line));
      const added = fresh.slice(newStart, newEnd).map((line) => shown('> ', line));
      const head = `${range(oldStart, oldEnd)}${letter}${range(newStart, newEnd)}\n`;
      return head + removed.join('') + (letter === 'c' ? '---\n' : '') + added.join('');
    })
    .join('');
}

function unified(hunk: Hunk, old: readonly ByteText[], fresh: readonly ByteText[]): ByteText {
  const { oldStart, oldEnd, newStart, newEnd, changes } = hunk;
  const range = (start: number, end: number): string => {
    const count = end - start;
    if (count === 1) return String(start + 1);
    return `${count === 0 ? start : start + 1},${count}`;
  };
  let text = `@@ -${range(oldStart, oldEnd)} +${range(newStart, newEnd)} @@\n`;
  let at = oldStart;
  for (const change of changes) {
    for (; at < change.oldStart; at++) text += shown(' ', old[at]!);
    for (; at < change.oldEnd; at++) text += shown('-', old[at]!);
    for (let i = change.newStart; i < change.newEnd; i++) text += shown('+', fresh[i]!);
  }
  for (; at < oldEnd; at++) text += shown(' ', old[at]!);
  return text;
}

export const diff: Tool = {
  name: 'diff',
  about: 'Compares files and directories of an image, or of two.',
  usage: '[-aNqrsu] [-U lines] [--attributes] [--to image] file file',
  writes: false,
  options: [
    ['-a', 'every file is text'],
    ['-N', 'a file that is missing is an empty one'],
    ['-q', 'only whether files differ'],
    ['-r', 'directories with all that is below them'],
    ['-s', 'name files that are the same, too'],
    ['-U <lines>', 'unified, with as many lines around a change'],
    ['-u', 'unified, with three lines'],
    ['--attributes', 'modes, owners, times, links and extended attributes, too'],
    ...SECOND_OPTIONS,
  ],
  operands: [2, 2],
  notes: [
    SECOND_NOTE,
    {
      title: 'Comparing',
      text: 'Names of one inode are equal. Links are compared by where they lead, devices by their numbers.',
    },
  ],
  examples: [
    '-u /etc/passwd /etc/passwd.old',
    '-rq /etc /etc.factory',
    '-r --attributes --to disk.img / /',
  ],
  exitStatus: [
    ['0', 'they are the same'],
    ['1', 'they differ'],
    ['2', 'something failed, as was said'],
  ],
  seeAlso: ['diff(1)', 'fsu_find(1)'],
  run(context, words) {
    const [a, second] = words.operands as [ByteText, ByteText];
    return withSecond(context, words, false, (theirs) => {
      const b = theirs.pathOf(second);
      const comparison = new Comparison(context, words, theirs);
      const isThere = [
        context.try(a, () => void context.tree.stat(a)),
        context.try(b, () => void theirs.stat(b)),
      ];
      if (isThere.every(Boolean)) context.try(a, () => comparison.operands(a, b));
      if (context.status !== 0) return EXIT_TROUBLE;
      return comparison.isDifferent ? EXIT_DIFFERENT : 0;
    });
  },
};
