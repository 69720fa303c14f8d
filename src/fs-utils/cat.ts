/** fsu_cat */
import { fromBytes, type ByteText } from './bytes.js';
import type { Tool } from './tool.js';
import { O_RDONLY, isDirectory, type Tree } from './tree.js';
import { systemError } from './errors.js';

const CHUNK_BYTES = 1 << 17;

/** What a file holds, in pieces, each only good until the next one is asked for. @throws EISDIR and what open and read throw. */
export function* content(tree: Tree, path: ByteText): Iterable<Uint8Array> {
  const fd = tree.open(path, O_RDONLY, 0);
  try {
    if (isDirectory(tree.fstat(fd))) throw systemError('EISDIR');
    const buffer = Buffer.alloc(CHUNK_BYTES);
    for (let count = 1; count > 0; ) {
      count = tree.read(fd, buffer, buffer.length, null);
      if (count > 0) yield buffer.subarray(0, count);
    }
  } finally {
    tree.close(fd);
  }
}

/** Pieces together; each is only good until the next one is asked for. */
export function together(pieces: Iterable<Uint8Array>): Buffer {
  const copies: Buffer[] = [];
  for (const piece of pieces) copies.push(Buffer.from(piece));
  return Buffer.concat(copies);
}

/** "^A", "M-^A": as cat -v. */
function visible(byte: string, showsTabs: boolean): string {
  const code = byte.charCodeAt(0);
  if (byte === '\t') return showsTabs ? '^I' : byte;
  if (code >= 0x80) return `M-${visible(String.fromCharCode(code & 0x7f), true)}`;
  if (code === 0x7f) return '^?';
  return code < 0x20 ? `^${String.fromCharCode(code + 0x40)}` : byte;
}

export const cat: Tool = {
  name: 'cat',
  about: 'Writes what files of an image hold to standard output.',
  usage: '[-benstv] [file ...]',
  writes: false,
  options: [
    ['-b', 'number lines that are not empty'],
    ['-e', 'as -v, and a $ at the end of each line'],
    ['-n', 'number all lines'],
    ['-s', 'one empty line for several'],
    ['-t', 'as -v, and tabs as ^I'],
    ['-v', 'what is not printable as ^X and M-X'],
  ],
  notes: [{ title: 'Operands', text: 'Without one, or for -, standard input is read.' }],
  examples: ['/etc/passwd', '-n /etc/init.d/rcS', '/bin/busybox > busybox'],
  seeAlso: ['cat(1)', 'fsu_write(1)'],
  run(context, words) {
    const { out, session } = context;
    const showsEnds = words.has('e');
    const showsTabs = words.has('t');
    const shows = showsEnds || showsTabs || words.has('v');
    const numbers = words.has('b') ? 'full' : words.has('n') ? 'all' : undefined;
    const squeezes = words.has('s');
    const isPlain = !shows && numbers === undefined && !squeezes;
    let number = 0;
    let isLineStart = true;
    let empties = 0;
    const line = (text: ByteText, isEnded: boolean): void => {
      if (isLineStart) {
        const isEmpty = text === '' && isEnded;
        empties = isEmpty ? empties + 1 : 0;
        if (squeezes && empties > 1) return;
        if (numbers === 'all' || (numbers === 'full' && !isEmpty)) {
          out.write(`${String(++number).padStart(6)}\t`);
        }
      }
      const shown = shows ? text.replace(/[^ -~]/g, (byte) => visible(byte, showsTabs)) : text;
      out.write(shown + (isEnded ? `${showsEnds ? '$' : ''}\n` : ''));
      isLineStart = isEnded;
    };
    for (const path of words.operands.length > 0 ? words.operands : ['-']) {
      context.try(path, () => {
        for (const chunk of path === '-' ? session.input() : content(context.tree, path)) {
          if (isPlain) {
            out.bytes(chunk);
            continue;
          }
          const lines = fromBytes(chunk).split('\n');
          const rest = lines.pop()!;
          for (const text of lines) line(text, true);
          if (rest !== '') line(rest, false);
        }
      });
    }
    return undefined;
  },
};
