/** fsu_mv */
import { EXIT_STATUS, NO_PRESERVE, copyAll, preserved } from './copy_all.js';
import { isIntoDirectory } from './operands.js';
import { SECOND_NOTE, SECOND_OPTIONS, withSecond } from './second.js';
import type { Tool, ToolContext, Words } from './tool.js';
import { basename, isDirectory, isSameFile, join, lookup } from './tree.js';

export const mv: Tool = {
  name: 'mv',
  about: 'Moves and renames files of an image, or moves them to another.',
  usage:
    '[-f | -i] [-v] [--to image] source target\n' +
    '[-f | -i] [-v] [--to image] source ... directory',
  writes: true,
  options: [
    ['-f', 'ask nothing (the default)'],
    ['-i', 'ask before a file is replaced'],
    ['-v', 'name what is moved'],
    NO_PRESERVE,
    ...SECOND_OPTIONS,
  ],
  operands: [2, Number.POSITIVE_INFINITY],
  notes: [
    SECOND_NOTE,
    {
      title: 'Moving to another image',
      text:
        'Files are copied with all that they have, as by fsu_cp -a, and then removed; where something ' +
        'could not be copied or kept, that is told, and nothing of that operand is removed. ' +
        '--no-preserve says what is no loss.',
    },
  ],
  examples: ['/etc/rc.new /etc/rc', '--to disk.img /var/log /'],
  exitStatus: EXIT_STATUS,
  seeAlso: ['mv(1)', 'fsu_cp(1)'],
  run(context, words) {
    if (!words.has('to')) return rename(context, words);
    return withSecond(context, words, true, (to) =>
      copyAll(context, context.tree, to, words.operands, {
        recursive: true,
        follow: 'P',
        keep: new Set(preserved(words)),
        asks: words.last('f', 'i') === 'i',
        verbose: words.has('v'),
        move: true,
        exactTimes: true,
      }),
    );
  },
};

function rename(context: ToolContext, words: Words): undefined {
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
}
