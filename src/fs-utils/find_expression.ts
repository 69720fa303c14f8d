/** The expression of fsu_find: primaries, their operators, and what they mean for a file. */
import type { ByteText } from './bytes.js';
import { EXIT_USAGE, ToolError, isSystemError } from './errors.js';
import { parseFlags } from './flags.js';
import { isUtf8Locale, listTime, modeText, showName } from './format.js';
import { parseMode } from './modes.js';
import { posixPattern, shellPattern } from './patterns.js';
import type { ToolContext } from './tool.js';
import type { Visit } from './traverse.js';
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  isDevice,
  isDirectory,
  isSymlink,
  major,
  minor,
  typeOf,
  type FileStat,
  type Timespec,
} from './tree.js';

/** Whether the expression holds for a file; it may act on it. */
export type Test = (visit: Visit, state: WalkState) => boolean;

export interface WalkState {
  /** Do not enter this directory. */
  prune: boolean;
}

/** What the expression says about the walk. */
export interface WalkWishes {
  depthFirst: boolean;
  follow: boolean;
  sameDevice: boolean;
  depthMin: number;
  depthMax: number;
  /** An action was named, so that names are not printed by themselves. */
  acts: boolean;
  /** To do at the end: what -exec ... + has gathered, files to close. */
  readonly atEnd: (() => void)[];
}

/** Ends the walk. */
export class ExitWalk extends Error {
  readonly status: number | undefined;
  constructor(status: number | undefined) {
    super('-exit');
    this.status = status;
  }
}

/** Actions that need more than the file: see find.ts. */
export interface Actions {
  print(text: ByteText): void;
  remove(visit: Visit): boolean;
  /** @returns whether the tool's exit status was 0 */
  exec(words: readonly ByteText[], folder: ByteText | undefined): boolean;
  openOutput(path: ByteText): { write(text: ByteText): void; close(): void };
}

const TYPE_BITS: Readonly<Record<string, number>> = {
  b: S_IFBLK,
  c: S_IFCHR,
  d: S_IFDIR,
  f: S_IFREG,
  l: S_IFLNK,
  p: S_IFIFO,
  s: S_IFSOCK,
};

const SIZE_UNITS: Readonly<Record<string, number>> = {
  c: 1,
  k: 1 << 10,
  M: 1 << 20,
  G: 1 << 30,
  T: 2 ** 40,
};
const DAY_SECONDS = 86400;

type Primary = (parser: Parser) => Test;

const isNewer = (a: Timespec, b: Timespec): boolean =>
  a.sec > b.sec || (a.sec === b.sec && a.nsec > b.nsec);

/** "+5", "-5", "5" against a number. */
function compare(text: string, name: string): (value: number) => boolean {
  const match = /^([-+]?)(\d+)$/.exec(text);
  if (match === null) throw new ToolError(`${name}: '${text}' is no number`, EXIT_USAGE);
  const n = Number(match[2]);
  if (match[1] === '+') return (value) => value > n;
  return match[1] === '-' ? (value) => value < n : (value) => value === n;
}

const days =
  (key: 'atime' | 'ctime' | 'mtime', name: string): Primary =>
  (parser) => {
    const holds = compare(parser.argument(name), name);
    return ({ stat }) => holds(Math.floor((parser.now - stat[key].sec) / DAY_SECONDS));
  };

const minutes =
  (key: 'atime' | 'ctime' | 'mtime', name: string): Primary =>
  (parser) => {
    const holds = compare(parser.argument(name), name);
    return ({ stat }) => holds(Math.ceil((parser.now - stat[key].sec) / 60));
  };

const newer =
  (key: 'atime' | 'ctime' | 'mtime', name: string): Primary =>
  (parser) => {
    const reference = parser.stat(parser.argument(name)).mtime;
    return ({ stat }) => isNewer(stat[key], reference);
  };

const number =
  (of: (stat: FileStat) => number, name: string): Primary =>
  (parser) => {
    const holds = compare(parser.argument(name), name);
    return ({ stat }) => holds(of(stat));
  };

const basename = (name: ByteText): ByteText =>
  name.includes('/') ? name.replace(/\/+$/, '').replace(/^.*\//s, '') || '/' : name;

const nameTest =
  (name: string, ignoresCase: boolean): Primary =>
  (parser) => {
    const pattern = shellPattern(parser.argument(name), ignoresCase);
    return (visit) => pattern.test(basename(visit.name));
  };

const regexTest =
  (name: string, ignoresCase: boolean): Primary =>
  (parser) => {
    const text = parser.argument(name);
    let pattern: RegExp;
    try {
      pattern = posixPattern(text, parser.isExtended, ignoresCase);
    } catch {
      throw new ToolError(`${name}: '${text}' is no regular expression`, EXIT_USAGE);
    }
    return ({ path }) => pattern.test(path);
  };

const exec =
  (name: string, inFolder: boolean, asks: boolean): Primary =>
  (parser) => {
    const { actions, wishes, context } = parser;
    wishes.acts = true;
    const words: ByteText[] = [];
    for (;;) {
      const word = parser.argument(name);
      if (word === ';') break;
      if (word === '+' && words.at(-1) === '{}' && !inFolder && !asks) {
        const paths: ByteText[] = [];
        const fixed = words.slice(0, -1);
        const flush = (): void => {
          if (paths.length > 0 && !actions.exec([...fixed, ...paths.splice(0)], undefined)) {
            context.status = 1;
          }
        };
        wishes.atEnd.push(flush);
        return ({ path }) => {
          paths.push(path);
          if (paths.length >= 1000) flush();
          return true;
        };
      }
      words.push(word);
    }
    if (words.length === 0) throw new ToolError(`${name}: the tool is missing`, EXIT_USAGE);
    return (visit) => {
      const path = inFolder ? `./${basename(visit.name)}` : visit.path;
      const filled = words.map((word) => word.replaceAll('{}', () => path));
      const question = `"${filled.join(' ')}"? `;
      if (asks && !context.session.confirm(question)) return false;
      const slash = visit.path.lastIndexOf('/');
      const folder = slash < 0 ? '.' : visit.path.slice(0, slash) || '/';
      return actions.exec(filled, inFolder ? folder : undefined);
    };
  };

function listLine(context: ToolContext, { path, stat }: Visit): ByteText {
  const { names, tree, session } = context;
  const isUtf8 = isUtf8Locale(session.environment);
  const shown = (name: ByteText): ByteText => showName(name, 'c', isUtf8).text;
  const size = isDevice(stat) ? `${major(stat.rdev)}, ${minor(stat.rdev)}` : String(stat.size);
  const parts = [
    String(stat.ino).padStart(6),
    String(stat.blocks).padStart(4),
    modeText(stat.mode),
    String(stat.nlink).padStart(3),
    (names.user(stat.uid) ?? String(stat.uid)).padEnd(8),
    (names.group(stat.gid) ?? String(stat.gid)).padEnd(8),
    size.padStart(8),
    listTime(stat.mtime, Date.now() / 1000),
    shown(path),
  ];
  const target = isSymlink(stat) ? ` -> ${shown(tree.readlink(path))}` : '';
  return `${parts.join(' ')}${target}\n`;
}

/** As -printx: what xargs would take apart has a backslash. */
const forXargs = (path: ByteText): ByteText => path.replace(/[\s'"\\]/g, '\\$&');

const acting =
  (act: (parser: Parser) => Test): Primary =>
  (parser) => {
    parser.wishes.acts = true;
    return act(parser);
  };

const option =
  (set: (parser: Parser) => void): Primary =>
  (parser) => {
    set(parser);
    return () => true;
  };

const count = (parser: Parser, name: string): number => {
  const text = parser.argument(name);
  if (!/^\d+$/.test(text)) throw new ToolError(`${name}: '${text}' is no number`, EXIT_USAGE);
  return Number(text);
};

const printing = (text: (visit: Visit, context: ToolContext) => ByteText): Primary =>
  acting(({ actions, context }) => (visit) => {
    actions.print(text(visit, context));
    return true;
  });

const removing: Primary = acting((parser) => {
  parser.wishes.depthFirst = true;
  return (visit) => parser.actions.remove(visit);
});

const PRIMARIES: Readonly<Record<string, Primary>> = {
  amin: minutes('atime', '-amin'),
  anewer: newer('atime', '-anewer'),
  atime: days('atime', '-atime'),
  cmin: minutes('ctime', '-cmin'),
  cnewer: newer('ctime', '-cnewer'),
  ctime: days('ctime', '-ctime'),
  delete: removing,
  depth: option((parser) => {
    parser.wishes.depthFirst = true;
  }),
  empty:
    ({ context }) =>
    ({ path, stat }) => {
      if (!isDirectory(stat)) return typeOf(stat) === S_IFREG && stat.size === 0;
      return context.tree.readdir(path).length === 0;
    },
  exec: exec('-exec', false, false),
  execdir: exec('-execdir', true, false),
  exit: acting((parser) => {
    const status = /^\d+$/.test(parser.peek() ?? '') ? Number(parser.argument('-exit')) : undefined;
    return () => {
      throw new ExitWalk(status);
    };
  }),
  false: () => () => false,
  flags: (parser) => {
    const text = parser.argument('-flags');
    const change = parseFlags(text.replace(/^-/, ''));
    if (change === undefined) throw new ToolError(`-flags: '${text}' are no flags`, EXIT_USAGE);
    const { set, clear } = change;
    if (clear === -1)
      return ({ stat }) => (text.startsWith('-') ? (stat.flags & set) === set : stat.flags === set);
    return ({ stat }) => (stat.flags & set) === set && (stat.flags & clear) === 0;
  },
  follow: option((parser) => {
    parser.wishes.follow = true;
  }),
  fprint: acting((parser) => {
    const output = parser.actions.openOutput(parser.argument('-fprint'));
    parser.wishes.atEnd.push(() => output.close());
    return ({ path }) => {
      output.write(`${path}\n`);
      return true;
    };
  }),
  fstype: (parser) => {
    const type = parser.argument('-fstype');
    return () => parser.context.session.type === type;
  },
  group: (parser) => {
    const text = parser.argument('-group');
    const gid = parser.context.names.gid(text);
    if (gid === undefined) throw new ToolError(`-group: '${text}': no such group`, EXIT_USAGE);
    return ({ stat }) => stat.gid === gid;
  },
  iname: nameTest('-iname', true),
  inum: number((stat) => stat.ino, '-inum'),
  iregex: regexTest('-iregex', true),
  links: number((stat) => stat.nlink, '-links'),
  ls: printing((visit, context) => listLine(context, visit)),
  maxdepth: option((parser) => {
    parser.wishes.depthMax = count(parser, '-maxdepth');
  }),
  mindepth: option((parser) => {
    parser.wishes.depthMin = count(parser, '-mindepth');
  }),
  mmin: minutes('mtime', '-mmin'),
  mtime: days('mtime', '-mtime'),
  name: nameTest('-name', false),
  newer: newer('mtime', '-newer'),
  nogroup:
    ({ context }) =>
    ({ stat }) =>
      context.names.group(stat.gid) === undefined,
  nouser:
    ({ context }) =>
    ({ stat }) =>
      context.names.user(stat.uid) === undefined,
  ok: exec('-ok', false, true),
  path: (parser) => {
    const pattern = shellPattern(parser.argument('-path'));
    return ({ path }) => pattern.test(path);
  },
  perm: (parser) => {
    const text = parser.argument('-perm');
    const [, how, mode] = /^([-+/]?)(.*)$/s.exec(text) as unknown as [string, string, string];
    const bits = parseMode(mode, 0)?.(0);
    if (bits === undefined) throw new ToolError(`-perm: '${text}' is no mode`, EXIT_USAGE);
    if (how === '-') return ({ stat }) => (stat.mode & bits) === bits;
    if (how !== '') return ({ stat }) => bits === 0 || (stat.mode & bits) !== 0;
    return ({ stat }) => (stat.mode & 0o7777) === bits;
  },
  print: printing(({ path }) => `${path}\n`),
  print0: printing(({ path }) => `${path}\0`),
  printx: printing(({ path }) => `${forXargs(path)}\n`),
  prune: () => (_visit, state) => {
    state.prune = true;
    return true;
  },
  regex: regexTest('-regex', false),
  rm: removing,
  size: (parser) => {
    const text = parser.argument('-size');
    const unit = SIZE_UNITS[text.at(-1)!];
    const holds = compare(unit === undefined ? text : text.slice(0, -1), '-size');
    return ({ stat }) => holds(Math.ceil(stat.size / (unit ?? 512)));
  },
  true: () => () => true,
  type: (parser) => {
    const text = parser.argument('-type');
    const types: (number | undefined)[] = text.split(',').map((letter) => TYPE_BITS[letter]);
    if (types.includes(undefined))
      throw new ToolError(`-type: '${text}' is none of b c d f l p s`, EXIT_USAGE);
    return ({ stat }) => types.includes(typeOf(stat));
  },
  user: (parser) => {
    const text = parser.argument('-user');
    const uid = parser.context.names.uid(text);
    if (uid === undefined) throw new ToolError(`-user: '${text}': no such user`, EXIT_USAGE);
    return ({ stat }) => stat.uid === uid;
  },
  xdev: option((parser) => {
    parser.wishes.sameDevice = true;
  }),
};

const NESTING_MAX = 1000;

/** Reads an expression; see {@link parse}. */
class Parser {
  readonly context: ToolContext;
  readonly actions: Actions;
  readonly isExtended: boolean;
  readonly now = Date.now() / 1000;
  readonly wishes: WalkWishes;
  readonly #words: readonly ByteText[];
  #at = 0;
  #nesting = 0;

  constructor(
    context: ToolContext,
    actions: Actions,
    wishes: WalkWishes,
    isExtended: boolean,
    words: readonly ByteText[],
  ) {
    this.context = context;
    this.actions = actions;
    this.wishes = wishes;
    this.isExtended = isExtended;
    this.#words = words;
  }

  peek(): ByteText | undefined {
    return this.#words[this.#at];
  }

  argument(name: string): ByteText {
    const word = this.#words[this.#at++];
    if (word === undefined) throw new ToolError(`${name}: its argument is missing`, EXIT_USAGE);
    return word;
  }

  stat(path: ByteText): FileStat {
    try {
      return this.context.tree.stat(path);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new ToolError(
        `${path}: ${error.code === 'ENOENT' ? 'No such file or directory' : error.code}`,
      );
    }
  }

  whole(): Test {
    if (this.peek() === undefined) return () => true;
    const test = this.#or();
    const rest = this.peek();
    if (rest !== undefined)
      throw new ToolError(`unexpected '${rest}' in the expression`, EXIT_USAGE);
    return test;
  }

  #or(): Test {
    const tests = [this.#and()];
    while (this.peek() === '-o' || this.peek() === '-or') {
      this.#at++;
      tests.push(this.#and());
    }
    if (tests.length === 1) return tests[0]!;
    return (visit, state) => tests.some((test) => test(visit, state));
  }

  #and(): Test {
    const tests = [this.#not()];
    for (;;) {
      const word = this.peek();
      if (word === undefined || word === ')' || word === '-o' || word === '-or') break;
      if (word === '-a' || word === '-and') this.#at++;
      tests.push(this.#not());
    }
    if (tests.length === 1) return tests[0]!;
    return (visit, state) => tests.every((test) => test(visit, state));
  }

  #not(): Test {
    const word = this.argument('the expression');
    if (++this.#nesting > NESTING_MAX)
      throw new ToolError('the expression is nested too deep', EXIT_USAGE);
    try {
      if (word === '!' || word === '-not') {
        const test = this.#not();
        return (visit, state) => !test(visit, state);
      }
      if (word === '(') {
        const test = this.#or();
        if (this.argument('(') !== ')') throw new ToolError("')' is missing", EXIT_USAGE);
        return test;
      }
    } finally {
      this.#nesting--;
    }
    const primary =
      word.startsWith('-') && Object.hasOwn(PRIMARIES, word.slice(1))
        ? PRIMARIES[word.slice(1)]
        : undefined;
    if (primary === undefined)
      throw new ToolError(`${word}: unknown primary or operator`, EXIT_USAGE);
    return primary(this);
  }
}

/** @throws ToolError */
export function parseExpression(
  context: ToolContext,
  actions: Actions,
  wishes: WalkWishes,
  isExtended: boolean,
  words: readonly ByteText[],
): Test {
  return new Parser(context, actions, wishes, isExtended, words).whole();
}
