/** The second image of a command: how it is named, and how long it is open. */
import { ToolError } from './errors.js';
import { decode, type ByteText } from './bytes.js';
import type { ToolContext, ToolOption, Words } from './tool.js';
import type { Tree } from './tree.js';

export interface SecondImage {
  readonly type?: string;
  /** Mount options, separated by commas. */
  readonly options?: string;
  readonly writes: boolean;
}

/** The tree of another image, or of a directory of the host. */
export interface OpenedTree {
  readonly tree: Tree;
  /** @throws ToolError what was written last may be missing. */
  close(): void;
}

export const SECOND_OPTIONS: readonly ToolOption[] = [
  ['--to <image>', 'another image, or a directory of the host: the last operand is there'],
  ['--to-type <type>', 'the type of its file system, instead of the one detected'],
  ['--to-options <options>', 'its mount options, separated by commas'],
];

export const SECOND_NOTE = {
  title: 'Two images',
  text:
    'With --to, the last operand is a path of another image, of whatever type, or below a directory of ' +
    'the host. Numbers of devices, times, owners, modes, links, holes, names and extended attributes ' +
    'are those of the other file system then, as far as it has them.',
};

/** Is one named? For what must be known before the words are read. */
export const namesSecond = (argv: readonly ByteText[]): boolean =>
  argv.slice(0, endOf(argv)).some((word) => word === '--to' || word.startsWith('--to='));

const endOf = (argv: readonly ByteText[]): number => {
  const end = argv.indexOf('--');
  return end < 0 ? argv.length : end;
};

/** Runs `use` on the tree that --to names; on the image's own, if none is named. */
export function withSecond<T>(
  context: ToolContext,
  words: Words,
  writes: boolean,
  use: (tree: Tree) => T,
): T {
  const name = words.value('to');
  const [type, options] = [words.value('to-type'), words.value('to-options')];
  if (name === undefined) {
    if (type !== undefined || options !== undefined) {
      throw new ToolError('--to-type and --to-options are about the image of --to');
    }
    return use(context.tree);
  }
  const opened = context.session.openSecond(name, {
    writes,
    ...(type !== undefined && { type: decode(type) }),
    ...(options !== undefined && { options: decode(options) }),
  });
  let result: T;
  try {
    result = use(opened.tree);
  } catch (error) {
    try {
      opened.close();
    } catch {
      // The first failure is the one to tell.
    }
    throw error;
  }
  opened.close();
  return result;
}
