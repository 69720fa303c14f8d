/**
 * A whole file system from an image, as a library: the type is told from the content, a part of the
 * image may be named, and the result is used like node:fs.
 */
import { NodeHost } from '../rumpuser/node.js';
import { HostError, type Rumpuser } from '../rumpuser/rumpuser.js';
import { puffs_cred_user, type puffs_ops } from '../puffs/index.js';
import { IMAGE_HEAD_BYTES, imageKind } from './image_kind.js';
import { MountError, mountJffs2, type MountJffs2Options } from './mount_jffs2.js';
import { createFs } from './node/node_fs.js';
import type { UkfsFs } from './node/types.js';
import { parseImagePart, type ImagePart } from './part.js';
import { Ukfs } from './ukfs.js';

/** Those of the type; image-independent ones are the same for all. */
export interface MountOptions extends Omit<MountJffs2Options, 'image'> {
  /** "jffs2". Default: told from the content. */
  type?: string;
  /** Whose calls `fs` makes. Default: root's, with the umask 022. */
  user?: User;
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
  unmount(force?: boolean): void;
}

interface FileSystemType {
  readonly name: string;
  mount(image: string, options: TypeOptions, host: Rumpuser): MountedType;
}

/** In the order in which they are tried: those with a magic number first. */
const TYPES: readonly FileSystemType[] = [
  { name: 'jffs2', mount: (image, options, host) => mountJffs2({ image, ...options }, host) },
];

export interface MountedImage {
  /** "jffs2". */
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
  /** @throws MountError EBUSY while files are open, unless forced; EIO. */
  unmount(force?: boolean): void;
}

/**
 * Mounts the file system in an image.
 * @param image a file or block device; `file%OFFSET:start,size%` is a part of it, and with
 *   `mtdparts`, `file%PART:name%` one of its partitions
 * @throws MountError; nothing is open or locked then.
 */
export function mount(
  image: string,
  options: MountOptions = {},
  host: Rumpuser = new NodeHost(),
): MountedImage {
  const { type: wanted, user, ...rest } = options;
  const types = TYPES.filter(({ name }) => wanted === undefined || wanted === name);
  if (types.length === 0) {
    const known = TYPES.map(({ name }) => name).join(', ');
    throw new MountError('ENODEV', `type ${wanted} is not known; there are: ${known}`);
  }
  const { image: path, ...part } = selectPart(image);
  const [type] = types as [FileSystemType];
  const { fs, readOnly, report, unmount } = mountType(type, path, { ...rest, ...part }, host);
  const ukfs = new Ukfs(fs);
  const handle = ({ uid = 0, gid = 0, groups = [], umask = 0o022 }: User = {}): UkfsFs =>
    createFs(new Ukfs(fs, puffs_cred_user(uid, gid, groups, umask)));
  return {
    type: type.name,
    readOnly,
    report,
    fs: handle(user),
    handle,
    ukfs,
    ops: fs,
    sync: () => ukfs.sync(),
    unmount,
  };
}

function selectPart(image: string): ImagePart {
  try {
    return parseImagePart(image);
  } catch (error) {
    if (error instanceof RangeError) throw new MountError('EINVAL', error.message);
    throw error;
  }
}

/** A refusal of the content says what the content is, if that can be told. */
function mountType(
  type: FileSystemType,
  path: string,
  options: TypeOptions,
  host: Rumpuser,
): MountedType {
  try {
    return type.mount(path, options, host);
  } catch (error) {
    if (!(error instanceof MountError) || error.code !== 'EINVAL') throw error;
    const kind = contentOf(path, options.offset ?? 0, host);
    if (kind === undefined) throw error;
    throw new MountError('EINVAL', `${error.message}; it looks like ${kind}`);
  }
}

function contentOf(path: string, offset: number, host: Rumpuser): string | undefined {
  try {
    const file = host.open(path, 'read');
    try {
      const head = new Uint8Array(IMAGE_HEAD_BYTES);
      return imageKind(head.subarray(0, file.read(head, 0, head.length, offset)));
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof HostError) return undefined;
    throw error;
  }
}
