/** The tree that the inspector finds, in the form in which trees are compared. */
import { createHash } from 'node:crypto';
import { Flash, type FlashOptions } from '../../src/inspect/flash.js';
import { filePieces } from '../../src/inspect/inode.js';
import { State } from '../../src/inspect/state.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { brokenNode, buildTree, type Tree, type TreeNode, type TreePath } from '../images/tree.js';

const ZEROS = new Uint8Array(1 << 16);

export function openState(bytes: Uint8Array, options: FlashOptions = {}): State {
  return new State(new Flash(bytes, { host: { codecs: nodeZlib() }, ...options }));
}

/** @param bytesMax of each file that is looked at. */
export function treeOfState(state: State, bytesMax = Number.POSITIVE_INFINITY): Tree {
  const nodes: [TreePath, TreeNode][] = [];
  for (const { path, state: inode, nlink, dirent } of state.tree()) {
    if (inode.error !== undefined || inode.type === 'unknown') {
      nodes.push([path, brokenNode('EIO')]);
      continue;
    }
    const { type, mode, uid, gid, size, atime, mtime, ctime, target, rdev } = inode;
    const xattrs = state.xattrs(inode.ino);
    nodes.push([
      path,
      {
        ino: dirent?.ino ?? inode.ino,
        type,
        mode: mode & 0o7777,
        uid,
        gid,
        size,
        atime,
        mtime,
        ctime,
        nlink,
        ...(rdev !== undefined && { rdev }),
        ...(target !== undefined && { target }),
        ...(type === 'file' && contentOf(state, inode, bytesMax)),
        ...(xattrs.length > 0 && {
          xattrs: Object.fromEntries(
            xattrs.map(({ name, value }) => [name, Buffer.from(value).toString('hex')]),
          ),
        }),
      },
    ]);
  }
  return buildTree(nodes);
}

function contentOf(
  state: State,
  inode: ReturnType<State['inode']>,
  bytesMax: number,
): { sha256: string } | { error: string } {
  const hash = createHash('sha256');
  let at = 0;
  const zeros = (to: number): void => {
    for (; at < to; at = Math.min(to, at + ZEROS.length)) {
      hash.update(ZEROS.subarray(0, Math.min(ZEROS.length, to - at)));
    }
  };
  const size = Math.min(inode.size, bytesMax);
  for (const { from, end, bytes } of filePieces(state.flash, inode)) {
    if (from >= size) break;
    if (bytes === null) return { error: 'EIO' };
    zeros(from);
    hash.update(bytes.subarray(0, size - from));
    at = Math.min(end, size);
  }
  zeros(size);
  return { sha256: hash.digest('hex') };
}
