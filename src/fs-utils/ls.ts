/** fsu_ls, with the 31 flags of NetBSD's ls. */
import type { ByteText } from './bytes.js';
import {
  blockSize,
  humanSize,
  isUtf8Locale,
  listTime,
  modeText,
  showName,
  type NameStyle,
  type ShownName,
} from './format.js';
import type { Tool, ToolContext, Words } from './tool.js';
import { byName, statOrLink } from './traverse.js';
import {
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  isDevice,
  isDirectory,
  isSymlink,
  join,
  major,
  minor,
  typeOf,
  type FileStat,
  type Timespec,
} from './tree.js';
import { flagsText } from './flags.js';

interface Entry {
  readonly name: ByteText;
  readonly path: ByteText;
  readonly stat: FileStat;
}

type Layout = 'lines' | 'long' | 'down' | 'across' | 'stream';

const COLUMNS_DEFAULT = 80;

class Listing {
  readonly #context: ToolContext;
  readonly #words: Words;
  readonly #layout: Layout;
  readonly #style: NameStyle;
  readonly #utf8: boolean;
  readonly #blockBytes: number;
  readonly #human: boolean;
  readonly #time: 'atime' | 'ctime' | 'mtime';
  readonly #now = Date.now() / 1000;
  readonly #width: number;

  constructor(context: ToolContext, words: Words) {
    const { environment, columns } = context.session;
    this.#context = context;
    this.#words = words;
    const isTerminal = columns !== undefined;
    const layouts: Readonly<Record<string, Layout>> = {
      1: 'lines',
      C: 'down',
      g: 'long',
      l: 'long',
      m: 'stream',
      x: 'across',
    };
    const chosen = words.last('1', 'C', 'g', 'l', 'm', 'x', 'n');
    this.#layout =
      chosen === 'n' ? 'long' : (layouts[chosen ?? ''] ?? (isTerminal ? 'down' : 'lines'));
    const styles: Readonly<Record<string, NameStyle>> = {
      B: 'octal',
      b: 'c',
      q: 'question',
      w: 'raw',
    };
    this.#style = styles[words.last('B', 'b', 'q', 'w') ?? ''] ?? (isTerminal ? 'question' : 'raw');
    this.#utf8 = isUtf8Locale(environment);
    this.#human = words.last('k', 'h') === 'h';
    this.#blockBytes = words.last('k', 'h') === 'k' ? 1024 : blockSize(environment);
    const times = { c: 'ctime', u: 'atime' } as const;
    this.#time = times[words.last('c', 'u') as 'c' | 'u'] ?? 'mtime';
    const asked = Number(environment.COLUMNS);
    this.#width = asked > 0 ? asked : columns || COLUMNS_DEFAULT;
  }

  #has(name: string): boolean {
    return this.#words.has(name);
  }

  run(): void {
    const { tree } = this.#context;
    const operands = this.#words.operands.length > 0 ? this.#words.operands : ['.'];
    const files: Entry[] = [];
    const directories: Entry[] = [];
    const asItself =
      this.#has('d') || ((this.#layout === 'long' || this.#has('F')) && !this.#has('L'));
    for (const operand of operands) {
      this.#context.try(operand, () => {
        let stat = asItself ? tree.lstat(operand) : statOrLink(tree, operand);
        // A link with a slash behind it is what it leads to.
        if (isSymlink(stat) && operand.endsWith('/')) stat = tree.stat(operand);
        const entry = { name: operand, path: operand, stat };
        (isDirectory(stat) && !this.#has('d') ? directories : files).push(entry);
      });
    }
    this.#sort(files);
    this.#sort(directories);
    if (files.length > 0) this.#print(files, false);
    const isTitled = operands.length > 1 || this.#has('R');
    let isFirst = files.length === 0;
    for (const { path, stat } of directories) {
      this.#directory(path, isTitled, isFirst, [stat]);
      isFirst = false;
    }
  }

  #directory(
    path: ByteText,
    isTitled: boolean,
    isFirst: boolean,
    above: readonly FileStat[],
  ): void {
    const { tree, out } = this.#context;
    const entries: Entry[] = [];
    const read = this.#context.try(path, () => {
      const names = tree
        .readdir(path)
        .filter(
          (name) => this.#has('a') || this.#has('A') || this.#has('f') || !name.startsWith('.'),
        );
      if (this.#has('a') || this.#has('f')) names.unshift('.', '..');
      for (const name of names) {
        const below = join(path, name);
        this.#context.try(below, () => {
          const stat = this.#has('L') ? statOrLink(tree, below) : tree.lstat(below);
          entries.push({ name, path: below, stat });
        });
      }
    });
    if (!read) return;
    this.#sort(entries);
    if (!isFirst) out.write('\n');
    if (isTitled) out.write(`${this.#show(path).text}:\n`);
    this.#print(entries, true);
    if (!this.#has('R')) return;
    for (const { name, path: below, stat } of entries) {
      if (!isDirectory(stat) || name === '.' || name === '..') continue;
      if (above.some((one) => one.ino === stat.ino && one.dev === stat.dev)) {
        this.#context.warn(`${below}: the directory is in itself, and not listed again`);
        continue;
      }
      this.#directory(below, true, false, [...above, stat]);
    }
  }

  #sort(entries: Entry[]): void {
    if (this.#has('f')) return;
    const key = this.#time;
    const later = (a: Timespec, b: Timespec): number => b.sec - a.sec || b.nsec - a.nsec;
    const compare = (a: Entry, b: Entry): number => {
      const order = this.#has('S')
        ? b.stat.size - a.stat.size
        : this.#has('t')
          ? later(a.stat[key], b.stat[key])
          : 0;
      return order || byName(a.name, b.name);
    };
    entries.sort(this.#has('r') ? (a, b) => compare(b, a) : compare);
  }

  #show(name: ByteText): ShownName {
    return showName(name, this.#style, this.#utf8);
  }

  #mark({ mode }: FileStat): string {
    const type = mode & 0o170000;
    if (this.#has('F')) {
      if (type === S_IFDIR) return '/';
      if (type === S_IFLNK) return '@';
      if (type === S_IFSOCK) return '=';
      if (type === S_IFIFO) return '|';
      return type === S_IFREG && (mode & 0o111) !== 0 ? '*' : '';
    }
    return this.#has('p') && type === S_IFDIR ? '/' : '';
  }

  #blocks({ blocks }: FileStat): string {
    if (this.#human) return humanSize(blocks * 512);
    return String(Math.ceil((blocks * 512) / this.#blockBytes));
  }

  #print(entries: readonly Entry[], isDirectoryContent: boolean): void {
    const { out } = this.#context;
    const showsBlocks = this.#has('s');
    if (isDirectoryContent && (this.#layout === 'long' || showsBlocks)) {
      const blocks = entries.reduce((sum, { stat }) => sum + stat.blocks, 0);
      out.write(`total ${this.#blocks({ blocks } as FileStat)}\n`);
    }
    const column = (of: (entry: Entry) => string): string[] => {
      const texts = entries.map(of);
      const width = texts.reduce((max, text) => Math.max(max, text.length), 0);
      return texts.map((text) => text.padStart(width));
    };
    const inodes = this.#has('i') ? column(({ stat }) => String(stat.ino)) : undefined;
    const blocks = showsBlocks ? column(({ stat }) => this.#blocks(stat)) : undefined;
    const prefix = (i: number): string =>
      (inodes === undefined ? '' : `${inodes[i]} `) + (blocks === undefined ? '' : `${blocks[i]} `);
    if (this.#layout === 'long') {
      this.#printLong(entries, prefix, column);
      return;
    }
    const cells = entries.map(({ name, stat }, i) => {
      const shown = this.#show(name);
      const mark = this.#mark(stat);
      const before = prefix(i);
      return {
        text: before + shown.text + mark,
        columns: before.length + shown.columns + mark.length,
      };
    });
    if (this.#layout === 'lines') for (const { text } of cells) out.write(`${text}\n`);
    else if (this.#layout === 'stream') this.#printStream(cells);
    else this.#printColumns(cells, this.#layout === 'down');
  }

  #printStream(cells: readonly ShownName[]): void {
    const { out } = this.#context;
    let at = 0;
    for (const [i, { text, columns }] of cells.entries()) {
      const isLast = i === cells.length - 1;
      if (i > 0) {
        const fits = at + columns + (isLast ? 0 : 2) < this.#width;
        out.write(fits ? ' ' : '\n');
        at = fits ? at + 1 : 0;
      }
      out.write(isLast ? text : `${text},`);
      at += columns + 1;
    }
    if (cells.length > 0) out.write('\n');
  }

  /** Columns of one width. */
  #printColumns(cells: readonly ShownName[], isDown: boolean): void {
    const { out } = this.#context;
    const width = cells.reduce((max, { columns }) => Math.max(max, columns), 0) + 2;
    const perRow = Math.max(1, Math.floor((this.#width + 1) / width));
    const rows = Math.ceil(cells.length / perRow);
    for (let row = 0; row < rows; row++) {
      let line = '';
      let padding = 0;
      for (let i = 0; i < perRow; i++) {
        const cell = cells[isDown ? i * rows + row : row * perRow + i];
        if (cell === undefined) break;
        line += ' '.repeat(padding) + cell.text;
        padding = width - cell.columns;
      }
      out.write(`${line}\n`);
    }
  }

  #printLong(
    entries: readonly Entry[],
    prefix: (i: number) => string,
    column: (of: (entry: Entry) => string) => string[],
  ): void {
    const { out, names, tree } = this.#context;
    const isNumeric = this.#has('n');
    /** Names to the left, numbers to the right. */
    const ids = (of: (entry: Entry) => string): string[] =>
      column(of).map((text) => {
        const trimmed = text.trimStart();
        return /^\d+$/.test(trimmed) ? text : trimmed.padEnd(text.length);
      });
    const links = column(({ stat }) => String(stat.nlink));
    // l beats g.
    const showsOwner = !this.#has('g') || this.#has('l') || isNumeric;
    const named = (name: ByteText | undefined, id: number): string =>
      (isNumeric ? undefined : name) ?? String(id);
    const owners = showsOwner
      ? ids(({ stat }) => named(names.user(stat.uid), stat.uid))
      : undefined;
    const groups = ids(({ stat }) => named(names.group(stat.gid), stat.gid));
    const flags = this.#has('o') ? ids(({ stat }) => flagsText(stat.flags) || '-') : undefined;
    const devices = entries.filter(({ stat }) => isDevice(stat));
    const widest = (of: (rdev: number) => number): number =>
      devices.reduce((max, { stat }) => Math.max(max, String(of(stat.rdev)).length), 0);
    const majors = widest(major);
    const minors = widest(minor);
    const sizes = column(({ stat }) => {
      if (!isDevice(stat)) return this.#human ? humanSize(stat.size) : String(stat.size);
      return `${String(major(stat.rdev)).padStart(majors)}, ${String(minor(stat.rdev)).padStart(minors)}`;
    });
    for (const [i, { name, path, stat }] of entries.entries()) {
      const time = listTime(stat[this.#time], this.#now, this.#has('T'));
      let text = this.#show(name).text + this.#mark(stat);
      if (typeOf(stat) === S_IFLNK) {
        // With -F the mark is that of what is linked to, behind the target.
        text = this.#show(name).text;
        this.#context.try(path, () => {
          text += ` -> ${this.#show(tree.readlink(path)).text}`;
        });
        if (this.#has('F')) text += this.#markOfTarget(path);
      }
      const parts = [
        modeText(stat.mode),
        links[i],
        ...(owners === undefined ? [] : [owners[i]]),
        groups[i],
        ...(flags === undefined ? [] : [flags[i]]),
        sizes[i],
        time,
        text,
      ];
      out.write(`${prefix(i)}${parts.join(' ')}\n`);
    }
  }

  #markOfTarget(path: ByteText): string {
    const stat = statOrLink(this.#context.tree, path);
    return isSymlink(stat) ? '' : this.#mark(stat);
  }
}

export const ls: Tool = {
  name: 'ls',
  about: 'Lists files and directories of an image.',
  usage: '[-1AaBbCcdFfghikLlmnopqRrSsTtuWwx] [file ...]',
  writes: false,
  options: [
    ['-A', 'all names but . and ..'],
    ['-a', 'names that start with a dot, too'],
    ['-B', 'what is not printable as an octal escape'],
    ['-b', 'as -B, with the escapes of C where there are any'],
    ['-C', 'in columns, sorted down (on a terminal the default)'],
    ['-c', 'the time of the last change of the inode, to show and to sort by'],
    ['-d', 'directories as themselves'],
    ['-F', 'a mark after the name: / directory, * executable, @ link, = socket, | fifo'],
    ['-f', 'in the order of the directory, all names'],
    ['-g', 'as -l, without the owner'],
    ['-h', 'sizes as 1.5K, 20M'],
    ['-i', 'the number of the inode'],
    ['-k', 'blocks of -s in KiB'],
    ['-L', 'what a link leads to, not the link'],
    ['-l', 'long: mode, links, owner, group, size, time, name'],
    ['-m', 'in lines, separated by commas'],
    ['-n', 'as -l, with numbers of owner and group'],
    ['-o', 'file flags in the long form'],
    ['-p', 'a slash after directories'],
    ['-q', '? for what is not printable (on a terminal the default)'],
    ['-R', 'directories below, too'],
    ['-r', 'in reverse order'],
    ['-S', 'by size, the largest first'],
    ['-s', 'the blocks in use'],
    ['-T', 'times with seconds and year in the long form'],
    ['-t', 'by time, the newest first'],
    ['-u', 'the time of the last access, to show and to sort by'],
    ['-W', 'whiteouts, too'],
    ['-w', 'names as they are'],
    ['-x', 'in columns, sorted across'],
    ['-1', 'one per line (the default where there is no terminal)'],
  ],
  examples: ['-l /etc', '-lahR /', '-ltr'],
  seeAlso: ['ls(1)', 'fsu_find(1)', 'fsu_stat(1)'],
  run(context, words) {
    new Listing(context, words).run();
    return undefined;
  },
};
