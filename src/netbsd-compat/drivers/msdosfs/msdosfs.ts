/**
 * msdosfs: FAT12, FAT16 and FAT32 with long names. What FAT does not have is made up: owner, group
 * and permission bits are the mount's; only the owner's write permission is kept (as "read-only").
 */
import { NetbsdErrno } from '../../errno.js';
import type { genfs_limits, genfs_new } from '../../genfs_node.js';
import { genfs_vfsops, type genfs_fs } from '../../genfs_vfsops.js';
import { genfs_vnops } from '../../genfs_vnops.js';
import type { kauth_cred } from '../../kauth.js';
import { vfs_module } from '../../module.js';
import type { vnode } from '../../vnode.js';
import type { componentname } from '../../vnode_if.js';
import type { disk } from '../../disk/disk.js';
import type { Lump } from '../../../lump/lump.js';
import {
  VDIR,
  VNOVAL,
  VREG,
  type ByteName,
  type puffs_nextdent,
  type puffs_statvfs,
  type vattr,
} from '../../../puffs/puffs.js';
import { vtype_to_dt } from '../../../puffs/vattr.js';
import {
  FAT_TIME_MAX,
  FAT_TIME_MIN,
  fat_to_time,
  name_key,
  name_to_text,
  text_to_name,
  time_to_fat,
} from './msdosfs_conv.js';
import { msdosfs_fat } from './msdosfs_fat.js';
import { msdosfs_directory } from './msdosfs_lookup.js';
import {
  cluster_of_number,
  directory_number,
  file_number,
  msdos_node,
  MSDOSFS_ROOT,
  type direntry,
} from './msdosfs_node.js';
import {
  ATTR_ARCHIVE,
  ATTR_DIRECTORY,
  ATTR_READONLY,
  dep,
  DIRENTRY_BYTES,
  WIN_MAXLEN,
} from './medium.js';

export interface msdosfs_args {
  readonly disk: disk;
  /** -u, -g: owner of everything. */
  readonly uid: number;
  readonly gid: number;
  /** -m, -M: most permission bits of files and of directories. */
  readonly mask: number;
  readonly dirmask: number;
  /** -t: seconds that local time is ahead of UTC. */
  readonly gmtoff: number;
}

/** Numbers of files that have no place yet, or whose place is another's number. */
const FRESH_NUMBERS = 2 ** 45 + 1;

class msdosfs_vnops extends genfs_vnops<msdos_node> {
  override link(dvp: vnode, _vp: vnode, cnp: componentname): void {
    this.may_create(dvp, cnp);
    throw new NetbsdErrno('EOPNOTSUPP', 'FAT has no links');
  }
  override symlink(dvp: vnode, cnp: componentname): vnode {
    this.may_create(dvp, cnp);
    throw new NetbsdErrno('EOPNOTSUPP', 'FAT has no symbolic links');
  }
  override mknod(dvp: vnode, cnp: componentname, va: vattr): vnode {
    if (va.va_type === VREG) return super.mknod(dvp, cnp, va);
    this.may_create(dvp, cnp);
    throw new NetbsdErrno('EOPNOTSUPP', 'FAT has no special files');
  }

  /** Owners are the mount's, and of permissions there is only "read-only". */
  override setattr(vp: vnode, va: vattr, cred: kauth_cred): void {
    const { i_uid, i_gid, i_mode, i_type } = this.node(vp);
    const changesOwner =
      (va.va_uid !== VNOVAL && va.va_uid !== i_uid) ||
      (va.va_gid !== VNOVAL && va.va_gid !== i_gid);
    if (changesOwner) {
      this.check_writable(vp.v_mount);
      throw new NetbsdErrno('EPERM', 'FAT has no owners');
    }
    const kept = { ...va, va_uid: VNOVAL, va_gid: VNOVAL };
    if (va.va_mode !== VNOVAL && i_type === VDIR) kept.va_mode = i_mode;
    super.setattr(vp, kept, cred);
  }

  /** Another spelling of the same name is a rename of its own. */
  override rename(
    fdvp: vnode,
    fvp: vnode,
    fcnp: componentname,
    tdvp: vnode,
    tvp: vnode | null,
    tcnp: componentname,
  ): void {
    const isRespelled = tvp === fvp && fdvp === tdvp && fcnp.cn_name !== tcnp.cn_name;
    if (!isRespelled) {
      super.rename(fdvp, fvp, fcnp, tdvp, tvp, tcnp);
      return;
    }
    this.may_delete(fdvp, fvp, fcnp);
    (this.medium as msdosfs).respell(this.node(fdvp), fcnp.cn_name, tcnp.cn_name, this.node(fvp));
    this.touch(fdvp);
  }
}

class msdosfs implements genfs_fs<msdos_node> {
  readonly fat: msdosfs_fat;
  readonly limits: genfs_limits;
  readonly root = MSDOSFS_ROOT;
  readonly vnops = new msdosfs_vnops(this);
  private readonly dirs: msdosfs_directory;
  private readonly args: msdosfs_args;
  /** Nodes in use, by number, and files among them by the place of their entry. */
  private readonly nodes = new Map<number, msdos_node>();
  private readonly by_position = new Map<number, msdos_node>();
  private last_fresh = FRESH_NUMBERS;
  private was_dirty: boolean | null = null;

  constructor(lump: Lump, args: msdosfs_args) {
    this.args = args;
    this.fat = new msdosfs_fat(lump, args.disk);
    this.dirs = new msdosfs_directory(this.fat);
    this.limits = {
      nameBytes: WIN_MAXLEN,
      links: 0xffff,
      symlinkBytes: 0,
      fileBytes: 2 ** 32 - 1,
      timeSecMin: FAT_TIME_MIN - args.gmtoff,
      timeSecMax: FAT_TIME_MAX - args.gmtoff,
      timeGranularityNsec: 2e9,
      blockBytes: this.fat.cluster_bytes,
    };
  }

  // ---- mounting ---------------------------------------------------------------------------------

  get volume(): msdosfs_fat {
    return this.fat;
  }

  /** A volume that was not unmounted cleanly is no refusal, but stays marked. */
  open_writing(): void {
    this.was_dirty = this.fat.is_dirty;
    if (this.was_dirty) {
      const { lump, disk } = this.fat;
      lump.pr_warn(`msdosfs: ${disk.name} was not unmounted cleanly; run fsck.fat`);
    }
    this.fat.set_dirty(true);
    this.fat.sync();
  }

  close_writing(): void {
    if (this.was_dirty === null) return;
    this.fat.sync();
    this.fat.set_dirty(this.was_dirty || this.fat.damaged > 0);
    this.fat.sync();
    this.was_dirty = null;
  }

  // ---- nodes ------------------------------------------------------------------------------------

  /** @throws ESTALE */
  load(number: number): msdos_node {
    const present = this.nodes.get(number);
    if (present !== undefined) return present;
    if (number === MSDOSFS_ROOT) return this.remember(this.load_root());
    const cluster = cluster_of_number(number);
    if (!Number.isInteger(cluster) || !this.fat.is_cluster(cluster)) {
      throw new NetbsdErrno('ESTALE', `node ${number}`);
    }
    return this.load_by_cluster(cluster);
  }

  private load_root(): msdos_node {
    const { root_cluster, root_entries } = this.fat.geometry;
    const root = new msdos_node(MSDOSFS_ROOT, VDIR);
    root.de_start = root_cluster;
    root.de_attributes = ATTR_DIRECTORY;
    root.i_size = root_entries * DIRENTRY_BYTES;
    root.i_atime = root.i_mtime = root.i_ctime = { sec: FAT_TIME_MIN, nsec: 0 };
    if (root_cluster !== 0) {
      root.de_chain = this.fat.chain(root_cluster, this.fat.geometry.clusters);
      root.i_size = root.de_chain.length * this.fat.cluster_bytes;
    }
    this.made_up(root);
    this.count_subdirectories(root);
    return root;
  }

  /** A directory that something below it leads to: its entry is looked for in its parent. */
  private load_by_cluster(cluster: number): msdos_node {
    const probe = new msdos_node(directory_number(cluster), VDIR);
    probe.de_start = cluster;
    const parent = this.load(this.parent_number(probe));
    for (const entry of this.dirs.entries(parent)) {
      const { bp, off } = this.dirs.short_place(parent, entry);
      const isDirectory = (dep.Attributes.get(bp.b_data, off) & ATTR_DIRECTORY) !== 0;
      if (isDirectory && this.start_of(bp.b_data, off) === cluster)
        return this.node_of(parent, entry);
    }
    throw this.fat.eio(`the directory at cluster ${cluster} has no entry`);
  }

  private remember(node: msdos_node): msdos_node {
    this.nodes.set(node.i_number, node);
    return node;
  }

  private start_of(b: Uint8Array, off: number): number {
    const high = this.fat.geometry.bits === 32 ? dep.HighClust.get(b, off) : 0;
    return dep.StartCluster.get(b, off) + high * 0x10000;
  }

  /** The node of an entry. */
  private node_of(dir: msdos_node, entry: direntry): msdos_node {
    const { bp, off, position } = this.dirs.short_place(dir, entry);
    const b = bp.b_data;
    const attributes = dep.Attributes.get(b, off);
    const isDirectory = (attributes & ATTR_DIRECTORY) !== 0;
    const start = this.start_of(b, off);
    if (isDirectory) {
      if (!this.fat.is_cluster(start)) throw this.fat.eio(`"${entry.text}" begins at ${start}`);
      const number = this.number_of_cluster(start);
      const present = this.nodes.get(number);
      if (present !== undefined) return present;
      const node = new msdos_node(number, VDIR);
      this.fill(node, b, off, position, start, attributes);
      node.de_chain = this.fat.chain(start, this.fat.geometry.clusters);
      node.i_size = node.i_bytes = node.de_chain.length * this.fat.cluster_bytes;
      this.count_subdirectories(node);
      return this.remember(node);
    }
    const present = this.by_position.get(position);
    if (present !== undefined) return present;
    const node = new msdos_node(this.free_number(position), VREG);
    this.fill(node, b, off, position, start, attributes);
    node.i_size = dep.FileSize.get(b, off);
    node.i_nlink = 1;
    this.count_bytes(node);
    this.by_position.set(position, node);
    return this.remember(node);
  }

  private number_of_cluster(cluster: number): number {
    const isRoot = cluster === 0 || cluster === this.fat.geometry.root_cluster;
    return isRoot ? MSDOSFS_ROOT : directory_number(cluster);
  }

  private free_number(position: number): number {
    const number = file_number(position / DIRENTRY_BYTES);
    return this.nodes.has(number) ? this.fresh_number() : number;
  }

  private fresh_number(): number {
    this.last_fresh += 2;
    return this.last_fresh;
  }

  private fill(
    node: msdos_node,
    b: Uint8Array,
    off: number,
    position: number,
    start: number,
    attributes: number,
  ): void {
    const { gmtoff } = this.args;
    node.de_position = position;
    node.de_start = start;
    node.de_attributes = attributes;
    node.i_mtime = fat_to_time(dep.MDate.get(b, off), dep.MTime.get(b, off), gmtoff);
    node.i_ctime = node.i_mtime;
    const adate = dep.ADate.get(b, off);
    node.i_atime = adate === 0 ? node.i_mtime : fat_to_time(adate, 0, gmtoff);
    const cdate = dep.CDate.get(b, off);
    if (cdate !== 0) node.i_birthtime = fat_to_time(cdate, dep.CTime.get(b, off), gmtoff);
    this.made_up(node);
  }

  private made_up(node: msdos_node): void {
    const { uid, gid, mask, dirmask } = this.args;
    node.i_uid = uid;
    node.i_gid = gid;
    if (node.i_type === VDIR) {
      node.i_mode = dirmask & 0o777;
      node.i_nlink = Math.max(node.i_nlink, 2);
    } else {
      const isReadOnly = (node.de_attributes & ATTR_READONLY) !== 0;
      node.i_mode = mask & (isReadOnly ? 0o555 : 0o777);
    }
  }

  private count_subdirectories(dir: msdos_node): void {
    for (const entry of this.dirs.entries(dir)) {
      const { bp, off } = this.dirs.short_place(dir, entry);
      if ((dep.Attributes.get(bp.b_data, off) & ATTR_DIRECTORY) !== 0) dir.i_nlink++;
    }
  }

  private count_bytes(node: msdos_node): void {
    const { cluster_bytes } = this.fat;
    node.i_bytes = Math.ceil(node.i_size / cluster_bytes) * cluster_bytes;
  }

  make(dir: msdos_node, begin: genfs_new): number {
    if (begin.type === VREG) {
      const node = new msdos_node(this.fresh_number(), VREG);
      node.de_attributes = ATTR_ARCHIVE | ((begin.mode & 0o200) === 0 ? ATTR_READONLY : 0);
      node.i_nlink = 1;
      this.begin(node, begin);
      return this.remember(node).i_number;
    }
    const chain: number[] = [];
    this.fat.extend(chain, 1);
    const [cluster] = chain as [number];
    this.dirs.zero(cluster);
    const node = new msdos_node(directory_number(cluster), VDIR);
    node.de_start = cluster;
    node.de_chain = chain;
    node.de_attributes = ATTR_DIRECTORY;
    node.i_size = node.i_bytes = this.fat.cluster_bytes;
    this.begin(node, begin);
    this.put_dots(node, '.', cluster, 0);
    this.put_dots(node, '..', this.cluster_for_dotdot(dir), 1);
    return this.remember(node).i_number;
  }

  private begin(node: msdos_node, { now }: genfs_new): void {
    node.i_atime = node.i_mtime = node.i_ctime = node.i_birthtime = now;
    this.made_up(node);
  }

  private cluster_for_dotdot(dir: msdos_node): number {
    return dir.i_number === MSDOSFS_ROOT ? 0 : dir.de_start;
  }

  private put_dots(node: msdos_node, name: string, cluster: number, slot: number): void {
    const { bp, off } = this.dirs.place(node, slot);
    bp.b_data.fill(0x20, off, off + 11);
    for (let i = 0; i < name.length; i++) bp.b_data[off + i] = 0x2e;
    this.put_entry(node, bp.b_data, off, cluster, 0);
    dep.Attributes.put(bp.b_data, off, ATTR_DIRECTORY);
    this.fat.cache.bdwrite(bp);
  }

  private put_entry(
    node: msdos_node,
    b: Uint8Array,
    off: number,
    start: number,
    size: number,
  ): void {
    const { gmtoff } = this.args;
    dep.Attributes.put(b, off, node.de_attributes);
    dep.StartCluster.put(b, off, start);
    if (this.fat.geometry.bits === 32) dep.HighClust.put(b, off, start >>> 16);
    dep.FileSize.put(b, off, size);
    const [mdate, mtime] = time_to_fat(node.i_mtime, gmtoff);
    dep.MDate.put(b, off, mdate);
    dep.MTime.put(b, off, mtime);
    dep.ADate.put(b, off, time_to_fat(node.i_atime, gmtoff)[0]);
    if (node.i_birthtime !== null) {
      const [cdate, ctime] = time_to_fat(node.i_birthtime, gmtoff);
      dep.CDate.put(b, off, cdate);
      dep.CTime.put(b, off, ctime);
    }
  }

  update(node: msdos_node): void {
    if (node.i_type === VREG) {
      const isReadOnly = (node.i_mode & 0o200) === 0 && (this.args.mask & 0o200) !== 0;
      node.de_attributes = (node.de_attributes & ~ATTR_READONLY) | (isReadOnly ? ATTR_READONLY : 0);
      this.made_up(node);
    }
    if (node.de_position < 0) return;
    const { sector_bytes } = this.fat.geometry;
    const bp = this.fat.cache.bread(Math.floor(node.de_position / sector_bytes));
    const size = node.i_type === VDIR ? 0 : node.i_size;
    this.put_entry(node, bp.b_data, node.de_position % sector_bytes, node.de_start, size);
    this.fat.cache.bdwrite(bp);
    this.fat.cache.balance();
  }

  free(node: msdos_node): void {
    const chain = this.chain(node);
    if (chain.length > 0) this.fat.shorten(chain, 0);
    node.de_chain = [];
    node.de_start = 0;
    this.fat.cache.balance();
  }

  forget(node: msdos_node): void {
    this.nodes.delete(node.i_number);
    if (this.by_position.get(node.de_position) === node) this.by_position.delete(node.de_position);
  }

  // ---- contents ---------------------------------------------------------------------------------

  private chain(node: msdos_node): number[] {
    node.de_chain ??= this.fat.chain(node.de_start, this.fat.geometry.clusters);
    return node.de_chain;
  }

  truncate(node: msdos_node, size: number): void {
    if (size > node.i_size) {
      this.grow(node, size);
      return;
    }
    const chain = this.chain(node);
    const keep = Math.ceil(size / this.fat.cluster_bytes);
    if (chain.length > keep) this.fat.shorten(chain, keep);
    if (keep === 0) node.de_start = 0;
    node.i_size = size;
    this.count_bytes(node);
  }

  /** FAT has no holes: what is skipped becomes zeros. @throws ENOSPC before anything is done. */
  private grow(node: msdos_node, size: number): void {
    this.reserve(node, size);
    const { cache } = this.fat;
    this.each_run(node, node.i_size, size - node.i_size, (place, count) =>
      cache.zero_bytes(count, place),
    );
    node.i_size = size;
    this.count_bytes(node);
  }

  /** Clusters for `size` bytes. */
  private reserve(node: msdos_node, size: number): void {
    const chain = this.chain(node);
    const more = Math.ceil(size / this.fat.cluster_bytes) - chain.length;
    if (more > 0) this.fat.extend(chain, more);
    node.de_start = chain[0] ?? 0;
  }

  /** Visits a range in pieces that lie side by side: clusters that follow one another. */
  private each_run(
    node: msdos_node,
    position: number,
    length: number,
    visit: (place: number, count: number, done: number) => void,
  ): void {
    const { geometry, cluster_bytes } = this.fat;
    const chain = this.chain(node);
    for (let done = 0; done < length; ) {
      const first = Math.floor((position + done) / cluster_bytes);
      const skipped = (position + done) % cluster_bytes;
      const cluster = chain[first];
      if (cluster === undefined) {
        throw this.fat.eio(
          `file ${node.i_number} has ${chain.length} clusters, fewer than its size`,
        );
      }
      const wanted = skipped + length - done;
      let run = 1;
      while (run * cluster_bytes < wanted && chain[first + run] === cluster + run) run++;
      const count = Math.min(wanted, run * cluster_bytes) - skipped;
      visit(this.fat.sector_of(cluster) * geometry.sector_bytes + skipped, count, done);
      done += count;
    }
  }

  read(node: msdos_node, buf: Uint8Array, off: number, length: number, position: number): void {
    this.each_run(node, position, length, (place, count, done) =>
      this.fat.cache.read_bytes(buf, off + done, count, place),
    );
  }

  write(node: msdos_node, buf: Uint8Array, off: number, length: number, position: number): number {
    const { cluster_bytes } = this.fat;
    let count = length;
    try {
      if (position > node.i_size) this.grow(node, position);
      // As much as there is room for.
      const have = this.chain(node).length * cluster_bytes;
      const room = have + this.fat.free_clusters() * cluster_bytes - position;
      count = Math.min(length, Math.max(0, room));
      if (count === 0) return 0;
      this.reserve(node, position + count);
    } catch (error) {
      if (error instanceof NetbsdErrno && error.code === 'ENOSPC') return 0;
      throw error;
    }
    this.each_run(node, position, count, (place, n, done) =>
      this.fat.cache.write_bytes(buf, off + done, n, place),
    );
    node.i_size = Math.max(node.i_size, position + count);
    node.de_attributes |= ATTR_ARCHIVE;
    this.count_bytes(node);
    return count;
  }

  seek(_node: msdos_node, offset: number, hole: boolean): number {
    return hole ? -1 : offset;
  }

  readlink(): ByteName {
    throw new NetbsdErrno('EINVAL');
  }

  symlink(): void {
    throw new NetbsdErrno('EOPNOTSUPP');
  }

  // ---- directories ------------------------------------------------------------------------------

  lookup(dir: msdos_node, name: ByteName): number {
    if (name === '..') return this.parent_number(dir);
    let text: string;
    try {
      text = name_to_text(name);
    } catch (error) {
      // What cannot be a name is not there; how to make one is asked in enter().
      if (error instanceof NetbsdErrno && error.code === 'EINVAL') return 0;
      throw error;
    }
    const entry = this.dirs.find(dir, text);
    return entry === undefined ? 0 : this.node_of(dir, entry).i_number;
  }

  private parent_number(dir: msdos_node): number {
    if (dir.i_number === MSDOSFS_ROOT) return MSDOSFS_ROOT;
    const { bp, off } = this.dirs.place(dir, 1);
    const cluster = this.start_of(bp.b_data, off);
    if (
      dep.Name0.get(bp.b_data, off) !== 0x2e ||
      (cluster !== 0 && !this.fat.is_cluster(cluster))
    ) {
      throw this.fat.eio(`directory ${dir.i_number} has no ".."`);
    }
    return this.number_of_cluster(cluster);
  }

  enter(dir: msdos_node, name: ByteName, number: number): void {
    const entry = this.dirs.enter(dir, name_to_text(name));
    this.settle(this.nodes.get(number)!, dir, entry);
  }

  /** The node's entry is this one from now on. */
  private settle(node: msdos_node, dir: msdos_node, entry: direntry): void {
    if (this.by_position.get(node.de_position) === node) this.by_position.delete(node.de_position);
    const { position } = this.dirs.short_place(dir, entry);
    const victim = this.by_position.get(position);
    if (victim !== undefined) victim.de_position = -1;
    node.de_position = position;
    if (node.i_type !== VDIR) this.by_position.set(position, node);
    this.update(node);
  }

  remove(dir: msdos_node, name: ByteName): void {
    const entry = this.dirs.find(dir, name_to_text(name))!;
    const { bp, off, position } = this.dirs.short_place(dir, entry);
    const node =
      this.by_position.get(position) ??
      this.nodes.get(this.number_of_cluster(this.start_of(bp.b_data, off)));
    this.dirs.remove(dir, entry);
    this.by_position.delete(position);
    if (node !== undefined && node.de_position === position) node.de_position = -1;
    this.fat.cache.balance();
  }

  rewrite(dir: msdos_node, name: ByteName, number: number): void {
    const node = this.nodes.get(number)!;
    if (name === '..') {
      this.put_dots(dir, '..', this.cluster_for_dotdot(node), 1);
      return;
    }
    const entry = this.dirs.find(dir, name_to_text(name))!;
    const { bp, off, position } = this.dirs.short_place(dir, entry);
    const replaced = this.nodes.get(this.number_of_cluster(this.start_of(bp.b_data, off)));
    if (replaced?.de_position === position) replaced.de_position = -1;
    this.settle(node, dir, entry);
  }

  respell(dir: msdos_node, from: ByteName, to: ByteName, node: msdos_node): void {
    const text = name_to_text(to);
    const entry = this.dirs.find(dir, name_to_text(from))!;
    if (name_key(text) !== name_key(entry.text)) return;
    this.dirs.remove(dir, entry);
    this.settle(node, dir, this.dirs.enter(dir, text));
  }

  is_empty(dir: msdos_node): boolean {
    return this.dirs.is_empty(dir);
  }

  /** Offsets: 0 and 1 are "." and "..", then slots. */
  readdir(dir: msdos_node, offset: number, emit: puffs_nextdent): boolean {
    const dtDir = vtype_to_dt(VDIR);
    if (offset <= 0 && !emit('.', dir.i_number, dtDir, 1)) return false;
    if (offset <= 1 && !emit('..', this.parent_number(dir), dtDir, 2)) return false;
    for (const entry of this.dirs.entries(dir)) {
      if (entry.slot + 2 < offset) continue;
      const { bp, off, position } = this.dirs.short_place(dir, entry);
      const isDirectory = (dep.Attributes.get(bp.b_data, off) & ATTR_DIRECTORY) !== 0;
      const number = isDirectory
        ? this.number_of_cluster(this.start_of(bp.b_data, off))
        : (this.by_position.get(position)?.i_number ?? file_number(position / DIRENTRY_BYTES));
      const dtype = vtype_to_dt(isDirectory ? VDIR : VREG);
      const next = entry.slot + entry.slots + 2;
      if (!emit(text_to_name(entry.text), number, dtype, next)) return false;
    }
    return true;
  }

  sync(): void {
    this.fat.sync();
  }

  statvfs(out: puffs_statvfs): void {
    const { geometry, cluster_bytes } = this.fat;
    out.f_bsize = out.f_frsize = cluster_bytes;
    out.f_blocks = geometry.clusters;
    out.f_bfree = out.f_bavail = this.fat.free_clusters();
    out.f_files = out.f_ffree = out.f_favail = 0;
    out.f_namemax = this.limits.nameBytes;
  }
}

export const msdosfs_module = vfs_module(
  'msdos',
  genfs_vfsops<msdosfs_args>({
    vfs_name: 'msdos',
    // Names of any case lead to one node, which the cache does not know.
    uses_namecache: false,
    open: (lump, args) => new msdosfs(lump, args),
  }),
);
