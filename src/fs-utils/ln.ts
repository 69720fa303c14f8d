/** fsu_ln */
import { isSystemError, systemError } from './errors.js';
import type { Tool } from './tool.js';
import { basename, isDirectory, isSameFile, join } from './tree.js';

export const ln: Tool = {
  name: 'ln',
  about: 'Makes links in an image.',
  usage: '[-fhinsv] file [link]\n[-fhinsv] file ... directory',
  writes: true,
  options: [
    ['-f', 'remove what has the name of the link'],
    ['-h', 'a last operand that is a symbolic link is not followed to a directory'],
    ['-i', 'ask before removing'],
    ['-n', 'the same as -h'],
    ['-s', 'symbolic links'],
    ['-v', 'name what is made'],
  ],
  operands: [1, Number.POSITIVE_INFINITY],
  examples: ['-s busybox /bin/sh', '/etc/hosts /etc/hosts.old'],
  seeAlso: ['ln(1)', 'fsu_cp(1)'],
  run(context, words) {
    const { tree, out, session } = context;
    const { operands } = words;
    const target = operands.length > 1 ? operands.at(-1)! : '.';
    const sources = operands.length > 1 ? operands.slice(0, -1) : operands;
    const isInto = ((): boolean => {
      try {
        const asLink = words.has('h') || words.has('n');
        return isDirectory(asLink ? tree.lstat(target) : tree.stat(target));
      } catch (error) {
        if (!isSystemError(error)) throw error;
        return false;
      }
    })();
    if (sources.length > 1 && !isInto) {
      context.fail(target, systemError('ENOTDIR'));
      return undefined;
    }
    for (const source of sources) {
      const link = isInto ? join(target, basename(source)) : target;
      context.try(link, () => {
        const make = (): void =>
          words.has('s') ? tree.symlink(source, link) : tree.link(source, link);
        // The reason may be the source.
        const isSymbolic = words.has('s');
        if (
          !isSymbolic &&
          !context.try(source, () => {
            if (isDirectory(tree.lstat(source))) throw systemError('EISDIR');
          })
        )
          return;
        try {
          make();
        } catch (error) {
          if (!isSystemError(error) || error.code !== 'EEXIST') throw error;
          const how = words.last('f', 'i');
          if (how === undefined) throw error;
          const old = tree.lstat(link);
          if (isDirectory(old)) throw systemError('EISDIR');
          if (!isSymbolic && isSameFile(old, tree.lstat(source))) return;
          if (how === 'i' && !session.confirm(`replace ${link}? `)) {
            context.status = 1;
            return;
          }
          tree.unlink(link);
          make();
        }
        if (words.has('v')) out.write(`${link} ${isSymbolic ? '->' : '=>'} ${source}\n`);
      });
    }
    return undefined;
  },
};
