/** fsu_find: NetBSD's find(1). */
import { toBytes, type ByteText } from './bytes.js';
import { EXIT_USAGE, ToolError, isSystemError } from './errors.js';
import {
  ExitWalk,
  parseExpression,
  type Actions,
  type WalkState,
  type WalkWishes,
} from './find_expression.js';
import { runToolNow, type Tool, type ToolContext } from './tool.js';
import { byName, traverse, type Follow, type Visit } from './traverse.js';
import { O_CREAT, O_TRUNC, O_WRONLY, isDirectory } from './tree.js';

interface Options {
  follow: Follow;
  depthFirst: boolean;
  isExtended: boolean;
  isSorted: boolean;
  forXargs: boolean;
  sameDevice: boolean;
  readonly paths: ByteText[];
  readonly expression: readonly ByteText[];
}

const isExpression = (word: ByteText): boolean => /^(-.+|[!()])$/s.test(word);

/** Options and -f come first; what starts with a dash and is neither begins the expression. */
function readWords(words: readonly ByteText[]): Options {
  const options = {
    follow: 'P' as Follow,
    depthFirst: false,
    isExtended: false,
    isSorted: false,
    forXargs: false,
    sameDevice: false,
    paths: [] as ByteText[],
  };
  let at = 0;
  for (; at < words.length && /^-[HLPdEhsXxf]+$/.test(words[at]!); at++) {
    const word = words[at]!;
    for (const letter of word.slice(1)) {
      if (letter === 'H' || letter === 'L' || letter === 'P') options.follow = letter;
      else if (letter === 'h') options.follow = 'L';
      else if (letter === 'd') options.depthFirst = true;
      else if (letter === 'E') options.isExtended = true;
      else if (letter === 's') options.isSorted = true;
      else if (letter === 'X') options.forXargs = true;
      else if (letter === 'x') options.sameDevice = true;
      else {
        const path = words[++at];
        if (path === undefined) throw new ToolError('-f: its path is missing', EXIT_USAGE);
        options.paths.push(path);
      }
    }
  }
  if (words[at] === '--') at++;
  for (; at < words.length && !isExpression(words[at]!); at++) options.paths.push(words[at]!);
  return { ...options, expression: words.slice(at) };
}

/** Tools that -exec may run on an image that is only read. */
const READERS = ['cat', 'df', 'diff', 'du', 'ls', 'readlink', 'stat'].flatMap((name) => [
  name,
  `fsu_${name}`,
]);

/** The tools that -exec may run: all, but a circle of imports must not arise. */
type ToolsByName = (name: string) => Promise<Tool | undefined>;

const findTool: ToolsByName = async (name) => {
  const { TOOLS } = await import('./tools.js');
  return TOOLS.find((tool) => tool.name === name);
};

function actionsOf(context: ToolContext, tools: ReadonlyMap<string, Tool>): Actions {
  const { tree, out, session } = context;
  return {
    print: (text) => out.write(text),
    remove({ path, level, stat }: Visit): boolean {
      // Where one started from is not an entry of its own.
      if (level === 0 && /^(\.|\/+)$/.test(path)) return true;
      return context.try(path, () => (isDirectory(stat) ? tree.rmdir(path) : tree.unlink(path)));
    },
    exec([name, ...words], folder): boolean {
      const tool = tools.get(name!.replace(/^fsu_/, ''));
      if (tool === undefined)
        throw new ToolError(`-exec: ${name}: there is no such tool`, EXIT_USAGE);
      const home = tree.ukfs.cwdBytes();
      if (folder !== undefined) tree.ukfs.chdir(toBytes(folder));
      try {
        return runToolNow(tool, session, words, tool.name) === 0;
      } finally {
        tree.ukfs.chdir(home);
      }
    },
    openOutput(path) {
      const { host } = context;
      const fd = host.open(host.pathOf(path), O_WRONLY | O_CREAT | O_TRUNC, 0o666);
      let pending = '';
      return {
        write(text) {
          pending += text;
        },
        close() {
          host.write(fd, toBytes(pending), pending.length, null);
          host.close(fd);
        },
      };
    },
  };
}

export const find: Tool = {
  name: 'find',
  about: 'Finds files of an image.',
  usage: '[-H | -L | -P] [-dEhsXx] [-f path] [path ...] [expression]',
  writes: (argv) =>
    argv.some(
      (word, i) =>
        /^-(delete|rm)$/.test(word) ||
        (/^-(exec|execdir|ok)$/.test(word) && !READERS.includes(argv[i + 1] ?? '')),
    ),
  options: [
    ['-d', 'what a directory holds before the directory'],
    ['-E', 'extended regular expressions'],
    ['-f <path>', 'a path, whatever it begins with'],
    ['-H', 'follow symbolic links among the operands'],
    ['-h', 'the same as -L'],
    ['-L', 'follow all symbolic links'],
    ['-P', 'follow no symbolic link (the default)'],
    ['-s', 'names of a directory in order'],
    ['-X', 'leave out, with a message, names that xargs would take apart'],
    ['-x', 'stay on one device'],
  ],
  parsesItself: true,
  notes: [
    {
      title: 'Expressions',
      text:
        'Primaries are joined by -a (or nothing) and -o, negated by ! and grouped by ( ). Without an ' +
        'action the names are printed. Numbers n are n, +n (more) or -n (less). What -exec, -execdir and ' +
        '-ok run are tools of this set, on the same image.',
      rows: [
        [
          '-amin n, -atime n',
          'accessed n minutes, days ago; likewise -cmin, -ctime, -mmin, -mtime',
        ],
        ['-anewer file', 'accessed after the file was modified; likewise -cnewer, -newer'],
        ['-delete, -rm', 'remove it; means -depth'],
        ['-depth', 'what a directory holds before the directory'],
        ['-empty', 'an empty file or directory'],
        [
          '-exec tool ... ;',
          'run the tool, {} being the name; with {} + at its end for many names at once',
        ],
        ['-execdir tool ... ;', 'the same in the directory of the file'],
        ['-exit [n]', 'end, with this exit status'],
        ['-false, -true', 'never, always'],
        ['-flags [-]flags', 'file flags'],
        ['-follow', 'as -L'],
        ['-fprint file', 'write the name to a file of the host'],
        ['-fstype type', 'on a file system of this type'],
        ['-group name, -user name', 'belongs to them'],
        ['-inum n, -links n', 'number of the inode, of its names'],
        ['-ls', 'print it as fsu_ls -dils'],
        ['-maxdepth n, -mindepth n', 'only as deep, only from this depth on'],
        ['-name pattern, -iname pattern', 'the last component; -iname: in any case'],
        ['-nogroup, -nouser', 'belongs to a group, a user without name'],
        ['-ok tool ... ;', 'as -exec, after a question'],
        ['-path pattern', 'the whole path'],
        ['-perm [-+]mode', 'has this mode; -: all of its bits; +: any of them'],
        ['-print, -print0, -printx', 'print the name; ended by NUL; for xargs'],
        ['-prune', 'do not enter this directory'],
        ['-regex pattern, -iregex pattern', 'the whole path, as a regular expression'],
        ['-size n[ckMGT]', 'in blocks of 512 bytes, bytes, KiB, MiB, GiB, TiB'],
        ['-type t', 'b, c, d, f, l, p or s'],
        ['-xdev', 'as -x'],
      ],
    },
  ],
  examples: ['/ -name "*.conf"', '/ -type f -perm -4000 -ls', '/tmp -mtime +30 -exec rm {} +'],
  seeAlso: ['find(1)', 'fsu_ls(1)', 'fsu_du(1)'],
  async run(context, words) {
    const options = readWords(words.operands);
    const { expression } = options;
    const wishes: WalkWishes = {
      depthFirst: options.depthFirst,
      follow: false,
      sameDevice: options.sameDevice,
      depthMin: 0,
      depthMax: Number.POSITIVE_INFINITY,
      acts: false,
      atEnd: [],
    };
    const tools = new Map<string, Tool>();
    for (const [i, word] of expression.entries()) {
      if (!/^-(exec|execdir|ok)$/.test(word)) continue;
      const name = (expression[i + 1] ?? '').replace(/^fsu_/, '');
      const tool = await findTool(name);
      if (tool === undefined)
        throw new ToolError(`${word}: ${name}: there is no such tool`, EXIT_USAGE);
      tools.set(name, tool);
    }
    const actions = actionsOf(context, tools);
    const test = parseExpression(context, actions, wishes, options.isExtended, expression);
    if (options.paths.length === 0) options.paths.push('.');
    let status: number | undefined;
    try {
      for (const path of options.paths) {
        visitAll(context, path, options, wishes, (visit, state) => {
          const unsafe = options.forXargs && /[\s'"\\]/.test(visit.path);
          if (unsafe) context.note(`${visit.path}: illegal path`);
          else if (test(visit, state) && !wishes.acts) actions.print(`${visit.path}\n`);
        });
      }
    } catch (error) {
      if (!(error instanceof ExitWalk)) throw error;
      status = error.status;
    }
    for (const call of wishes.atEnd) call();
    return status;
  },
};

function visitAll(
  context: ToolContext,
  path: ByteText,
  options: Options,
  wishes: WalkWishes,
  use: (visit: Visit, state: WalkState) => void,
): void {
  const walk = traverse(context.tree, path, {
    follow: wishes.follow ? 'L' : options.follow,
    sameDevice: wishes.sameDevice,
    ...(options.isSorted && { compare: byName }),
  });
  const state: WalkState = { prune: false };
  for (let step = walk.next(); !step.done; ) {
    const visit = step.value;
    const { kind, level } = visit;
    state.prune = false;
    try {
      if (kind === 'error') throw visit.error;
      const isTurn = kind === 'file' || kind === (wishes.depthFirst ? 'leave' : 'enter');
      if (isTurn && level >= wishes.depthMin && level <= wishes.depthMax) use(visit, state);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      context.fail(visit.path, error);
    }
    const skips = kind === 'enter' && (state.prune || level >= wishes.depthMax);
    step = walk.next(skips);
  }
}
