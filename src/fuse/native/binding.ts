/**
 * fuse-native's handlers over a {@link PathSession}: numbers and records into the forms that the
 * package wants. Where its own conversion loses something that its interface could carry, its
 * method is overridden, each with the reason.
 */
import type { puffs_statvfs, vattr } from '../../puffs/puffs.js';
import { vattr_mode } from '../../puffs/vattr.js';
import {
  FUSE_CREATE,
  FUSE_FSYNC,
  FUSE_FSYNCDIR,
  FUSE_GETATTR,
  FUSE_GETXATTR,
  FUSE_LINK,
  FUSE_LISTXATTR,
  FUSE_MKDIR,
  FUSE_MKNOD,
  FUSE_OPEN,
  FUSE_READ,
  FUSE_READDIR,
  FUSE_READLINK,
  FUSE_RELEASE,
  FUSE_REMOVEXATTR,
  FUSE_RENAME,
  FUSE_RMDIR,
  FUSE_SETATTR,
  FUSE_SETXATTR,
  FUSE_STATFS,
  FUSE_SYMLINK,
  FUSE_UNLINK,
  FUSE_WRITE,
} from '../protocol.js';
import { EINVAL } from '../reply.js';
import type { FuseClass, FuseInstance, Handlers, Signal, Stat } from './package.js';
import type { DirectoryRecord, PathSession } from './path_session.js';

const SECTOR_BYTES = 512;
const UINT32_MAX = 0xffffffff;

/**
 * Makes the object whose mount() mounts.
 * @param options libfuse's, as after -o; the package would let only some of them through.
 */
export function bindSession(
  Fuse: FuseClass,
  mountpoint: string,
  session: PathSession,
  options: string,
): FuseInstance {
  class Binding extends Fuse {
    override _fuseOptions(): string {
      return `-o${options}`;
    }

    /** Its own copies what fits and lets libfuse send as many bytes as the value has. */
    override _op_getxattr(
      signal: Signal,
      path: string,
      name: string,
      buffer: Buffer,
      position: number,
    ): void {
      const result = session.serve(FUSE_GETXATTR, () =>
        position === 0 ? session.getxattr(path, name, buffer) : -EINVAL,
      );
      signal(result, buffer.buffer);
    }

    /** The same, and its own adds 128 to the size that is asked for. */
    override _op_listxattr(signal: Signal, path: string, buffer: Buffer): void {
      const result = session.serve(FUSE_LISTXATTR, () => session.listxattr(path, buffer));
      signal(result, buffer.buffer);
    }
  }
  // Without timeouts, which would cost a timer per request: a handler answers before it returns.
  return new Binding(mountpoint, handlersOf(session), { timeout: false });
}

/**
 * Not among them, so that libfuse or the kernel answers: access, as the kernel checks permissions;
 * flush, as there is nothing to do at a close; opendir, as directories are read at once; fgetattr,
 * since the package passes no handle on.
 */
function handlersOf(s: PathSession): Handlers {
  const overridden = (): never => {
    throw new Error('overridden above');
  };
  return {
    getxattr: overridden,
    listxattr: overridden,

    getattr(path, done) {
      const result = s.serve(FUSE_GETATTR, () => s.getattr(path));
      if (result < 0) done(result);
      else done(0, toStat(s.found.va));
    },

    statfs(_path, done) {
      const out = {} as puffs_statvfs;
      const result = s.serve(FUSE_STATFS, () => s.statfs(out));
      if (result < 0) done(result);
      else {
        done(0, {
          bsize: out.f_bsize,
          frsize: out.f_frsize,
          blocks: Math.min(out.f_blocks, UINT32_MAX),
          bfree: Math.min(out.f_bfree, UINT32_MAX),
          bavail: Math.min(out.f_bavail, UINT32_MAX),
          files: Math.min(out.f_files, UINT32_MAX),
          ffree: Math.min(out.f_ffree, UINT32_MAX),
          favail: Math.min(out.f_favail, UINT32_MAX),
          namemax: out.f_namemax,
        });
      }
    },

    readdir(path, done) {
      const records: DirectoryRecord[] = [];
      const result = s.serve(FUSE_READDIR, () => s.readdir(path, records));
      if (result < 0) done(result);
      else
        done(
          0,
          records.map(({ name }) => name),
          records.map(recordStat),
        );
    },

    readlink(path, done) {
      const out = { target: '' };
      const result = s.serve(FUSE_READLINK, () => s.readlink(path, out));
      if (result < 0) done(result);
      else done(0, out.target);
    },

    truncate: (path, size, done) => done(s.serve(FUSE_SETATTR, () => s.truncate(path, size))),
    ftruncate: (_path, fh, size, done) => done(s.serve(FUSE_SETATTR, () => s.ftruncate(fh, size))),
    utimens: (path, atime, mtime, done) =>
      done(s.serve(FUSE_SETATTR, () => s.utimens(path, atime, mtime))),
    chown: (path, uid, gid, done) => done(s.serve(FUSE_SETATTR, () => s.chown(path, uid, gid))),
    chmod: (path, mode, done) => done(s.serve(FUSE_SETATTR, () => s.chmod(path, mode))),
    mknod: (path, mode, rdev, done) => done(s.serve(FUSE_MKNOD, () => s.mknod(path, mode, rdev))),
    mkdir: (path, mode, done) => done(s.serve(FUSE_MKDIR, () => s.mkdir(path, mode))),

    create(path, mode, done) {
      const result = s.serve(FUSE_CREATE, () => s.create(path, mode));
      if (result < 0) done(result);
      else done(0, result);
    },
    open(path, _flags, done) {
      const result = s.serve(FUSE_OPEN, () => s.open(path));
      if (result < 0) done(result);
      else done(0, result);
    },
    release: (_path, fh, done) => done(s.serve(FUSE_RELEASE, () => s.release(fh))),
    read: (_path, fh, buffer, length, offset, done) =>
      done(s.serve(FUSE_READ, () => s.read(fh, buffer.subarray(0, length), offset))),
    write: (_path, fh, buffer, length, offset, done) =>
      done(s.serve(FUSE_WRITE, () => s.write(fh, buffer.subarray(0, length), offset))),
    fsync: (_path, dataOnly, fh, done) =>
      done(s.serve(FUSE_FSYNC, () => s.fsync(fh, dataOnly !== 0))),
    fsyncdir: (path, dataOnly, _fh, done) =>
      done(s.serve(FUSE_FSYNCDIR, () => s.fsyncdir(path, dataOnly !== 0))),

    unlink: (path, done) => done(s.serve(FUSE_UNLINK, () => s.unlink(path))),
    rmdir: (path, done) => done(s.serve(FUSE_RMDIR, () => s.rmdir(path))),
    rename: (from, to, done) => done(s.serve(FUSE_RENAME, () => s.rename(from, to))),
    link: (from, to, done) => done(s.serve(FUSE_LINK, () => s.link(from, to))),
    symlink: (target, path, done) => done(s.serve(FUSE_SYMLINK, () => s.symlink(target, path))),

    setxattr: (path, name, value, position, flags, done) =>
      done(
        s.serve(FUSE_SETXATTR, () =>
          position === 0 ? s.setxattr(path, name, value, flags) : -EINVAL,
        ),
      ),
    removexattr: (path, name, done) =>
      done(s.serve(FUSE_REMOVEXATTR, () => s.removexattr(path, name))),
  };
}

/** Of a directory record only these two are looked at; the others must not cost anything. */
const recordStat = ({ format, fileid }: DirectoryRecord): Stat => ({
  mode: format,
  ino: fileid,
  atime: 0,
  mtime: 0,
  ctime: 0,
});

/** st_dev is the kernel's. */
const toStat = (va: Readonly<vattr>): Stat => ({
  mode: vattr_mode(va),
  ino: va.va_fileid,
  nlink: va.va_nlink,
  uid: va.va_uid,
  gid: va.va_gid,
  size: va.va_size,
  rdev: Math.max(va.va_rdev, 0),
  blksize: va.va_blocksize,
  blocks: Math.ceil(va.va_bytes / SECTOR_BYTES),
  atime: milliseconds(va.va_atime_sec, va.va_atime_nsec),
  mtime: milliseconds(va.va_mtime_sec, va.va_mtime_nsec),
  ctime: milliseconds(va.va_ctime_sec, va.va_ctime_nsec),
});

/** Times are unsigned on their way; one before 1970 shows as 1970. */
const milliseconds = (sec: number, nsec: number): number =>
  Math.max(0, sec * 1000 + Math.floor(nsec / 1e6));
