/** What operands are. */
import type { ByteText } from './bytes.js';
import { systemError } from './errors.js';
import type { ToolContext } from './tool.js';
import { dirname, isDirectory, lookup, type FileStat, type Tree } from './tree.js';

/** Whether the last of several operands is a directory; a message when it must be one and is not. */
export function isIntoDirectory(
  context: ToolContext,
  tree: Tree,
  operands: readonly ByteText[],
): boolean | undefined {
  const target = operands.at(-1)!;
  let stat: FileStat | undefined;
  try {
    stat = lookup(tree, target, true);
    // Or a copy's error would be told of its source.
    if (stat === undefined && lookup(tree, dirname(target), true) === undefined) {
      throw systemError('ENOENT');
    }
  } catch (error) {
    context.fail(target, error);
    return undefined;
  }
  const isInto = stat !== undefined && isDirectory(stat);
  if (!isInto && operands.length > 2) {
    context.fail(target, systemError(stat === undefined ? 'ENOENT' : 'ENOTDIR'));
    return undefined;
  }
  return isInto;
}
