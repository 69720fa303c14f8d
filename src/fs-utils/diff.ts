/** fsu_diff: compares files and trees of an image. */
import { fromBytes, type ByteText } from './bytes.js';
import { content, together } from './cat.js';
import { EXIT_USAGE, ToolError } from './errors.js';
import { diffLines, type Hunk } from './lines.js';
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
} from './tree.js';

const EXIT_DIFFERENT = 1;
const EXIT_TROUBLE = 2;
const CONTEXT_LINES = 3;

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
  isDifferent = false;

  constructor(context: ToolContext, words: Words) {
    this.#context = context;
    this.#words = words;
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

  /** Of two operands a directory stands for its file of the other's name. */
  operands(a: ByteText, b: ByteText): void {
    const { tree } = this.#context;
    const [first, second] = [tree.stat(a), tree.stat(b)];
    if (isDirectory(first) === isDirectory(second)) this.#pair(a, b, first, second, true);
    else if (isDirectory(first)) this.operands(join(a, basename(b)), b);
    else this.operands(a, join(b, basename(a)));
  }

  #pair(a: ByteText, b: ByteText, first: FileStat, second: FileStat, isOperand: boolean): void {
    const { tree } = this.#context;
    const type = typeOf(first);
    if (type !== typeOf(second)) {
      const kind = (stat: FileStat): string => KINDS.get(typeOf(stat)) ?? 'file';
      this.#say(`File ${a} is a ${kind(first)} while file ${b} is a ${kind(second)}`);
    } else if (isSameFile(first, second)) this.#same(a, b);
    else if (type === S_IFDIR) {
      if (isOperand || this.#words.has('r')) this.#directories(a, b);
      else this.#context.out.write(`Common subdirectories: ${a} and ${b}\n`);
    } else if (type === S_IFLNK) {
      if (tree.readlink(a) !== tree.readlink(b)) this.#say(`Symbolic links ${a} and ${b} differ`);
      else this.#same(a, b);
    } else if (type === S_IFREG) this.#files(a, b, first, second, isOperand);
    else if (isDevice(first) && first.rdev !== second.rdev)
      this.#say(`Special files ${a} and ${b} differ`);
    else this.#same(a, b);
  }

  #same(a: ByteText, b: ByteText): void {
    if (this.#words.has('s')) this.#context.out.write(`Files ${a} and ${b} are identical\n`);
  }

  #directories(a: ByteText, b: ByteText): void {
    const { tree } = this.#context;
    const ours = new Set(tree.readdir(a));
    const theirs = new Set(tree.readdir(b));
    for (const name of [...new Set([...ours, ...theirs])].sort(byName)) {
      const [below, other] = [join(a, name), join(b, name)];
      this.#context.try(below, () => {
        if (ours.has(name) && theirs.has(name)) {
          this.#pair(below, other, tree.lstat(below), tree.lstat(other), false);
          return;
        }
        if (!this.#words.has('N')) {
          this.#say(`Only in ${ours.has(name) ? a : b}: ${name}`);
          return;
        }
        const stat = tree.lstat(ours.has(name) ? below : other);
        if (typeOf(stat) !== S_IFREG) this.#say(`Only in ${ours.has(name) ? a : b}: ${name}`);
        else
          this.#content(
            below,
            other,
            ours.has(name) ? this.#read(below) : '',
            theirs.has(name) ? this.#read(other) : '',
            false,
          );
      });
    }
  }

  #read(path: ByteText): ByteText {
    return fromBytes(together(content(this.#context, path)));
  }

  #files(a: ByteText, b: ByteText, first: FileStat, second: FileStat, isOperand: boolean): void {
    if (this.#words.has('q') && first.size !== second.size) this.#say(`Files ${a} and ${b} differ`);
    else this.#content(a, b, this.#read(a), this.#read(b), isOperand);
  }

  #content(a: ByteText, b: ByteText, ours: ByteText, theirs: ByteText, isOperand: boolean): void {
    if (ours === theirs) {
      this.#same(a, b);
      return;
    }
    if (this.#words.has('q')) {
      this.#say(`Files ${a} and ${b} differ`);
      return;
    }
    const isText = this.#words.has('a') || !(ours.includes('\0') || theirs.includes('\0'));
    if (!isText) {
      this.#say(`Binary files ${a} and ${b} differ`);
      return;
    }
    this.isDifferent = true;
    const { out } = this.#context;
    if (!isOperand) {
      const flags = this.#contextLines === undefined ? '' : ` -U${this.#contextLines}`;
      out.write(`diff -r${flags} ${a} ${b}\n`);
    }
    const [old, fresh] = [splitLines(ours), splitLines(theirs)];
    const hunks = diffLines(old, fresh, this.#contextLines ?? 0);
    if (this.#contextLines !== undefined) out.write(`--- ${a}\n+++ ${b}\n`);
    for (const hunk of hunks) {
      out.write(
        this.#contextLines === undefined ? normal(hunk, old, fresh) : unified(hunk, old, fresh),
      );
    }
  }
}

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
  about: 'Compares files and directories of an image.',
  usage: '[-aNqrsu] [-U lines] file file',
  writes: false,
  options: [
    ['-a', 'every file is text'],
    ['-N', 'a file that is missing is an empty one'],
    ['-q', 'only whether files differ'],
    ['-r', 'directories with all that is below them'],
    ['-s', 'name files that are the same, too'],
    ['-U <lines>', 'unified, with as many lines around a change'],
    ['-u', 'unified, with three lines'],
  ],
  operands: [2, 2],
  notes: [
    {
      title: 'Comparing',
      text: 'Names of one inode are equal. Links are compared by where they lead, devices by their numbers.',
    },
  ],
  examples: ['-u /etc/passwd /etc/passwd.old', '-rq /etc /etc.factory'],
  exitStatus: [
    ['0', 'they are the same'],
    ['1', 'they differ'],
    ['2', 'something failed, as was said'],
  ],
  seeAlso: ['diff(1)', 'fsu_find(1)'],
  run(context, words) {
    const [a, b] = words.operands as [ByteText, ByteText];
    const comparison = new Comparison(context, words);
    const isThere = [a, b].map((path) => context.try(path, () => void context.tree.stat(path)));
    if (isThere.every(Boolean)) context.try(a, () => comparison.operands(a, b));
    if (context.status !== 0) return EXIT_TROUBLE;
    return comparison.isDifferent ? EXIT_DIFFERENT : 0;
  },
};
