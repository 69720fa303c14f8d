/**
 * A whole file system from an image, as a library: the type is told from the content, a part of the
 * image may be named, and the result is used like node:fs.
 */
import { DeviceSuffixError } from '../netbsd-compat/disk/partition.js';
import { Errno } from '../lump/errno.js';
import { NodeHost } from '../rumpuser/node.js';
import { HostError, type Rumpuser } from '../rumpuser/rumpuser.js';
import { puffs_cred_user, type puffs_ops } from '../puffs/index.js';
import { IMAGE_HEAD_BYTES, imageKind } from './image_kind.js';
import { CD9660 } from './mount_cd9660.js';
import {
  DiskMountError,
  mountDisk,
  type DiskFileSystem,
  type MountDiskOptions,
} from './mount_disk.js';
import { EXT2FS } from './mount_ext2fs.js';
import { FFS, probeFfs } from './mount_ffs.js';
import { MountError, mountJffs2, type MountJffs2Options } from './mount_jffs2.js';
import { MSDOS } from './mount_msdos.js';
import { SYSVBFS } from './mount_sysvbfs.js';
import { loadedFileSystems, type LoadedFileSystem } from './mount_modules.js';
import { mountPuffs, type MountPuffsOptions, type PuffsHandlers } from './mount_puffs.js';
import { createFs } from './node/node_fs.js';
import type { UkfsFs } from './node/types.js';
import { parseImagePart, type ImagePart } from './part.js';
import { Ukfs } from './ukfs.js';

/** jffs2's and those of disks; each type looks at its own. */
export interface MountOptions
  extends Omit<MountJffs2Options, 'image'>,
    Omit<MountDiskOptions, 'image' | keyof MountJffs2Options> {
  /** "jffs2", "ext2fs", "ffs", "msdos", "cd9660", "sysvbfs". Default: told from the content. */
  type?: string;
  /** Whose calls `fs` makes. Default: root's, with the umask 022. */
  user?: User;
}

/** What a check of a mounted file system found. */
export interface CheckResult {
  /** Inode number 0: of no one inode. */
  readonly problems: readonly {
    readonly kind: string;
    readonly ino: number;
    readonly text: string;
  }[];
  /** fsck(8)'s: 0, or 4 for errors that were left. */
  readonly exitStatus: number;
}

/** What is left out is root's: 0, no groups, umask 022. */
export interface User {
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  readonly umask?: number;
}

type TypeOptions = Omit<MountOptions, 'type' | 'user'>;

/** What a type's own mount function answers. */
interface MountedType {
  readonly fs: puffs_ops;
  readonly readOnly: boolean;
  readonly report: readonly string[];
  check?(): CheckResult;
  unmount(force?: boolean): void;
}

interface FileSystemType {
  readonly name: string;
  /** @param image with its part, if one is named */
  mount(image: string, options: TypeOptions, host: Rumpuser): MountedType;
  /** Is it one, by its first bytes? */
  probe(head: Uint8Array): boolean;
}

const has = (head: Uint8Array, at: number, ...bytes: number[]): boolean =>
  bytes.every((byte, i) => head[at + i] === byte);

/** One whose driver was loaded from a file. It is tried before ours, where it can be told. */
const typeOfModule = (kind: LoadedFileSystem): FileSystemType => ({
  name: kind.name,
  mount: onDisk(kind),
  probe: (head) => kind.probeHead(head),
});

/** A partition of a BSD disk, named in NetBSD's way. */
const DISKLABEL = /%DISKLABEL:[^%]*%$/;

const hasBootSignature = (head: Uint8Array): boolean => has(head, 510, 0x55, 0xaa);

const onDisk =
  (kind: DiskFileSystem) =>
  (image: string, options: TypeOptions, host: Rumpuser): MountedType => {
    const mounted = asMountError(() => mountDisk(kind, { ...options, ...diskPart(image) }, host));
    const unmount = (force?: boolean): void => asMountError(() => mounted.unmount(force));
    return { ...mounted, unmount };
  };

/** In the order in which they are tried; the last one looks through the whole image. */
const TYPES: readonly FileSystemType[] = [
  {
    name: 'cd9660',
    mount: onDisk(CD9660),
    probe: (head) => has(head, 0x8001, 0x43, 0x44, 0x30, 0x30, 0x31),
  },
  {
    name: 'ext2fs',
    mount: onDisk(EXT2FS),
    probe: (head) => has(head, 0x438, 0x53, 0xef),
  },
  {
    name: 'ffs',
    mount: onDisk(FFS),
    probe: probeFfs,
  },
  {
    name: 'msdos',
    mount: onDisk(MSDOS),
    probe: (head) => hasBootSignature(head) && /FAT/.test(imageKind(head) ?? ''),
  },
  {
    name: 'sysvbfs',
    mount: onDisk(SYSVBFS),
    // Either byte order.
    probe: (head) => has(head, 0, 0xce, 0xfa, 0xad, 0x1b) || has(head, 0, 0x1b, 0xad, 0xfa, 0xce),
  },
  {
    name: 'jffs2',
    mount: (image, options, host) => {
      const { image: path, ...part } = selectPart(image);
      return mountJffs2({ ...options, image: path, ...part }, host);
    },
    // Either byte order.
    probe: (head) => has(head, 0, 0x85, 0x19) || has(head, 0, 0x19, 0x85),
  },
];

/** An image that is mounted in this process. */
export interface MountedImage {
  /** "jffs2", "ext2fs", "ffs", "msdos", "cd9660", "sysvbfs". */
  readonly type: string;
  readonly readOnly: boolean;
  /** What was found, a sentence a line. */
  readonly report: readonly string[];
  /** node:fs, with a working directory of its own. */
  readonly fs: UkfsFs;
  /** Another one: other user, other working directory. */
  handle(user?: User): UkfsFs;
  /** root's paths and descriptors, below the shape of node:fs; umask 0. */
  readonly ukfs: Ukfs;
  /** The operations below paths. */
  readonly ops: puffs_ops;
  /** Everything written is on stable storage when it returns. */
  sync(): void;
  /**
   * fsck while it is mounted: is all that memory holds what the medium says? Reads everything,
   * changes nothing. @throws MountError EOPNOTSUPP of types other than jffs2; EIO.
   */
  check(): CheckResult;
  /** @throws MountError EBUSY while files are open, unless forced; EIO. */
  unmount(force?: boolean): void;
}

/**
 * Mounts the file system in an image.
 * @param image a file or block device; `file%OFFSET:start,size%` is a part of it, `file%PART:name%`
 *   one of its partitions (those of `mtdparts`, or a disk's: "1", …)
 * @throws MountError; nothing is open or locked then.
 */
export function mount(
  image: string,
  options: MountOptions = {},
  host: Rumpuser = new NodeHost(),
): MountedImage {
  const { type: wanted, user, ...rest } = options;
  const all = [...loadedFileSystems().map(typeOfModule), ...TYPES];
  const types = all.filter(({ name }) => wanted === undefined || wanted === name);
  if (wanted === 'puffs') {
    throw new MountError(
      'EINVAL',
      'type puffs has no image: await loadHandlers(), mountHandlers()',
    );
  }
  if (types.length === 0) {
    const known = all.map(({ name }) => name).join(', ');
    throw new MountError('ENODEV', `type ${wanted} is not known; there are: ${known}`);
  }
  const { type, mounted } = mountFirst(types, image, rest, host);
  return presented(type.name, mounted, user);
}

/**
 * Mounts an object with handlers as a file system, in this process.
 * @throws MountError it has no getattr, or no root directory, or does not call back at once
 */
export function mountHandlers(
  handlers: PuffsHandlers,
  options: MountPuffsOptions & { readonly user?: User } = {},
  host: Rumpuser = new NodeHost(),
): MountedImage {
  const { user, ...rest } = options;
  return presented(
    'puffs',
    asMountError(() => mountPuffs(handlers, rest, host)),
    user,
  );
}

function presented(type: string, mounted: MountedType, user: User | undefined): MountedImage {
  const { fs, readOnly, report, unmount } = mounted;
  const ukfs = new Ukfs(fs);
  const handle = ({ uid = 0, gid = 0, groups = [], umask = 0o022 }: User = {}): UkfsFs =>
    createFs(new Ukfs(fs, puffs_cred_user(uid, gid, groups, umask)));
  return {
    type,
    readOnly,
    report,
    fs: handle(user),
    handle,
    ukfs,
    ops: fs,
    sync: () => ukfs.sync(),
    check: () => checkMounted(type, mounted),
    unmount,
  };
}

function checkMounted(name: string, mounted: MountedType): CheckResult {
  if (!mounted.check) throw new MountError('EOPNOTSUPP', `${name} cannot be checked while mounted`);
  try {
    return mounted.check();
  } catch (error) {
    if (error instanceof Errno) throw new MountError(error.code, error.message);
    throw error;
  }
}

function selectPart(image: string): ImagePart {
  try {
    return parseImagePart(image);
  } catch (error) {
    if (error instanceof RangeError) throw new MountError('EINVAL', error.message);
    throw error;
  }
}

/** For a disk: a window and a label's letter stay with the name, a partition is an option. */
function diskPart(image: string): { image: string; part?: string } {
  if (DISKLABEL.test(image)) return { image };
  const { image: path, part, offset, size } = selectPart(image);
  if (part !== undefined) return { image: path, part };
  if (offset === undefined) return { image };
  return { image: `${path}%OFFSET:${offset}${size === undefined ? '' : `,${size}`}%` };
}

/**
 * Mounts as the type that the first bytes are of; where they tell nothing, a jffs2 may lie behind
 * something, and a disk may be divided. A refusal of the content says what the content is, if that
 * can be told.
 */
function mountFirst(
  types: readonly FileSystemType[],
  image: string,
  options: TypeOptions,
  host: Rumpuser,
): { type: FileSystemType; mounted: MountedType } {
  const isDisk = DISKLABEL.test(image);
  const { image: path, offset = options.offset ?? 0 }: ImagePart = isDisk
    ? { image: image.replace(DISKLABEL, '') }
    : selectPart(image);
  const head = headOf(path, offset, host);
  const told = types.filter(({ probe }) => head !== undefined && probe(head));
  // Flash that begins with a node is flash, whatever else its bytes look like.
  const first = told.find(({ name }) => name === 'jffs2') ?? told[0];
  const divided = head !== undefined && (isDisk || hasBootSignature(head));
  const tried = first ? [first] : divided ? types : types.slice(-1);
  let refusal: unknown;
  for (const type of tried) {
    try {
      return { type, mounted: type.mount(image, options, host) };
    } catch (error) {
      if (!(error instanceof MountError)) throw error;
      refusal = error;
    }
  }
  const kind = head === undefined ? undefined : imageKind(head);
  const isOfContent = refusal instanceof MountError && refusal.code === 'EINVAL';
  if (!isOfContent || kind === undefined || first !== undefined) throw refusal;
  throw new MountError('EINVAL', `${(refusal as MountError).message}; it looks like ${kind}`);
}

function asMountError<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof DiskMountError) throw new MountError(error.code, error.message);
    if (error instanceof DeviceSuffixError) throw new MountError('EINVAL', error.message);
    throw error;
  }
}

function headOf(path: string, offset: number, host: Rumpuser): Uint8Array | undefined {
  try {
    const file = host.open(path, 'read');
    try {
      const head = new Uint8Array(IMAGE_HEAD_BYTES);
      return head.subarray(0, file.read(head, 0, head.length, offset));
    } finally {
      file.close();
    }
  } catch (error) {
    // The mount will say it better.
    if (error instanceof HostError) return undefined;
    throw error;
  }
}
