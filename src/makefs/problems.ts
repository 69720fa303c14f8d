/** What goes wrong, in words; what a type cannot hold is said at once, and all of it. */
import type { ByteName } from '../lump/types.js';
import { type FsInode, type FsNode, MakefsError, showPath, walkTree } from './fsnode.js';

/** A message shows no more than this; the next run shows the rest. */
const PROBLEMS_SHOWN = 20;

/** @throws MakefsError unless there are none */
export function refuse(type: string, problems: readonly string[], advice = ''): void {
  if (problems.length === 0) return;
  const more = problems.length - PROBLEMS_SHOWN;
  throw new MakefsError(
    [
      `${type} cannot hold this tree:`,
      ...problems.slice(0, PROBLEMS_SHOWN),
      ...(more > 0 ? [`and ${more} more`] : []),
      ...(advice === '' ? [] : [advice]),
    ].join('\n  '),
  );
}

/** A path that long would hide the message. */
export function shortened(path: ByteName): string {
  const text = showPath(path);
  return text.length > 200 ? `${text.slice(0, 100)}…${text.slice(-60)}` : text;
}

/** Node's "EACCES: permission denied, scandir '…'", without the rest, which would come twice. */
export const reasonOf = ({ message }: Error): string =>
  message.replace(/^[A-Z0-9]+: /, '').replace(/, \w+( '.*')?$/s, '');

const NAME_BYTES_MAX = 255;

/**
 * What file systems in UFS's manner cannot hold: long names, too many names of one inode.
 * @throws MakefsError
 */
export function checkUnixTree(type: string, tree: FsNode, linksMax: number): void {
  const problems: string[] = [];
  const links = new Map<FsInode, number>();
  for (const node of walkTree(tree)) {
    const { name, inode } = node;
    if (name.length > NAME_BYTES_MAX) {
      problems.push(`${shortened(node.path)}: a name of ${name.length} bytes`);
    }
    const count = (links.get(inode) ?? 0) + 1;
    links.set(inode, count);
    if (count === linksMax + 1) {
      problems.push(`${shortened(node.path)}: more than ${linksMax} names of one file`);
    }
    if (!node.isDirectory) continue;
    const below = node.sorted().filter((each) => each.isDirectory).length;
    // Its own, and lost+found.
    if (below + 3 > linksMax) {
      problems.push(`${shortened(node.path)}: ${below} directories in one`);
    }
  }
  refuse(type, problems);
}
