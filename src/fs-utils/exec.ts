/** fsu_exec */
import { decode } from './bytes.js';
import { content, together } from './cat.js';
import { isSystemError } from './errors.js';
import { runOnCopy } from './host_command.js';
import type { Tool } from './tool.js';
import { O_TRUNC, O_WRONLY, basename } from './tree.js';

export const exec: Tool = {
  name: 'exec',
  about: 'Runs a command of the host on a file of an image.',
  usage: 'command [argument ...] file',
  writes: true,
  options: [],
  operands: [2, Number.POSITIVE_INFINITY],
  stopsAtOperand: true,
  notes: [
    {
      title: 'How',
      text:
        'The file is copied to a folder of its own in the temporary folder, the command gets the path of ' +
        'the copy as its last argument, and what it changed is written back into the file, which keeps ' +
        'its inode, mode and owner; also when the command fails. A file that is missing is made if the ' +
        'command makes it.',
    },
  ],
  examples: ['vi /etc/passwd', 'sed -i s/eth0/eth1/ /etc/network/interfaces'],
  exitStatus: [
    ['0-255', "the command's; 126 and 127 when it cannot be run, 128 and the signal's number"],
    ['1', 'the file cannot be read or written'],
  ],
  seeAlso: ['fsu_cat(1)', 'fsu_write(1)'],
  run(context, words) {
    const { tree, session } = context;
    const path = words.operands.at(-1)!;
    const [command, ...rest] = words.operands.slice(0, -1) as [string, ...string[]];
    let before: Buffer | undefined;
    const read = context.try(path, () => {
      try {
        before = together(content(context.tree, path));
      } catch (error) {
        if (!isSystemError(error) || error.code !== 'ENOENT') throw error;
      }
    });
    if (!read) return 1;
    const { status, message, after } = runOnCopy(
      decode(command),
      rest.map(decode),
      decode(basename(path)),
      before,
    );
    if (message !== undefined) context.note(message);
    if (after === undefined || (before !== undefined && after.equals(before))) return status;
    const written = context.try(path, () => {
      const make = before === undefined ? 0o100 : 0;
      const fd = tree.open(path, O_WRONLY | O_TRUNC | make, 0o666 & ~session.umask);
      try {
        tree.write(fd, after, after.length, null);
      } finally {
        tree.close(fd);
      }
    });
    return written ? status : Math.max(1, status);
  },
};
