/** The types of {@link ./node_fs.ts}: node:fs's own, for what is there. */
import type { PathLike } from '../error.js';
import type { Ukfs } from '../ukfs.js';

type NodeModule = typeof import('node:fs');

/** Functions with a callback form, a form ending in Sync, and one in `promises`. */
type Name =
  | 'access'
  | 'appendFile'
  | 'chmod'
  | 'chown'
  | 'close'
  | 'copyFile'
  | 'cp'
  | 'exists'
  | 'fchmod'
  | 'fchown'
  | 'fdatasync'
  | 'fstat'
  | 'fsync'
  | 'ftruncate'
  | 'futimes'
  | 'lchmod'
  | 'lchown'
  | 'link'
  | 'lstat'
  | 'lutimes'
  | 'mkdir'
  | 'mkdtemp'
  | 'open'
  | 'opendir'
  | 'read'
  | 'readFile'
  | 'readdir'
  | 'readlink'
  | 'readv'
  | 'realpath'
  | 'rename'
  | 'rm'
  | 'rmdir'
  | 'stat'
  | 'statfs'
  | 'symlink'
  | 'truncate'
  | 'unlink'
  | 'utimes'
  | 'write'
  | 'writeFile'
  | 'writev';

type Other =
  | 'BigIntStats'
  | 'Dir'
  | 'Dirent'
  | 'ReadStream'
  | 'Stats'
  | 'StatsFs'
  | 'WriteStream'
  | 'constants'
  | 'createReadStream'
  | 'createWriteStream'
  | 'openAsBlob'
  | 'promises'
  | 'unwatchFile'
  | 'watch'
  | 'watchFile';

type AttributeName = string | Uint8Array;
type Encoded = { readonly encoding?: BufferEncoding | 'buffer' | null };

/** Extended attributes and devices, which node:fs has not; one form stands for three. */
interface OwnCalls {
  /** `name` as Linux has it: "user.x", "security.x", …; bytes if it is no UTF-8. */
  getxattr(path: PathLike, name: AttributeName): Buffer;
  getxattr(path: PathLike, name: AttributeName, encoding: BufferEncoding): string;
  getxattr(
    path: PathLike,
    name: AttributeName,
    options?: Encoded | BufferEncoding | 'buffer',
  ): string | Buffer;
  setxattr(
    path: PathLike,
    name: AttributeName,
    value: string | NodeJS.ArrayBufferView,
    options?: { readonly create?: boolean; readonly replace?: boolean },
  ): void;
  listxattr(path: PathLike, options: { readonly encoding: 'buffer' } | 'buffer'): Buffer[];
  listxattr(path: PathLike, options?: Encoded | BufferEncoding): string[];
  removexattr(path: PathLike, name: AttributeName): void;
  /** `mode` with its type bits; `dev` as makedev() makes it. */
  mknod(path: PathLike, mode: number | string, dev?: number): void;
}

/** The same on a symbolic link itself. */
type LinkCalls = {
  [K in keyof OwnCalls as K extends 'mknod' ? never : `l${K}`]: OwnCalls[K];
};

type Own = OwnCalls & LinkCalls;
type Sync = { [K in keyof Own as `${K}Sync`]: Own[K] };
type Callback = {
  [K in keyof Own]: (
    ...args: [
      ...Parameters<Own[K]>,
      callback: (error: NodeJS.ErrnoException | null, result?: unknown) => void,
    ]
  ) => void;
};
type Promised = {
  [K in keyof Own]: (...args: Parameters<Own[K]>) => Promise<ReturnType<Own[K]>>;
};

export interface OwnMembers extends Sync, Callback {
  /** node:fs/promises. */
  readonly promises: NodeModule['promises'] & Promised;
  /** Paths and descriptors below this shape. */
  readonly ukfs: Ukfs;
  /** Where relative paths of this handle start. */
  chdir(path: PathLike): void;
  cwd(): string;
  /** Permission bits that new files of this handle do not get. @returns the mask before. */
  umask(mask?: number): number;
}

/** node:fs, as of Node 20, on the file system of an image. */
export type UkfsFs = Pick<
  NodeModule,
  Extract<keyof NodeModule, Name | `${Name}Sync` | Exclude<Other, 'promises'>>
> &
  OwnMembers;
