/** fsu_write */
import type { Tool } from './tool.js';
import { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY } from './tree.js';

export const write: Tool = {
  name: 'write',
  about: 'Writes standard input to a file of an image.',
  usage: '[-a] file',
  writes: true,
  options: [['-a', 'append to what the file holds']],
  operands: [1, 1],
  notes: [{ title: 'Operands', text: 'The file is made, or emptied first.' }],
  examples: ['/etc/hostname < hostname', '-a /etc/hosts'],
  seeAlso: ['fsu_cat(1)', 'fsu_put(1)'],
  run(context, words) {
    const { tree, session } = context;
    const [path] = words.operands as [string];
    context.try(path, () => {
      const flags = O_WRONLY | O_CREAT | (words.has('a') ? O_APPEND : O_TRUNC);
      const fd = tree.open(path, flags, 0o666 & ~session.umask);
      try {
        for (const chunk of session.input()) tree.write(fd, chunk, chunk.length, null);
      } finally {
        tree.close(fd);
      }
    });
    return undefined;
  },
};
