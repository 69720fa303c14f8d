/**
 * Traces done again: what programs did to a mount is done to the device of a run, by the same
 * functions of the VFS, so that the same nodes are written. What files hold is the experiment's
 * affair, and so are symbolic links' targets and attributes' values: their lengths are the trace's.
 */
import { d_obtain_alias, d_path, type Dentry, dget, dput } from '../dcache/dcache.js';
import {
  vfs_create,
  vfs_link,
  vfs_mkdir,
  vfs_mknod,
  vfs_rename,
  vfs_rmdir,
  vfs_symlink,
  vfs_tmpfile,
  vfs_unlink,
} from '../dcache/namei.js';
import { new_iattr, notify_change } from '../lump/attr.js';
import { Errno, type ErrnoCode } from '../lump/errno.js';
import { fput, vfs_fsync, vfs_open } from '../lump/file.js';
import {
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  MKDEV,
  O_RDONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFSOCK,
  S_ISDIR,
  S_ISREG,
  type file,
} from '../lump/fs.js';
import { ihold } from '../lump/inode.js';
import { vfs_removexattr, vfs_setxattr } from '../lump/xattr.js';
import { traceByteName, type RecordedOperation, type TraceXattr } from '../puffs/trace.js';
import { Prng } from '../rumpuser/prng.js';
import type { Device } from './device.js';
import type { Workload } from './workload.js';

/**
 * One operation of a trace, checked; see src/puffs/trace.ts. The root directory is
 * {@link TRACE_ROOT}, and no names change places.
 */
export type TraceOperation =
  | RecordedOperation
  /** Time in which nothing was asked for. */
  | { readonly op: 'pause'; readonly ms: number };

/** File number of the root directory, in every trace. */
export const TRACE_ROOT = 0;

type Made = Extract<TraceOperation, { op: 'found' | 'create' }>;

const SPECIAL_KINDS = {
  fifo: S_IFIFO,
  socket: S_IFSOCK,
  block: S_IFBLK,
  character: S_IFCHR,
} as const;

/** A file of the trace, and what is held of it. */
interface Node {
  readonly dentry: Dentry;
  /** Of a regular file. */
  readonly file: file | null;
}

/** A node between two runs: why it could not be made, or where it is. */
type SavedNode =
  | { readonly number: number; readonly code: ErrnoCode; readonly message: string }
  | {
      readonly number: number;
      readonly where: number | readonly string[];
      readonly uncached: readonly number[];
    };

interface SavedReplay {
  readonly at: number;
  readonly nodes: readonly SavedNode[];
}

/** A trace as a workload. */
export class Replay implements Workload {
  readonly #device: Device;
  readonly #operations: readonly TraceOperation[];
  /** By file number; why, if it could not be made. */
  readonly #nodes = new Map<number, Node | Errno>();
  #at = 0;

  constructor(device: Device, operations: readonly TraceOperation[]) {
    this.#device = device;
    this.#operations = operations;
  }

  /** Makes what was there before. None of it is in the page cache afterwards. */
  setup(): void {
    this.#hold(TRACE_ROOT, dget(this.#device.root));
    for (; this.#at < this.#operations.length; this.#at++) {
      const one = this.#operations[this.#at]!;
      if (one.op === 'found') this.#find(one);
      else if (one.op === 'xattr' && one.found === true) this.#xattr(one);
      else break;
    }
    for (const node of this.#nodes.values()) {
      if (!(node instanceof Errno) && node.file !== null) this.#device.forgetPages(node.file);
    }
  }

  step(): boolean {
    const one = this.#operations[this.#at++];
    if (one === undefined) return false;
    this.#apply(one);
    return true;
  }

  /** A file without a name ends with the mount, so that there is no leaving before it is gone. */
  save(): SavedReplay | null {
    const nodes: SavedNode[] = [];
    for (const [number, node] of this.#nodes) {
      if (node instanceof Errno) {
        nodes.push({ number, code: node.code, message: node.message });
        continue;
      }
      const { dentry, file } = node;
      const inode = dentry.d_inode!;
      if (inode.i_nlink === 0) return null;
      const where = S_ISDIR(inode.i_mode) ? d_path(dentry).split('/').slice(1) : inode.i_ino;
      const uncached = file === null ? [] : this.#device.uncachedPages(file);
      nodes.push({ number, where: dentry === this.#device.root ? [] : where, uncached });
    }
    return { at: this.#at, nodes };
  }

  resume(saved: unknown): void {
    const { at, nodes } = saved as SavedReplay;
    this.#at = at;
    for (const one of nodes) {
      if ('code' in one) {
        this.#nodes.set(one.number, new Errno(one.code, one.message));
        continue;
      }
      const { file } = this.#hold(one.number, this.#device.find(one.where));
      if (file === null) continue;
      this.#device.fillCache(file);
      this.#device.forgetPages(file, one.uncached);
    }
  }

  #apply(one: TraceOperation): void {
    const device = this.#device;
    switch (one.op) {
      case 'create':
        this.#create(one);
        break;
      case 'tmpfile':
        this.#keep(one.node, () => vfs_tmpfile(device.root, one.mode));
        break;
      case 'link':
        this.#link(one.node, one.dir, one.name);
        break;
      case 'remove': {
        const { dentry } = this.#node(one.node);
        const remove = S_ISDIR(dentry.d_inode!.i_mode) ? vfs_rmdir : vfs_unlink;
        remove(this.#node(one.dir).dentry, traceByteName(one.name));
        break;
      }
      case 'rename':
        vfs_rename(
          this.#node(one.dir).dentry,
          traceByteName(one.name),
          this.#node(one.toDir).dentry,
          traceByteName(one.toName),
        );
        break;
      case 'gone':
        this.#drop(one.node);
        break;
      case 'write': {
        const file = this.#file(one.node);
        device.write(file, one.offset, one.bytes);
        if (one.sync === true) device.fsync(file);
        break;
      }
      case 'read':
        device.read(this.#file(one.node), one.offset, one.bytes);
        break;
      case 'truncate':
        this.#change(one.node, ATTR_SIZE, one.bytes, one.mode);
        break;
      case 'attributes':
        this.#change(one.node, ATTR_MTIME, 0, one.mode);
        break;
      case 'xattr':
        this.#xattr(one);
        break;
      case 'fsync':
        this.#fsync(one.node);
        break;
      case 'sync':
        device.sync();
        break;
      case 'pause':
        device.pause(one.ms);
        break;
    }
  }

  /** @throws Errno it could not be made, for this reason. */
  #node(number: number): Node {
    const node = this.#nodes.get(number);
    if (node === undefined) throw new Errno('ENOENT', `file ${number} of the trace is gone`);
    if (node instanceof Errno) throw node;
    return node;
  }

  #file(number: number): file {
    const { file } = this.#node(number);
    if (file === null) throw new Errno('EINVAL', `file ${number} of the trace has no content`);
    return file;
  }

  /** Holds what `make` makes; eats the reference. */
  #keep(number: number, make: () => Dentry): void {
    let dentry: Dentry;
    try {
      dentry = make();
    } catch (error) {
      if (error instanceof Errno) this.#nodes.set(number, error);
      throw error;
    }
    this.#hold(number, dentry);
  }

  /** Eats the reference. */
  #hold(number: number, dentry: Dentry): Node {
    this.#device.hold(dentry);
    const file = S_ISREG(dentry.d_inode!.i_mode) ? this.#device.open(dentry) : null;
    const node = { dentry, file };
    this.#nodes.set(number, node);
    return node;
  }

  #create(one: Made): void {
    this.#keep(one.node, () => this.#make(one));
  }

  #make({ dir, name: text, type, bytes, mode, device = [0, 0] }: Made): Dentry {
    const parent = this.#node(dir).dentry;
    const name = traceByteName(text);
    if (type === 'file') return vfs_create(parent, name, mode);
    if (type === 'directory') return vfs_mkdir(parent, name, mode);
    if (type === 'symlink') return vfs_symlink(parent, name, 'x'.repeat(bytes));
    return vfs_mknod(parent, name, SPECIAL_KINDS[type] | mode, MKDEV(...device));
  }

  #find(one: Made): void {
    if (this.#nodes.has(one.node)) {
      this.#link(one.node, one.dir, one.name);
      return;
    }
    this.#create(one);
    if (one.type === 'file') this.#device.write(this.#file(one.node), 0, one.bytes);
    this.#device.runDue();
  }

  #link(number: number, dir: number, name: string): void {
    const { d_inode } = this.#node(number).dentry;
    const parent = this.#node(dir).dentry;
    // The name that is held may be another's by now.
    ihold(d_inode!);
    const old = d_obtain_alias(d_inode!);
    try {
      dput(vfs_link(old, parent, traceByteName(name)));
    } finally {
      dput(old);
    }
  }

  #drop(number: number): void {
    const node = this.#nodes.get(number);
    this.#nodes.delete(number);
    if (node === undefined || node instanceof Errno) return;
    if (node.file !== null) this.#device.close(node.file);
    this.#device.release(node.dentry);
  }

  #change(number: number, what: number, size: number, mode: number | undefined): void {
    const { dentry } = this.#node(number);
    const attr = new_iattr(mode === undefined ? what : what | ATTR_MODE);
    attr.ia_size = size;
    attr.ia_mode = mode ?? 0;
    notify_change(dentry, dentry.d_inode!, attr);
  }

  #xattr({ node, name: text, bytes, value, acl }: TraceXattr): void {
    const inode = this.#node(node).dentry.d_inode!;
    const name = traceByteName(text);
    if (bytes === null) {
      vfs_removexattr(inode, name);
      return;
    }
    const content = new Uint8Array(bytes);
    if (acl === undefined) new Prng(value ?? 0).fill(content);
    else content.set((acl.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)));
    vfs_setxattr(inode, name, content, 0);
  }

  #fsync(number: number): void {
    const { dentry, file } = this.#node(number);
    if (file !== null) {
      this.#device.fsync(file);
      return;
    }
    const opened = vfs_open(dentry.d_inode!, O_RDONLY);
    try {
      vfs_fsync(opened, false);
    } finally {
      fput(opened);
    }
  }
}
