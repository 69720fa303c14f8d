/** fsu_mkdir, fsu_mkfifo */
import type { ByteText } from './bytes.js';
import { EXIT_USAGE, ToolError, isSystemError } from './errors.js';
import { parseMode } from './modes.js';
import type { Tool, ToolContext, Words } from './tool.js';
import { S_IFDIR, S_IFIFO, isDirectory } from './tree.js';

const ALL = Number.POSITIVE_INFINITY;

/** Of -m, from a mode that all may have; undefined without -m. */
export function modeOption(context: ToolContext, words: Words, base: number): number | undefined {
  const text = words.value('m');
  if (text === undefined) return undefined;
  const change = parseMode(text, context.session.umask);
  if (change === undefined) throw new ToolError(`invalid mode '${text}'`, EXIT_USAGE);
  return change(base) & 0o7777;
}

/** With what is missing above it, which its owner may write to and search whatever the umask is. */
function makeParents(context: ToolContext, path: ByteText): void {
  const { tree, session } = context;
  const mode = (0o777 & ~session.umask) | 0o300;
  for (let slash = path.indexOf('/', 1); slash > 0; slash = path.indexOf('/', slash + 1)) {
    const above = path.slice(0, slash);
    try {
      tree.mkdir(above, mode);
    } catch (error) {
      if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
    }
  }
}

export const mkdir: Tool = {
  name: 'mkdir',
  about: 'Makes directories in an image.',
  usage: '[-p] [-m mode] directory ...',
  writes: true,
  options: [
    ['-m <mode>', 'the mode, as of chmod, instead of the one that the umask leaves'],
    ['-p', 'what is missing above it, too; one that exists is no error'],
  ],
  operands: [1, ALL],
  examples: ['-p /usr/local/etc', '-m 1777 /tmp'],
  seeAlso: ['mkdir(1)', 'fsu_rmdir(1)'],
  run(context, words) {
    const { tree, session } = context;
    const mode = modeOption(context, words, S_IFDIR | 0o777);
    const makesParents = words.has('p');
    for (const path of words.operands) {
      context.try(path, () => {
        try {
          const stripped = path.replace(/\/+$/, '') || '/';
          if (makesParents) makeParents(context, stripped);
          tree.mkdir(stripped, mode ?? 0o777 & ~session.umask);
        } catch (error) {
          const exists = isSystemError(error) && error.code === 'EEXIST';
          if (makesParents && exists && isDirectory(tree.stat(path))) return;
          throw error;
        }
        if (mode !== undefined) tree.chmod(path, mode);
      });
    }
    return undefined;
  },
};

export const mkfifo: Tool = {
  name: 'mkfifo',
  about: 'Makes fifos in an image.',
  usage: '[-m mode] fifo ...',
  writes: true,
  options: [['-m <mode>', 'the mode, as of chmod, instead of the one that the umask leaves']],
  operands: [1, ALL],
  examples: ['/dev/initctl'],
  seeAlso: ['mkfifo(1)', 'fsu_mknod(1)'],
  run(context, words) {
    const { tree, session } = context;
    const mode = modeOption(context, words, 0o666);
    for (const path of words.operands) {
      context.try(path, () => {
        tree.mknod(path, S_IFIFO | (mode ?? 0o666 & ~session.umask), 0);
        if (mode !== undefined) tree.chmod(path, mode);
      });
    }
    return undefined;
  },
};
