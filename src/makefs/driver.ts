/**
 * Phase 4 for types that have a driver: the empty file system is mounted in this process, on the
 * image, and the tree is copied in. The clock of that mount stands, at the time of the request: the
 * same tree makes the same image.
 */
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../lump/fs.js';
import { Lump } from '../lump/lump.js';
import { disk_check, type disk } from '../netbsd-compat/disk/disk.js';
import { NetbsdErrno } from '../netbsd-compat/errno.js';
import { p2k } from '../netbsd-compat/p2k.js';
import { rump } from '../netbsd-compat/rump.js';
import { makedev } from '../puffs/devt.js';
import { isAclName } from '../puffs/extattr.js';
import { bytesToName, nameToBytes } from '../puffs/name.js';
import { SimulatedHost } from '../rumpuser/simulated.js';
import { UkfsError } from '../ukfs/error.js';
import type { DiskFileSystem } from '../ukfs/mount_disk.js';
import { Ukfs } from '../ukfs/ukfs.js';
import type {
  ImageFile,
  MakeProgress,
  MakeReport,
  MakeRequest,
  MakeServices,
} from './filesystem_type.js';
import { dataBytes, type FsInode, type FsNode, MakefsError, showPath, walkTree } from './fsnode.js';
import { shortened } from './problems.js';

export interface DriverPlan {
  readonly kind: DiskFileSystem;
  readonly sizeBytes: number;
  /** Makes the empty file system. */
  format(disk: disk): void;
  /** A block of zeros is left out where the type has holes: its bytes; 0: it has none. */
  readonly holeBytes: number;
  /** It keeps owners, and times and permissions of the root. */
  readonly keepsOwners: boolean;
  readonly hasLinks: boolean;
  /** Directories to make first, with their permissions; none of the tree's. */
  readonly directories: readonly (readonly [path: string, mode: number])[];
  /** Of the tree's extended attributes it cannot have access lists: these are left out. */
  readonly lacksAcls?: true;
  /** Nodes to leave out; no directories. */
  readonly leftOut: ReadonlySet<FsNode>;
}

const CHUNK_BYTES = 1 << 17;

/** The image, `sizeBytes` long; what was not written is zeros. */
class ImageDisk implements disk {
  readonly name = 'the image';
  readonly readOnly = false;
  readonly sizeBytes: number;
  private readonly image: ImageFile;

  constructor(image: ImageFile, sizeBytes: number) {
    this.image = image;
    this.sizeBytes = sizeBytes;
    image.truncate(sizeBytes);
  }

  read(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, false);
    const count = this.image.read(buf, off, length, position);
    buf.fill(0, off + count, off + length);
  }

  write(buf: Uint8Array, off: number, length: number, position: number): void {
    disk_check(this, length, position, true);
    this.image.write(buf, off, length, position);
  }

  flush(): void {}
  close(): void {}
}

/** @throws MakefsError */
export function* makeWithDriver(
  tree: FsNode,
  image: ImageFile,
  request: MakeRequest,
  host: MakeServices,
  plan: DriverPlan,
): Generator<MakeProgress, MakeReport, undefined> {
  const disk = new ImageDisk(image, plan.sizeBytes);
  plan.format(disk);
  const wallClockMs = Math.max(0, Math.min(request.nowSec, request.timeMaxSec)) * 1000;
  const kernel = new rump(new Lump({ host: new SimulatedHost({ wallClockMs }) }));
  kernel.modules.load({ modules: [plan.kind.module] });
  const args = plan.kind.args(disk, { image: disk.name });
  const ukfs = new Ukfs(new p2k(kernel.mountlist.mount_domount(plan.kind.name, 0, args)));
  const copier = new Copier(ukfs, plan, request, dataBytes(tree));
  yield* copier.copy(tree);
  const { f_bfree, f_frsize, f_ffree, f_files } = ukfs.statvfs('/');
  ukfs.unmount();
  if (copier.aclsLeftOut > 0) {
    const count = copier.aclsLeftOut;
    host.note(`${count} access list${count === 1 ? '' : 's'} left out: ${plan.kind.name} has none`);
  }
  for (const line of kernel.lump.warnings > 0 ? kernel.lump.dmesg() : []) host.note(line);
  const statistics = [
    `${copier.files} files, ${copier.directories} directories, ${copier.others} others`,
    `${copier.dataBytes} bytes of data, ${copier.holeBytes} of them in holes`,
    `free: ${f_bfree} blocks of ${f_frsize} bytes`,
    ...(f_files > 0 ? [`free: ${f_ffree} of ${f_files} inodes`] : []),
  ];
  return { sizeBytes: plan.sizeBytes, statistics };
}

/** Copies a tree into a fresh file system. */
class Copier {
  files = 0;
  directories = 0;
  others = 0;
  dataBytes = 0;
  holeBytes = 0;
  aclsLeftOut = 0;
  private readonly ukfs: Ukfs;
  private readonly plan: DriverPlan;
  private readonly timeMaxSec: number;
  private readonly allBytes: number;
  /** Where the first name of an inode is. */
  private readonly firsts = new Map<FsInode, Uint8Array>();
  private readonly chunk = new Uint8Array(CHUNK_BYTES);

  constructor(ukfs: Ukfs, plan: DriverPlan, request: MakeRequest, allBytes: number) {
    this.ukfs = ukfs;
    this.plan = plan;
    this.timeMaxSec = request.timeMaxSec;
    this.allBytes = allBytes;
  }

  *copy(tree: FsNode): Generator<MakeProgress, void, undefined> {
    for (const [path, mode] of this.plan.directories) this.ukfs.mkdir(path, mode);
    const directories: FsNode[] = [];
    for (const node of walkTree(tree)) {
      if (this.plan.leftOut.has(node)) continue;
      if (node.isDirectory) directories.push(node);
      yield* this.make(node);
    }
    // A directory's times last: making what is in it changed them. Inner ones first.
    for (const node of directories.reverse()) {
      if (node.parent === null && !this.plan.keepsOwners) continue;
      this.told(node, () => this.setAttributes(pathOf(node), node.inode));
    }
  }

  private *make(node: FsNode): Generator<MakeProgress, void, undefined> {
    const { inode } = node;
    const path = pathOf(node);
    const first = this.firsts.get(inode);
    if (first !== undefined && this.plan.hasLinks) {
      this.told(node, () => this.ukfs.link(first, path));
      return;
    }
    this.firsts.set(inode, path);
    const type = inode.mode & S_IFMT;
    if (type === S_IFDIR) {
      this.directories++;
      if (node.parent !== null) this.told(node, () => this.ukfs.mkdir(path, 0o700));
      return;
    }
    if (type === S_IFREG) {
      this.files++;
      yield* this.writeFile(node, path);
    } else {
      this.others++;
      this.told(node, () => this.makeSpecial(inode, type, path));
    }
    this.told(node, () => this.setAttributes(path, inode));
  }

  private makeSpecial(inode: FsInode, type: number, path: Uint8Array): void {
    if (type === S_IFLNK) {
      this.ukfs.symlink(nameToBytes(inode.target), path);
      return;
    }
    const isDevice = type === S_IFCHR || type === S_IFBLK;
    const rdev = isDevice ? makedev(inode.rdevMajor, inode.rdevMinor) : 0;
    this.ukfs.mknod(path, inode.mode, rdev);
  }

  private *writeFile(node: FsNode, path: Uint8Array): Generator<MakeProgress, void, undefined> {
    const { ukfs, chunk, allBytes } = this;
    const fd = this.told(node, () => ukfs.open(path, 'wx', 0o600));
    const { contents } = node.inode;
    if (contents !== null && contents.sizeBytes > 0) {
      const source = contents.open();
      let position = 0;
      while (position < contents.sizeBytes) {
        const wanted = Math.min(chunk.length, contents.sizeBytes - position);
        const count = source.read(chunk, 0, wanted);
        if (count === 0) break;
        this.told(node, () => this.writeData(fd, count, position));
        position += count;
        this.dataBytes += count;
        yield { doneBytes: this.dataBytes, allBytes };
      }
      source.finish();
      if (ukfs.fstat(fd).size < position) this.told(node, () => ukfs.ftruncate(fd, position));
    }
    ukfs.close(fd);
  }

  /** Whole blocks of zeros stay holes. */
  private writeData(fd: number, count: number, position: number): void {
    const { ukfs, chunk, plan } = this;
    const step = plan.holeBytes === 0 ? count : plan.holeBytes;
    let from = 0;
    const flush = (to: number): void => {
      for (let done = from; done < to; ) {
        done += ukfs.write(fd, chunk, done, to - done, position + done);
      }
    };
    for (let at = 0; at < count; at += step) {
      const end = Math.min(count, at + step);
      if (plan.holeBytes === 0 || !isZero(chunk, at, end)) continue;
      flush(at);
      this.holeBytes += end - at;
      from = end;
    }
    flush(count);
  }

  private setAttributes(path: Uint8Array, inode: FsInode): void {
    const { ukfs } = this;
    const isSymlink = (inode.mode & S_IFMT) === S_IFLNK;
    if (this.plan.keepsOwners) ukfs.lchown(path, inode.uid, inode.gid);
    if (!isSymlink) ukfs.chmod(path, inode.mode & 0o7777);
    this.setXattrs(path, inode);
    const time = Math.min(inode.mtimeSec, this.timeMaxSec);
    ukfs.lutimes(path, time, time);
  }

  private setXattrs(path: Uint8Array, inode: FsInode): void {
    for (const [name, value] of inode.xattrs) {
      if (this.plan.lacksAcls && isAclName(name)) {
        this.aclsLeftOut++;
        continue;
      }
      try {
        this.ukfs.setxattr(path, nameToBytes(name), value, 0, false);
      } catch (error) {
        if (!(error instanceof UkfsError)) throw error;
        // All of a file's are in one block, or have no place at all.
        const what = error.code === 'ENOSPC' ? 'its attributes do not fit a block' : error.code;
        throw new MakefsError(
          `${showPath(bytesToName(path))}: attribute ${showPath(name)}: ${what}`,
        );
      }
    }
  }

  /** Names the file with what went wrong. */
  private told<T>(node: FsNode, call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (error instanceof UkfsError || error instanceof NetbsdErrno) {
        const what =
          error.code === 'ENOSPC'
            ? 'the image is full; make it larger, with -s or -b'
            : error.message;
        throw new MakefsError(`${shortened(node.path)}: ${what}`);
      }
      throw error;
    }
  }
}

const pathOf = (node: FsNode): Uint8Array =>
  nameToBytes(node.parent === null ? '/' : node.path.slice(1));

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}
