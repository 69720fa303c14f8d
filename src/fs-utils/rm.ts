/** fsu_rm, fsu_rmdir */
import type { ByteText } from './bytes.js';
import { EXIT_USAGE, ToolError, isSystemError, systemError } from './errors.js';
import { usage, type Tool, type ToolContext } from './tool.js';
import { traverse } from './traverse.js';
import { O_WRONLY, S_IFREG, dirname, typeOf } from './tree.js';

const ALL = Number.POSITIVE_INFINITY;

/** They write elsewhere what is overwritten. */
const LOG_STRUCTURED = ['jffs2', 'lfs'];

function overwrite(context: ToolContext, path: ByteText): void {
  const { tree } = context;
  const { size } = tree.lstat(path);
  const fd = tree.open(path, O_WRONLY, 0);
  try {
    for (const byte of [0xff, 0x00, 0xff]) {
      const buffer = Buffer.alloc(1 << 16, byte);
      for (let at = 0; at < size; at += buffer.length) {
        tree.write(fd, buffer, Math.min(buffer.length, size - at), at);
      }
      tree.fsync(fd);
    }
  } finally {
    tree.close(fd);
  }
}

export const rm: Tool = {
  name: 'rm',
  about: 'Removes files and directories of an image.',
  usage: '[-dfiPRrvW] file ...',
  writes: true,
  options: [
    ['-d', 'empty directories, too'],
    ['-f', 'nothing is asked, and what does not exist is no error'],
    ['-i', 'ask before each'],
    ['-P', 'overwrite regular files first; refused where the old data would stay all the same'],
    ['-R', 'directories with all that is below them'],
    ['-r', 'the same as -R'],
    ['-v', 'name what is removed'],
    ['-W', 'undelete: there are no whiteouts, and this fails'],
  ],
  operands: [0, ALL],
  examples: ['/etc/old.conf', '-r /var/cache'],
  seeAlso: ['rm(1)', 'fsu_rmdir(1)'],
  run(context, words) {
    const { tree, out, session } = context;
    const last = words.last('f', 'i');
    const isForced = words.has('f');
    if (words.operands.length === 0) {
      if (isForced) return 0;
      throw new ToolError(`missing operand\n${usage(rm, context.program)}`, EXIT_USAGE);
    }
    if (words.has('W')) throw new ToolError('-W: this type of file system has no whiteouts');
    const overwrites = words.has('P');
    if (overwrites && LOG_STRUCTURED.includes(session.type)) {
      throw new ToolError(
        `-P: ${session.type} writes elsewhere, and the old data would stay on the medium`,
      );
    }
    const asks = last === 'i';
    const recurses = words.has('R') || words.has('r');
    const done = (path: ByteText): void => {
      if (words.has('v')) out.write(`${path}\n`);
    };
    for (const operand of words.operands) {
      const path = operand.replace(/\/+$/, '') || '/';
      const name = path.slice(path.lastIndexOf('/') + 1);
      if (name === '.' || name === '..' || name === '') {
        context.warn(`${operand}: "/", "." and ".." may not be removed`);
        continue;
      }
      /** Directories that stay because something in them does. */
      const kept = new Set<ByteText>();
      const keep = (below: ByteText): void => {
        for (let at = below; at.length > path.length; ) {
          at = dirname(at);
          kept.add(at);
        }
      };
      const walk = traverse(tree, path);
      for (let step = walk.next(); !step.done; ) {
        const { kind, path: at, stat, error } = step.value;
        let skip = false;
        try {
          if (kind === 'error') {
            if (isForced && error!.code === 'ENOENT' && at === path) break;
            throw error;
          }
          if (kind === 'enter') {
            if (!recurses && !words.has('d')) throw systemError('EISDIR');
            skip = !recurses || (asks && !session.confirm(`examine files in directory ${at}? `));
            if (skip && recurses) {
              keep(at);
              kept.add(at);
            }
          } else if (kind === 'file') {
            if (asks && !session.confirm(`remove ${at}? `)) keep(at);
            else {
              if (overwrites && typeOf(stat) === S_IFREG) overwrite(context, at);
              tree.unlink(at);
              done(at);
            }
          } else if (!kept.has(at)) {
            if (asks && !session.confirm(`remove ${at}? `)) keep(at);
            else {
              tree.rmdir(at);
              done(at);
            }
          }
        } catch (thrown) {
          context.fail(at, thrown);
          keep(at);
          kept.add(at);
          skip = true;
        }
        step = walk.next(skip);
      }
    }
    return undefined;
  },
};

export const rmdir: Tool = {
  name: 'rmdir',
  about: 'Removes empty directories of an image.',
  usage: '[-p] directory ...',
  writes: true,
  options: [['-p', 'and those above it that are empty then']],
  operands: [1, ALL],
  examples: ['/mnt', '-p /usr/local/etc'],
  seeAlso: ['rmdir(1)', 'fsu_rm(1)'],
  run(context, words) {
    const { tree } = context;
    for (const operand of words.operands) {
      let path = operand.replace(/\/+$/, '') || '/';
      try {
        tree.rmdir(path);
        while (words.has('p') && dirname(path) !== '/' && dirname(path) !== '.') {
          path = dirname(path);
          tree.rmdir(path);
        }
      } catch (error) {
        if (!isSystemError(error)) throw error;
        context.fail(path, error);
      }
    }
    return undefined;
  },
};
