/** fsu_chmod, fsu_chown, fsu_chgrp, fsu_chflags */
import type { ByteText } from './bytes.js';
import { EXIT_USAGE, ToolError } from './errors.js';
import { parseFlags } from './flags.js';
import { parseMode } from './modes.js';
import type { Tool, ToolContext, ToolOption, Words } from './tool.js';
import { traverse, type Follow } from './traverse.js';
import { isSymlink, type FileStat } from './tree.js';

const ALL = Number.POSITIVE_INFINITY;

const WALK_OPTIONS: readonly ToolOption[] = [
  ['-H', 'with -R, follow symbolic links among the operands'],
  ['-L', 'with -R, follow all symbolic links'],
  ['-P', 'with -R, follow no symbolic link (the default)'],
  ['-R', 'all that is below directories, too'],
];

/** Which links -H, -L and -P follow; the last one counts. */
export const followOption = (words: Words): Follow => (words.last('H', 'L', 'P') ?? 'P') as Follow;

/**
 * Calls `change` for each operand, with -R for what is below it, too; without -R a link is followed
 * unless -h is given.
 */
function forEach(
  context: ToolContext,
  words: Words,
  paths: readonly ByteText[],
  change: (path: ByteText, stat: FileStat, follow: boolean) => void,
): void {
  const { tree } = context;
  const isQuiet = words.has('f');
  const attempt = (path: ByteText, call: () => void): void => {
    const { status } = context;
    if (!isQuiet) context.try(path, call);
    else {
      try {
        call();
      } catch {
        context.status = Math.max(status, 1);
      }
    }
  };
  for (const operand of paths) {
    if (!words.has('R')) {
      const follow = !words.has('h');
      attempt(operand, () =>
        change(operand, follow ? tree.stat(operand) : tree.lstat(operand), follow),
      );
      continue;
    }
    const follow = followOption(words);
    for (const { kind, path, stat, error } of traverse(tree, operand, { follow })) {
      attempt(path, () => {
        if (kind === 'error') throw error;
        // Directories on the way out, when what is below them was reached with their old modes.
        if (kind !== 'enter') change(path, stat, !isSymlink(stat));
      });
    }
  }
}

export const chmod: Tool = {
  name: 'chmod',
  about: 'Changes modes of files of an image.',
  usage: '[-fh] [-R [-H | -L | -P]] mode file ...',
  writes: true,
  options: [
    ...WALK_OPTIONS,
    ['-f', 'no messages'],
    ['-h', 'a symbolic link itself; its mode cannot be changed here, and this fails'],
  ],
  operands: [2, ALL],
  isOperand: (word) => /^-[rwxXstugo]+(,|$)/.test(word),
  notes: [
    {
      title: 'Modes',
      text:
        'A mode is octal, or symbolic as of chmod(1): "u=rwx,go=rX". A first word such as -w or -x ' +
        'is a mode, too.',
    },
  ],
  examples: ['755 /bin/busybox', '-R go-w /etc', 'u+s /bin/su'],
  seeAlso: ['chmod(1)', 'fsu_chown(1)'],
  run(context, words) {
    const [text, ...paths] = words.operands as [string, ...string[]];
    const change = parseMode(text, context.session.umask);
    if (change === undefined) throw new ToolError(`invalid mode '${text}'`, EXIT_USAGE);
    forEach(context, words, paths, (path, stat, follow) => {
      if (isSymlink(stat)) {
        if (!follow && !words.has('R'))
          throw new ToolError(`${path}: a link has no mode to change`);
        return;
      }
      context.tree.chmod(path, change(stat.mode));
    });
    return undefined;
  },
};

function chownTool(context: ToolContext, words: Words, uid: number, gid: number): undefined {
  forEach(context, words, words.operands.slice(1), (path, stat, follow) => {
    // A walk that does not follow links changes the links themselves.
    if (follow && !isSymlink(stat)) context.tree.chown(path, uid, gid);
    else context.tree.lchown(path, uid, gid);
    if (words.has('v')) context.out.write(`${path}\n`);
  });
  return undefined;
}

const OWNER_OPTIONS: readonly ToolOption[] = [
  ...WALK_OPTIONS,
  ['-f', 'no messages'],
  ['-h', 'a symbolic link itself'],
  ['-v', 'name what is changed'],
];

const groupOf = (context: ToolContext, text: string): number => {
  const gid = context.names.gid(text);
  if (gid === undefined) throw new ToolError(`'${text}': no such group`);
  return gid;
};

export const chown: Tool = {
  name: 'chown',
  about: 'Changes owners of files of an image.',
  usage: '[-fhv] [-R [-H | -L | -P]] [owner][:group] file ...',
  writes: true,
  options: OWNER_OPTIONS,
  operands: [2, ALL],
  notes: [
    {
      title: 'Names',
      text: "Names are those of the image's own /etc/passwd and /etc/group; if it has none, the host's.",
    },
  ],
  examples: ['-R root:root /etc', '1000 /home/user'],
  seeAlso: ['chown(1)', 'fsu_chgrp(1)'],
  run(context, words) {
    const text = words.operands[0]!;
    const colon = text.indexOf(':');
    const [owner, group] = colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)];
    const uid = owner === '' ? -1 : context.names.uid(owner);
    if (uid === undefined) throw new ToolError(`'${owner}': no such user`);
    return chownTool(context, words, uid, group === '' ? -1 : groupOf(context, group));
  },
};

export const chgrp: Tool = {
  name: 'chgrp',
  about: 'Changes groups of files of an image.',
  usage: '[-fhv] [-R [-H | -L | -P]] group file ...',
  writes: true,
  options: OWNER_OPTIONS,
  operands: [2, ALL],
  examples: ['-R wheel /etc'],
  seeAlso: ['chgrp(1)', 'fsu_chown(1)'],
  run: (context, words) => chownTool(context, words, -1, groupOf(context, words.operands[0]!)),
};

export const chflags: Tool = {
  name: 'chflags',
  about: "Changes BSD's file flags of files of an image.",
  usage: '[-h] [-R [-H | -L | -P]] flags file ...',
  writes: true,
  options: [...WALK_OPTIONS, ['-h', 'a symbolic link itself']],
  operands: [2, ALL],
  notes: [
    {
      title: 'Flags',
      text:
        'Words, separated by commas: arch, nodump, opaque, sappnd, schg, uappnd, uchg; with no before ' +
        'them they are cleared; or an octal number. Where a type of file system has no flags (jffs2), ' +
        'the answer is "Operation not supported".',
    },
  ],
  examples: ['uchg /etc/passwd'],
  seeAlso: ['fsu_chmod(1)', 'fsu_ls(1)'],
  run(context, words) {
    const [text, ...paths] = words.operands as [string, ...string[]];
    const change = parseFlags(text);
    if (change === undefined) throw new ToolError(`invalid flags '${text}'`, EXIT_USAGE);
    forEach(context, words, paths, (path, stat, follow) =>
      context.tree.chflags(path, (stat.flags & ~change.clear) | change.set, follow),
    );
    return undefined;
  },
};
