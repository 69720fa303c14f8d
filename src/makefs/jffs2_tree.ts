/** What jffs2's options do to the tree, and what jffs2 cannot hold. */
import { S_IFBLK, S_IFCHR, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import type { ByteName } from '../lump/types.js';
import { posix_acl_from_xattr } from '../lump/posix_acl.js';
import { jffs2_acl_to_medium } from '../jffs2/acl_medium.js';
import {
  type Endian,
  JFFS2_MAX_NAME_LEN,
  JFFS2_XPREFIX_ACL_ACCESS,
  JFFS2_XPREFIX_ACL_DEFAULT,
  JFFS2_XPREFIX_NAMES,
  JFFS2_XPREFIX_SECURITY,
  PAD,
  XATTR_SIZE,
} from '../jffs2/medium.js';
import { forEachInode, type FsInode, type FsNode, showPath, walkTree } from './fsnode.js';
import type { Jffs2Settings } from './jffs2_options.js';
import { refuse, shortened } from './problems.js';

const UINT16_MAX = 0xffff;
const UINT32_MAX = 0xffffffff;
const MAJOR_MAX = 0xfff;
const MINOR_MAX = 0xfffff;
const NAME_FIELD_MAX = 0xff;

/** The squash options, which come before device tables: those say what they mean. */
export function squash(root: FsNode, settings: Jffs2Settings): void {
  const { squashOwners, squashPermissions } = settings;
  if (!squashOwners && !squashPermissions) return;
  forEachInode(root, (inode) => {
    if (squashOwners) inode.uid = inode.gid = 0;
    if (squashPermissions && (inode.mode & S_IFMT) !== S_IFLNK) inode.mode &= ~0o6022;
  });
}

/** Times go into 32 bits without a sign; the nearest one is taken. */
export function clampTimes(root: FsNode, fakeTime: boolean, timeMaxSec: number): void {
  forEachInode(root, (inode) => {
    const time = fakeTime ? 0 : Math.min(inode.mtimeSec, timeMaxSec, UINT32_MAX);
    inode.mtimeSec = Math.max(0, time);
  });
}

/** An attribute as it goes to the medium. */
export interface MediumXattr {
  readonly xprefix: number;
  /** Without its prefix; '' for access lists. */
  readonly name: ByteName;
  readonly value: Uint8Array;
}

/** Those of an inode's attributes that the options want, in the medium's form. */
export function mediumXattrs(
  inode: FsInode,
  which: Jffs2Settings['xattrs'],
  endian: Endian,
  note: (line: string) => void,
): MediumXattr[] {
  const list: MediumXattr[] = [];
  for (const [fullName, value] of inode.xattrs) {
    const xprefix = prefixOf(fullName);
    if (xprefix === undefined) {
      note(`attribute ${showPath(fullName)} is of a kind that jffs2 has not; it is left out`);
      continue;
    }
    const acl = xprefix === JFFS2_XPREFIX_ACL_ACCESS || xprefix === JFFS2_XPREFIX_ACL_DEFAULT;
    const security = xprefix === JFFS2_XPREFIX_SECURITY;
    if (!which.all && !(which.acl && acl) && !(which.security && security)) continue;
    if (!acl) {
      const name = fullName.slice(JFFS2_XPREFIX_NAMES[xprefix]!.length);
      list.push({ xprefix, name, value });
      continue;
    }
    const entries = posix_acl_from_xattr(value);
    if (entries !== null) {
      list.push({ xprefix, name: '', value: jffs2_acl_to_medium(endian, entries) });
    }
  }
  return list;
}

function prefixOf(fullName: ByteName): number | undefined {
  for (const [number, prefix] of Object.entries(JFFS2_XPREFIX_NAMES)) {
    if (prefix.endsWith('.') ? fullName.startsWith(prefix) : fullName === prefix) {
      return Number(number);
    }
  }
  return undefined;
}

/**
 * Refuses what would be cut, lost or unreadable on the medium: all of it is said at once.
 * @param xattrBytesMax the largest attribute node that an erase block holds
 * @throws MakefsError
 */
export function checkTree(
  root: FsNode,
  xattrsOf: (inode: FsInode) => readonly MediumXattr[],
  xattrBytesMax: number,
): void {
  const problems: string[] = [];
  const seen = new Set<FsInode>();
  for (const node of walkTree(root)) {
    if (node.name.length > JFFS2_MAX_NAME_LEN) {
      problems.push(
        `${shortened(node.path)}: a name of ${node.name.length} bytes; ` +
          `Linux finds names of up to ${JFFS2_MAX_NAME_LEN} on jffs2`,
      );
    }
    if (seen.has(node.inode)) continue;
    seen.add(node.inode);
    for (const problem of problemsOf(node.inode, xattrsOf(node.inode), xattrBytesMax)) {
      problems.push(`${shortened(node.path)}: ${problem}`);
    }
  }
  refuse('jffs2', problems);
}

function* problemsOf(
  inode: FsInode,
  xattrs: readonly MediumXattr[],
  xattrBytesMax: number,
): Generator<string> {
  for (const [what, id] of [
    ['owner', inode.uid],
    ['group', inode.gid],
  ] as const) {
    if (id > UINT16_MAX) {
      yield `${what} ${id} does not fit 16 bits; squash owners, or give others in a specification`;
    }
  }
  const type = inode.mode & S_IFMT;
  if (type === S_IFREG && (inode.contents?.sizeBytes ?? 0) > UINT32_MAX) {
    yield `${inode.contents!.sizeBytes} bytes; files have ${UINT32_MAX} at most`;
  }
  if (type === S_IFLNK) {
    const { length } = inode.target;
    if (length === 0) yield 'a symlink to nowhere';
    if (length > JFFS2_MAX_NAME_LEN) {
      yield `a symlink of ${length} bytes; they have ${JFFS2_MAX_NAME_LEN} at most`;
    }
  }
  if (type === S_IFCHR || type === S_IFBLK) {
    const { rdevMajor, rdevMinor } = inode;
    if (rdevMajor > MAJOR_MAX || rdevMinor > MINOR_MAX) {
      yield `device ${rdevMajor}:${rdevMinor}; Linux's go up to ${MAJOR_MAX}:${MINOR_MAX}`;
    }
  }
  for (const { xprefix, name, value } of xattrs) {
    const bytes = PAD(XATTR_SIZE + name.length + 1 + value.length);
    if (name.length > NAME_FIELD_MAX || value.length > UINT16_MAX || bytes > xattrBytesMax) {
      yield `attribute ${showPath(JFFS2_XPREFIX_NAMES[xprefix]! + name)}: ${value.length} bytes ` +
        'do not fit an erase block';
    }
  }
}
