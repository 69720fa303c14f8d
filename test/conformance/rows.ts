/** The rows of the conformance matrix. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { mount_fs } from '../../src/dcache/mount.js';
import { jffs2_fsck } from '../../src/jffs2/fsck.js';
import { jffs2_fs_type } from '../../src/jffs2/super.js';
import { l2p } from '../../src/l2p/l2p.js';
import { Lump } from '../../src/lump/lump.js';
import { mtd_new_ram } from '../../src/mtd/open.js';
import { tmpfs_module } from '../../src/netbsd-compat/drivers/tmpfs/tmpfs.js';
import { p2k } from '../../src/netbsd-compat/p2k.js';
import { rump } from '../../src/netbsd-compat/rump.js';
import { Memfs, PUFFS_CRED_ROOT, puffs_cred_user, type puffs_ops } from '../../src/puffs/index.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import {
  mountDisk,
  type DiskFileSystem,
  type MountDiskOptions,
} from '../../src/ukfs/mount_disk.js';
import { EXT2FS } from '../../src/ukfs/mount_ext2fs.js';
import { FFS } from '../../src/ukfs/mount_ffs.js';
import { MSDOS } from '../../src/ukfs/mount_msdos.js';
import { SYSVBFS } from '../../src/ukfs/mount_sysvbfs.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { e2fsck, emptyExt2 } from '../netbsd-compat/e2fsprogs.js';
import { checkBfs, mkfsBfs } from '../netbsd-compat/bfs.js';
import { fsckFfs } from '../netbsd-compat/ffs_check.js';
import { blankFfs } from '../netbsd-compat/makefs_ffs.js';
import { fsckFat, mkfsFat } from '../netbsd-compat/dosfstools.js';
import type { FsDriver } from './driver.js';
import { NodeDriver, type User } from './node_driver.js';
import type { Limits, Mounted, Row } from './row.js';
import { UkfsDriver } from './ukfs_driver.js';

const POSIX_LIMITS: Limits = {
  nameBytesMax: 255,
  symlinkBytesMax: 4095,
  timeGranularityNsec: 1,
  timeSecMin: 0,
  timeSecMax: 2 ** 31 - 1,
  fileBytesMax: Number.MAX_SAFE_INTEGER,
  linksMax: 65000,
  rootLinks: 2,
};

export const JFFS2_LIMITS: Limits = {
  nameBytesMax: 254,
  symlinkBytesMax: 254,
  timeGranularityNsec: 1e9,
  timeSecMin: 0,
  timeSecMax: 2 ** 32 - 1,
  fileBytesMax: 2 ** 32 - 1,
  linksMax: Number.MAX_SAFE_INTEGER,
  rootLinks: 3,
};

// ---- ways in ------------------------------------------------------------------------------------

/** Through Ukfs; `ops` of a mount may be replaced when the medium is mounted again. */
abstract class ThroughUkfs implements Mounted {
  ops: puffs_ops;
  readonly fs: UkfsDriver;

  constructor(ops: puffs_ops) {
    this.ops = ops;
    this.fs = new UkfsDriver(new Ukfs(ops));
  }

  as(user: User): FsDriver {
    return new UkfsDriver(new Ukfs(this.ops, puffs_cred_user(user.uid, user.gid, user.groups)));
  }

  remount(readOnly: boolean): void {
    this.fs.ukfs.remount(readOnly);
  }

  again(): void {}

  unmount(): void {
    this.fs.ukfs.unmount();
  }

  protected mounted(ops: puffs_ops): void {
    this.ops = ops;
    this.fs.ukfs = new Ukfs(ops, PUFFS_CRED_ROOT);
  }
}

/** A Linux file system behind l2p, on a medium that stays when it is unmounted. */
class LinuxMount extends ThroughUkfs {
  readonly #mountAgain: () => l2p;
  readonly #host: SimulatedHost;
  #linux: l2p;

  constructor(host: SimulatedHost, mount: () => l2p) {
    const linux = mount();
    super(linux);
    this.#linux = linux;
    this.#host = host;
    this.#mountAgain = mount;
  }

  advanceClock(seconds: number): void {
    this.#host.advance(seconds * 1000);
  }

  nowMs(): number {
    return this.#host.wallClockMs();
  }

  get lump(): Lump {
    return this.#linux.sb.s_lump;
  }

  liveNodes(): number {
    return this.#linux.node_count;
  }

  override again(): void {
    this.unmount();
    this.#linux = this.#mountAgain();
    this.mounted(this.#linux);
  }

  override unmount(): void {
    const { node_count, sb } = this.#linux;
    super.unmount();
    // Everything the case had looked up was given back, and nothing complained on the way.
    if (node_count !== 1) throw new Error(`${node_count - 1} nodes were not given back`);
    const { warnings } = sb.s_lump;
    if (warnings > 0) throw new Error(`${warnings} warnings: ${sb.s_lump.dmesg().join('\n')}`);
  }
}

class MemfsMount extends ThroughUkfs {
  readonly #clock: { nowMs: number };

  constructor(capacityBytes: number) {
    const clock = { nowMs: Date.UTC(2020, 0, 1) };
    super(new Memfs({ wallClockMs: () => clock.nowMs++, capacityBytes }));
    this.#clock = clock;
  }

  advanceClock(seconds: number): void {
    this.#clock.nowMs += seconds * 1000;
  }
}

/** Through system calls, below a directory of the host. */
class ThroughHost implements Mounted {
  readonly #root: string;
  readonly #end: () => void;
  readonly #tickMs: number;
  readonly fs: FsDriver;

  /** @param tickMs how long until times are others. */
  constructor(root: string, end: () => void, tickMs: number) {
    this.#root = root;
    this.#end = end;
    this.#tickMs = tickMs;
    this.fs = new NodeDriver(root);
  }

  as(user: User): FsDriver {
    return new NodeDriver(this.#root, user);
  }

  /** However far: the clock is the kernel's. */
  advanceClock(): void {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, this.#tickMs);
  }

  again(): void {}

  unmount(): void {
    this.#end();
  }
}

/** A NetBSD file system behind p2k; `mount` mounts what the medium holds. */
export class NetbsdMount extends ThroughUkfs {
  readonly #host: SimulatedHost;
  readonly #mountAgain: () => p2k;
  readonly #check: () => void;
  #p2k: p2k;

  /** @param check looks at what the last unmount left. */
  constructor(host: SimulatedHost, mount: () => p2k, check: () => void = () => {}) {
    const p2k = mount();
    super(p2k);
    this.#p2k = p2k;
    this.#host = host;
    this.#mountAgain = mount;
    this.#check = check;
  }

  advanceClock(seconds: number): void {
    this.#host.advance(seconds * 1000);
  }

  nowMs(): number {
    return this.#host.wallClockMs();
  }

  get lump(): Lump {
    return this.#p2k.mp.mnt_rump.lump;
  }

  liveNodes(): number {
    return this.#p2k.node_count;
  }

  override again(): void {
    this.#end();
    this.#p2k = this.#mountAgain();
    this.mounted(this.#p2k);
  }

  override unmount(): void {
    this.#end();
    this.#check();
  }

  #end(): void {
    const { node_count, mp } = this.#p2k;
    super.unmount();
    if (node_count !== 1) throw new Error(`${node_count - 1} nodes were not given back`);
    const { lump } = mp.mnt_rump;
    if (lump.warnings > 0) throw new Error(`${lump.warnings} warnings: ${lump.dmesg().join('\n')}`);
  }
}

// ---- rows ---------------------------------------------------------------------------------------

/** Times of the host's kernel come from a clock that ticks a hundred times a second at least. */
const TICK_MS = 25;
const isRoot = process.getuid?.() === 0;

/**
 * A row through system calls: `mount` makes a fresh file system and answers its directory and how
 * to end it. For a FUSE mount as for the host's own file system.
 */
export function hostRow(
  name: string,
  limits: Limits,
  lacks: Row['lacks'],
  mount: () => { root: string; end: () => void },
): Row {
  const needsRoot = 'only root can switch users';
  const tickMs = Math.max(TICK_MS, (limits.timeGranularityNsec / 1e6) * 1.1);
  return {
    name,
    limits,
    lacks: {
      readOnly: 'remounting is not up to a directory',
      smallVolume: 'the volume is not ours to fill',
      puffs: 'system calls only',
      ...(tickMs > TICK_MS && process.env.LUMP_REAL_TIME === undefined
        ? { clock: 'takes real time; LUMP_REAL_TIME=1' }
        : {}),
      sockets: 'mknod(1) makes none',
      unprotectedLinks: "fs.protected_hardlinks is the kernel's",
      ...(isRoot ? {} : { users: needsRoot, devices: needsRoot }),
      ...lacks,
    },
    mount() {
      const { root, end } = mount();
      return new ThroughHost(root, end, tickMs);
    },
  };
}

export const hostOracle: Row = hostRow('host', POSIX_LIMITS, {}, () => {
  const root = mkdtempSync(join(tmpdir(), 'lump-conformance-'));
  chmodSync(root, 0o755);
  return { root, end: () => rmSync(root, { recursive: true, force: true }) };
});

export const memfsRow: Row = {
  name: 'memfs',
  limits: { ...POSIX_LIMITS, timeSecMin: -(2 ** 40), timeSecMax: 2 ** 40 },
  lacks: {},
  mount: () => new MemfsMount(2 * 1024 * 1024),
};

export interface Jffs2Geometry {
  readonly size: number;
  readonly erasesize: number;
  readonly options?: string;
  /** Of the scheduler. */
  readonly seed?: number;
}

/** jffs2 on NOR flash in memory, behind l2p. */
export function mountJffs2(how: Jffs2Geometry): LinuxMount {
  const { size, erasesize, options = '', seed = 0 } = how;
  const host = new SimulatedHost({ codecs: nodeZlib() });
  const mtd = mtd_new_ram(host, { size, erasesize });
  return new LinuxMount(host, () => {
    const lump = new Lump({ host, seed });
    lump.filesystems.register_filesystem(jffs2_fs_type);
    const sb = mount_fs(lump, 'jffs2', mtd, 0, options);
    // fsck after each case, with files that are still open.
    const check = (): void => {
      expect(jffs2_fsck(sb).problems).to.deep.equal([]);
    };
    return new l2p(sb, () => {}, check);
  });
}

export const jffs2Row: Row = {
  name: 'jffs2',
  limits: JFFS2_LIMITS,
  lacks: {},
  mount: () => mountJffs2({ size: 2 * 1024 * 1024, erasesize: 64 * 1024 }),
};

/** What the drivers of src/netbsd-compat do not have. */
const NO_EXTATTR = { extattr: 'no extended attributes' };

/** tmpfs behind p2k; there is no medium to mount again. */
export const tmpfsRow: Row = {
  name: 'tmpfs',
  limits: { ...POSIX_LIMITS, timeSecMin: -(2 ** 40), timeSecMax: 2 ** 40, linksMax: 32767 },
  lacks: NO_EXTATTR,
  mount: () => mountTmpfs(),
};

/** @param seed of the scheduler */
export function mountTmpfs(seed = 0): NetbsdMount {
  const host = new SimulatedHost();
  const kernel = new rump(new Lump({ host, seed }));
  kernel.modules.load({ modules: [tmpfs_module] });
  const args = {
    ta_size_max: 2 * 1024 * 1024,
    ta_nodes_max: 10_000,
    ta_root_uid: 0,
    ta_root_gid: 0,
    ta_root_mode: 0o755,
  };
  const mounted = new NetbsdMount(
    host,
    () => new p2k(kernel.mountlist.mount_domount('tmpfs', 0, args)),
  );
  mounted.again = () => {};
  return mounted;
}

/** What a disk image holds, checked by a program that nobody here wrote. @throws when it is not. */
export type Checker = (image: Uint8Array) => void;

/** A NetBSD file system on a disk image; `check` looks at what each unmount leaves. */
export function mountImage(
  kind: DiskFileSystem,
  image: Uint8Array,
  check: Checker,
  options: Pick<MountDiskOptions, 'backend' | 'seed'> = {},
): NetbsdMount {
  // Later than the image was made.
  const host = new SimulatedHost({ wallClockMs: Date.UTC(2035, 0, 1) });
  host.replaceFile('/disk', image);
  const mount = (): p2k => {
    const { fs, readOnly, report } = mountDisk(kind, { image: '/disk', ...options }, host);
    if (readOnly && kind.writes) throw new Error(report.join('\n'));
    return fs;
  };
  return new NetbsdMount(host, mount, () => check(host.readFile('/disk')));
}

export const EXT2_LIMITS: Limits = {
  nameBytesMax: 255,
  symlinkBytesMax: 1023,
  timeGranularityNsec: 1,
  timeSecMin: -(2 ** 31),
  timeSecMax: 2 ** 31 - 1 + 3 * 2 ** 32,
  fileBytesMax: (12 + 256 + 256 ** 2 + 256 ** 3) * 1024,
  linksMax: 32000,
  // What is not in the inode shares a block.
  xattrBytesMax: 400,
  rootLinks: 2,
};

/** ext2 behind p2k; each case ends with e2fsck. */
export const ext2Row: Row = {
  name: 'ext2fs',
  limits: EXT2_LIMITS,
  lacks: {},
  mount: () => mountImage(EXT2FS, emptyExt2(), e2fsck),
};

export const FFS_LIMITS: Limits = {
  nameBytesMax: 255,
  symlinkBytesMax: 1023,
  timeGranularityNsec: 1,
  timeSecMin: -(2 ** 52),
  timeSecMax: 2 ** 52,
  fileBytesMax: (12 + 1024 + 1024 ** 2 + 1024 ** 3) * 8192 - 1,
  linksMax: 32767,
  rootLinks: 2,
};

const NO_ACL = 'access lists of UFS2 are not those of Linux';

/** UFS2 behind p2k; each case ends with what fsck_ffs would look for. */
export const ffsRow: Row = {
  name: 'ffs',
  limits: FFS_LIMITS,
  lacks: {},
  without: {
    'acl: the access list is the mode, and is kept': NO_ACL,
    'acl: who may by a list': NO_ACL,
    'acl: the default list is handed on, and stands in for the umask': NO_ACL,
  },
  mount: () => mountImage(FFS, blankFfs(4 << 20, { density: 1024 }), fsckFfs),
};

const NO_LINKS = 'FAT has no links';
const NO_MODES = 'FAT has no owners, and of permissions only "read-only"';

/** FAT behind p2k; each case ends with fsck.fat. */
export const msdosRow: Row = {
  name: 'msdos',
  limits: {
    nameBytesMax: 255,
    symlinkBytesMax: 0,
    timeGranularityNsec: 2e9,
    timeSecMin: 315_532_800,
    timeSecMax: 4_354_819_198,
    fileBytesMax: 2 ** 32 - 1,
    linksMax: 65535,
    rootLinks: 2,
  },
  lacks: {
    ...NO_EXTATTR,
    users: 'FAT has no owners',
    devices: 'FAT has no special files',
    sockets: 'FAT has no special files',
  },
  without: {
    't_vnops: rename_dir': 'a file goes by the place of its entry, in another mount',
    't_vnops: create_nonalphanum': 'FAT forbids some characters',
    't_vnops: rename_reg_nodir': NO_LINKS,
    't_vnops: symlink_long': NO_LINKS,
    't_vnops: symlink_root': NO_LINKS,
    't_vnops: symlink_loop': NO_LINKS,
    't_vnops: lstat_symlink': NO_LINKS,
    't_vnops: attrs': NO_MODES,
    't_vnops: access_simple': NO_MODES,
    't_create: create, attrs': NO_MODES,
    't_mkdir: single, many, nested, attrs': NO_MODES,
    't_setattr: chown, chgrp, chowngrp, chmod, chtimes': NO_MODES,
    't_setattr: chown takes set-id bits from a file, not from a directory': NO_MODES,
    't_setattr: lchown of a symbolic link': NO_LINKS,
    't_mknod, t_pipes: pipe': 'FAT has no special files',
    't_link: basic, subdirs': NO_LINKS,
    't_readdir: types': NO_LINKS,
    't_rename: basic, over hard links and open files': NO_LINKS,
    't_symlink: file, dir, exec': NO_LINKS,
    't_times: empty, non_empty, link, rename': NO_LINKS,
    't_trail_slash: main': NO_LINKS,
    't_vnode_leak: main': NO_LINKS,
    'puffs: a hard link has one cookie; lookups are counted': NO_LINKS,
  },
  mount: () => mountImage(MSDOS, emptyFat(), fsckFat),
};

let madeFat: Uint8Array | null = null;

/** 4 MiB of FAT16 with clusters of 512 bytes. */
function emptyFat(): Uint8Array {
  madeFat ??= mkfsFat(4 << 20, '-F', '16', '-s', '1', '-r', '16384');
  return madeFat;
}

const NO_DIRECTORIES = 'BFS has one directory';
const NO_SYMLINKS = 'BFS has no symbolic links';

/** BFS behind p2k; each case ends with a check of the volume. */
export const sysvbfsRow: Row = {
  name: 'sysvbfs',
  limits: {
    nameBytesMax: 14,
    symlinkBytesMax: 0,
    timeGranularityNsec: 1e9,
    timeSecMin: 0,
    timeSecMax: 2 ** 32 - 1,
    fileBytesMax: 2 ** 32 - 512,
    linksMax: 2 ** 32 - 1,
    rootLinks: 2,
  },
  lacks: {
    ...NO_EXTATTR,
    devices: 'BFS has no special files',
    sockets: 'BFS has no special files',
  },
  without: {
    't_vnops: lookup_complex': NO_DIRECTORIES,
    't_vnops: dir_simple': NO_DIRECTORIES,
    't_vnops: dir_notempty': NO_DIRECTORIES,
    't_vnops: rename_dir': NO_DIRECTORIES,
    't_vnops: rename_dotdot': NO_DIRECTORIES,
    't_vnops: create_many': NO_DIRECTORIES,
    't_vnops: symlink_long': NO_SYMLINKS,
    't_vnops: symlink_root': NO_DIRECTORIES,
    't_vnops: symlink_loop': NO_SYMLINKS,
    't_vnops: read_directory': NO_DIRECTORIES,
    't_vnops: lstat_symlink': NO_SYMLINKS,
    't_truncate: grows with zeros, shrinks, refuses': NO_DIRECTORIES,
    't_mknod, t_pipes: pipe': 'BFS has no special files',
    't_dots: topdir, nesteddir': NO_DIRECTORIES,
    't_link: basic, subdirs': NO_DIRECTORIES,
    't_mkdir: single, many, nested, attrs': NO_DIRECTORIES,
    't_readdir: types': NO_DIRECTORIES,
    't_readdir: many': 'names are 14 bytes',
    't_remove: single, dot, and made again': NO_DIRECTORIES,
    't_rename: dir_to_emptydir, dir_to_fulldir, dir_to_file, file_to_dir': NO_DIRECTORIES,
    't_rmdir: non_existent, single, nested, dots, non_empty, links': NO_DIRECTORIES,
    't_rmdir: curdir: a removed directory that is open is empty and stays so': NO_DIRECTORIES,
    't_setattr: chown, chgrp, chowngrp, chmod, chtimes': NO_DIRECTORIES,
    't_setattr: chown takes set-id bits from a file, not from a directory': NO_DIRECTORIES,
    't_setattr: lchown of a symbolic link': NO_SYMLINKS,
    't_symlink: file, dir, exec': NO_DIRECTORIES,
    't_times: empty, non_empty, link, rename': NO_DIRECTORIES,
    't_trail_slash: main': NO_DIRECTORIES,
    't_vnode_leak: main': NO_DIRECTORIES,
    't_ro: create': NO_DIRECTORIES,
    't_ro: rmfile': NO_DIRECTORIES,
    't_ro: createdir': NO_DIRECTORIES,
    't_ro: rmdir': NO_DIRECTORIES,
    't_ro: createfifo': NO_DIRECTORIES,
    't_ro: createsymlink': NO_DIRECTORIES,
    't_ro: createlink': NO_DIRECTORIES,
    't_ro: rename': NO_DIRECTORIES,
    't_ro: fileio: write-only': NO_DIRECTORIES,
    't_ro: fileio: read-write': NO_DIRECTORIES,
    't_ro: truncate': NO_DIRECTORIES,
    't_ro: attrs: chmod': NO_DIRECTORIES,
    't_ro: attrs: chown': NO_DIRECTORIES,
    't_ro: attrs: utimes': NO_DIRECTORIES,
    't_ro: what exists is EEXIST all the same, and back': NO_DIRECTORIES,
    't_unpriv: owner': NO_DIRECTORIES,
    't_unpriv: dirperms': NO_DIRECTORIES,
    't_link: hardlink_sameuser': NO_DIRECTORIES,
    't_link: hardlink_rootuser': NO_DIRECTORIES,
    't_link: hardlink_otheruser': NO_DIRECTORIES,
    'permissions: the sticky bit': NO_DIRECTORIES,
    'permissions: set-group-id directories hand their group on': NO_DIRECTORIES,
    'permissions: a directory that moves must be writeable itself': NO_DIRECTORIES,
    't_renamerace: renamerace_dirs (seeds 4–6)': NO_DIRECTORIES,
    't_renamerace: renamerace_cycle (seeds 7–9)': NO_DIRECTORIES,
    't_rmdirrace: race (seeds 10–12)': NO_DIRECTORIES,
    'puffs: ".." of the root and of others; lookup in a file': NO_DIRECTORIES,
    'puffs: t_readdir dots: "." and ".." come first, with the right numbers': NO_DIRECTORIES,
    'puffs: t_readdir caching: offsets survive removals and additions': NO_DIRECTORIES,
  },
  mount: () => mountImage(SYSVBFS, mkfsBfs(2 << 20, '-N', '512'), checkBfs),
};
