/** fsu_mv */
import { isSystemError, systemError } from './errors.js';
import type { Tool, ToolContext } from './tool.js';
import { basename, isDirectory, isSameFile, join, type FileStat, type Tree } from './tree.js';
import type { ByteText } from './bytes.js';

/** undefined where there is nothing. */
export function lookup(tree: Tree, path: ByteText, follow = false): FileStat | undefined {
  try {
    return follow ? tree.stat(path) : tree.lstat(path);
  } catch (error) {
    if (isSystemError(error) && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    throw error;
  }
}

/** Whether the last of several operands is a directory; a message when it must be one and is not. */
export function isIntoDirectory(
  context: ToolContext,
  tree: Tree,
  operands: readonly ByteText[],
): boolean | undefined {
  const target = operands.at(-1)!;
  const stat = lookup(tree, target, true);
  const isInto = stat !== undefined && isDirectory(stat);
  if (!isInto && operands.length > 2) {
    context.fail(target, systemError(stat === undefined ? 'ENOENT' : 'ENOTDIR'));
    return undefined;
  }
  return isInto;
}

export const mv: Tool = {
  name: 'mv',
  about: 'Moves and renames files of an image.',
  usage: '[-f | -i] [-v] source target\n[-f | -i] [-v] source ... directory',
  writes: true,
  options: [
    ['-f', 'ask nothing (the default)'],
    ['-i', 'ask before a file is replaced'],
    ['-v', 'name what is moved'],
  ],
  operands: [2, Number.POSITIVE_INFINITY],
  examples: ['/etc/rc.new /etc/rc'],
  seeAlso: ['mv(1)', 'fsu_cp(1)'],
  run(context, words) {
    const { tree, out, session } = context;
    const { operands } = words;
    const target = operands.at(-1)!;
    const isInto = isIntoDirectory(context, tree, operands);
    if (isInto === undefined) return undefined;
    for (const source of operands.slice(0, -1)) {
      const to = isInto ? join(target, basename(source)) : target;
      context.try(source, () => {
        const from = tree.lstat(source);
        const old = lookup(tree, to);
        if (old !== undefined) {
          if (isSameFile(from, old)) {
            // Two names of one file: rename(2) would do nothing.
            if (source === to || isDirectory(from)) {
              context.warn(`${source} and ${to} are the same file`);
            } else tree.unlink(source);
            return;
          }
          const question = `replace ${to}? `;
          if (words.last('f', 'i') === 'i' && !session.confirm(question)) return;
        }
        try {
          tree.rename(source, to);
        } catch (error) {
          context.fail(`${source} to ${to}`, error);
          return;
        }
        if (words.has('v')) out.write(`${source} -> ${to}\n`);
      });
    }
    return undefined;
  },
};
