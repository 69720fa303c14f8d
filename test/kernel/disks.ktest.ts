/**
 * Disk images between NetBSD's drivers and Linux's ext4, vfat and bfs: what ours wrote the kernel
 * reads, what the kernel then wrote into it, ours read; what it left in a journal is replayed. CDs
 * of genisoimage both read alike.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Ukfs } from '../../src/ukfs/index.js';
import type { DiskFileSystem } from '../../src/ukfs/mount_disk.js';
import { CD9660 } from '../../src/ukfs/mount_cd9660.js';
import { EXT2FS } from '../../src/ukfs/mount_ext2fs.js';
import { MSDOS } from '../../src/ukfs/mount_msdos.js';
import { SYSVBFS } from '../../src/ukfs/mount_sysvbfs.js';
import { aclText } from '../conformance/acl.js';
import { cd9660Image, NO_GENISOIMAGE } from '../conformance/cd9660.js';
import { hostTree } from '../images/host_tree.js';
import { noise, text } from '../images/material.js';
import { assertSameTree, type CompareOptions, type Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { DISK_ROWS, type DiskRow } from '../makefs/disk_rows.js';
import { make } from '../makefs/maker.js';
import { checkBfs, mkfsBfs, NO_MKFS_BFS } from '../netbsd-compat/bfs.js';
import { fsckFat, mkfsFat, NO_DOSFSTOOLS } from '../netbsd-compat/dosfstools.js';
import { e2fsck, mke2fs, NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import { mounterOf } from '../netbsd-compat/rig.js';
import { parseListing } from './listing.js';
import { runBatch, type KernelJobResult } from './qemu.js';
import { BATCH_TIMEOUT_MS, needsJudge } from './suite.js';

function mounted<T>(
  kind: DiskFileSystem,
  image: Uint8Array,
  readOnly: boolean,
  use: (fs: Ukfs) => T,
): { result: T; image: Uint8Array } {
  const { ukfs, unmount, image: now } = mounterOf(kind)(image, { readOnly });
  const result = use(ukfs);
  unmount();
  return { result, image: now() };
}

/** Everything that both kinds can hold. */
function populate(fs: Ukfs): void {
  fs.mkdir('/dir');
  fs.mkdir('/dir/deeper');
  for (const size of [0, 1, 511, 512, 4097, 300_000]) {
    fs.writeFile(`/dir/text ${size}`, text(size, size));
    fs.writeFile(`/dir/deeper/noise.${size}`, noise(size, size));
  }
  for (let i = 0; i < 200; i++) fs.writeFile(`/dir/deeper/one of many files, ${i}`, `${i}`);
  for (let i = 0; i < 200; i += 3) fs.unlink(`/dir/deeper/one of many files, ${i}`);
  fs.rename('/dir/deeper', '/moved');
  fs.truncate('/dir/text 300000', 123_456);
  fs.truncate('/dir/text 4097', 50_000);
}

function populateUnix(fs: Ukfs): void {
  populate(fs);
  fs.symlink('dir/text 1', '/short');
  fs.symlink('x'.repeat(300), '/long');
  fs.link('/moved/noise.1', '/dir/linked');
  fs.mknod('/char', 0o020640, 0x0501);
  fs.mknod('/block', 0o060600, 0x12300811);
  fs.mknod('/fifo', 0o010644);
  fs.chown('/dir', 70_000, 80_000);
  fs.chmod('/dir', 0o3751);
  fs.writeFile('/sparse', '');
  fs.truncate('/sparse', 3_000_000);
  fs.utimes('/moved', 1_000_000_000, 1_100_000_000);
  // Some fit into inodes, where these have room; others do not.
  fs.setxattr('/dir', 'user.short', 'x');
  fs.setxattr(
    '/dir',
    'system.posix_acl_default',
    aclText('u::rwx,u:1001:rw-,g::r-x,m::rwx,o::---'),
  );
  fs.setxattr('/moved/noise.512', 'user.long', 'long'.repeat(150));
  fs.setxattr('/moved/noise.512', 'user.empty', '');
  fs.setxattr('/moved/noise.512', 'trusted.x', 't');
  fs.setxattr(
    '/moved/noise.512',
    'system.posix_acl_access',
    aclText('u::rw-,u:5:r--,g::r--,m::r--,o::---'),
  );
  fs.setxattr('/short', 'trusted.link', 'of a link', 0, false);
}

const CHANGES = `
  mkdir /mnt/by-linux
  cp -r /mnt/moved /mnt/by-linux/copy
  setfattr -n user.linux -v "by the kernel" /mnt/moved/noise.512 /mnt/moved/noise.1 2>/dev/null
  setfattr -x user.empty /mnt/moved/noise.512 2>/dev/null
  rm -r /mnt/dir/text*
  mv "/mnt/moved/noise.4097" "/mnt/by-linux/A Name of Linux"
  dd if=/dev/zero of=/mnt/by-linux/zeros bs=1000 count=500 2>/dev/null
  sync
`;

/** One directory, names of 14 bytes; files in one piece, which have had to move. */
function populateBfs(fs: Ukfs): void {
  for (const size of [0, 1, 511, 512, 4097, 200_000]) {
    fs.writeFile(`/text ${size}`, text(size, size));
    fs.writeFile(`/noise.${size}`, noise(size, size));
  }
  for (let i = 0; i < 100; i++) fs.writeFile(`/one of many ${i % 100}`, text(3000, i));
  for (let i = 0; i < 100; i += 2) fs.unlink(`/one of many ${i}`);
  // Only where the others are pushed together there is room for it.
  fs.writeFile('/wide', noise(350_000, 3));
  fs.rename('/noise.4097', '/text 1');
  fs.link('/text 512', '/linked');
  fs.chown('/text 511', 70_000, 80_000);
  fs.chmod('/text 511', 0o4751);
  fs.truncate('/text 200000', 12_345);
  fs.truncate('/text 4097', 9000);
  fs.utimes('/linked', 1_000_000_000, 4_000_000_000);
}

const CHANGES_BFS = `
  cp /mnt/noise.512 "/mnt/copy of one"
  rm /mnt/text* /mnt/wide
  mv /mnt/noise.1 "/mnt/Name of Linux"
  ln /mnt/noise.511 /mnt/link
  chmod 4711 /mnt/link
  dd if=/dev/zero of=/mnt/zeros bs=1000 count=50 2>/dev/null
  sync
`;

const mountMade = (type: string, options: string): string => `
  for module in loop crc32c_generic ext4 vfat nls_cp437 nls_utf8 bfs ufs cdrom isofs; do
    insmod /modules/$module.ko 2>/dev/null
  done
  cp "$IN/disk.img" /tmp/disk.img
  mount -t ${type} -o loop,ro${options} /tmp/disk.img /mnt || die "mount"
  list_tree /mnt made
`;

/** A program's image, and what must be in it. */
function madeByMakefs({ fill, type, make: options, expected, withXattrs }: DiskRow): {
  image: Uint8Array;
  tree: Tree;
} {
  const folder = mkdtempSync(join(tmpdir(), 'lump-makefs-'));
  try {
    fill(folder);
    const { bytes } = make([folder], { ...options, type });
    return { image: bytes, tree: expected(hostTree(folder, { xattrs: withXattrs === true })) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const script = (type: string, options: string, changes: string): string => `
  for module in loop crc32c_generic ext4 vfat nls_cp437 nls_utf8 bfs; do
    insmod /modules/$module.ko 2>/dev/null
  done
  cp "$IN/disk.img" /tmp/disk.img
  mount -t ${type} -o loop,ro${options} /tmp/disk.img /mnt || die "mount"
  list_tree /mnt ours
  umount /mnt
  mount -t ${type} -o loop${options} /tmp/disk.img /mnt || die "mount for writing"
  ${changes}
  list_tree /mnt theirs
  cp /tmp/disk.img "$OUT/crashed.img"
  umount /mnt
  cp /tmp/disk.img "$OUT/disk.img"
`;

interface Disk {
  readonly name: string;
  readonly kind: DiskFileSystem;
  /** Linux's name of it, and its options, each behind a comma. */
  readonly type: string;
  readonly options: string;
  readonly blank: () => Uint8Array;
  readonly populate: (fs: Ukfs) => void;
  /** What Linux does to it: commands of its shell. */
  readonly changes: string;
  readonly check: (image: Uint8Array) => void;
}

const ext = (type: string, ...args: readonly string[]): Disk => ({
  name: `${type} ${args.join(' ')}`,
  kind: EXT2FS,
  type,
  options: ',errors=panic',
  blank: () => mke2fs('8M', '-t', type, ...args),
  populate: populateUnix,
  changes: CHANGES,
  check: e2fsck,
});

const fat = (bits: number, sizeBytes: number, ...args: readonly string[]): Disk => ({
  name: `FAT${bits}`,
  kind: MSDOS,
  type: 'vfat',
  options: ',umask=0022,tz=UTC,utf8=1,iocharset=utf8,codepage=437',
  blank: () => mkfsFat(sizeBytes, '-F', `${bits}`, ...args),
  populate,
  changes: CHANGES,
  check: fsckFat,
});

const DISKS: readonly Disk[] = [
  ext('ext2', '-b', '1024', '-I', '128'),
  ext('ext2', '-b', '4096', '-I', '256'),
  ext('ext3', '-b', '1024', '-J', 'size=1'),
  fat(12, 8 << 20),
  fat(16, 8 << 20, '-s', '1'),
  fat(32, 40 << 20, '-s', '1'),
  {
    name: 'bfs',
    kind: SYSVBFS,
    type: 'bfs',
    options: '',
    blank: () => mkfsBfs(1 << 20, '-N', '128'),
    populate: populateBfs,
    changes: CHANGES_BFS,
    check: checkBfs,
  },
];

type MadeRow = DiskRow & Required<Pick<DiskRow, 'linux'>>;
const MADE = DISK_ROWS.filter((row): row is MadeRow => row.linux !== undefined);

/** What both read; of plain names and Joliet no attributes, which are made up. */
const CDS = [
  { name: 'CD, Rock Ridge', words: ['-R'], ignore: ['atime', 'ctime', 'sameAs'] },
  {
    name: 'CD, Joliet',
    words: ['-J', '-joliet-long', '-D'],
    ignore: ['atime', 'ctime', 'sameAs', 'mode', 'nlink'],
  },
] as const;

const COMPARE: CompareOptions = {
  ignore: ['ctime', 'atime'],
  ignoreAtRoot: ['mtime'],
};

describe('disk images, between NetBSD’s drivers and Linux', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const trees = new Map<string, Tree>();
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    const missing = NO_E2FSPROGS ?? NO_DOSFSTOOLS ?? NO_MKFS_BFS ?? NO_GENISOIMAGE;
    if (missing !== undefined) {
      console.log(`      skipped: ${missing}`);
      this.skip();
    }
    const jobs = DISKS.map(({ name, kind, type, options, blank, populate: fill, ...disk }) => {
      const { result, image } = mounted(kind, blank(), false, (fs) => {
        fill(fs);
        return ukfsTree(fs);
      });
      disk.check(image);
      trees.set(name, result);
      return { name, script: script(type, options, disk.changes), files: { 'disk.img': image } };
    });
    for (const row of MADE) {
      const { image, tree } = madeByMakefs(row);
      trees.set(row.name, tree);
      const [type, options] = row.linux;
      jobs.push({
        name: row.name,
        script: mountMade(type, options),
        files: { 'disk.img': image },
      });
    }
    for (const { name, words } of CDS) {
      const image = new Uint8Array(cd9660Image(...words));
      trees.set(name, mounted(CD9660, image, true, ukfsTree).result);
      jobs.push({
        name,
        script: mountMade('iso9660', ',utf8'),
        files: { 'disk.img': image },
      });
    }
    results = await runBatch(jobs);
  });

  for (const { name, kind, type, check } of DISKS) {
    it(name, () => {
      const { outputs, dmesg, status, log } = results.get(name)!;
      expect(status, log + dmesg).to.equal(0);
      expect(dmesg).to.not.match(/EXT4-fs error|FAT-fs.*error|BFS-fs|corrupt/i);
      assertSameTree('read by Linux', trees.get(name)!, parseListing('ours', outputs), COMPARE);
      const theirs = parseListing('theirs', outputs);
      const disk = new Uint8Array(outputs.get('disk.img')!);
      check(disk);
      assertSameTree('by Linux', theirs, mounted(kind, disk, true, ukfsTree).result, COMPARE);
      if (kind === EXT2FS) {
        const changed = theirs.find(({ path }) => path === 'moved/noise.512');
        expect(Object.keys(changed!.xattrs!)).to.include.members(['user.linux', 'user.long']);
      }
      if (type !== 'ext3') return;
      // What a crash left in the journal is replayed: in memory, and on the disk.
      const crashed = new Uint8Array(outputs.get('crashed.img')!);
      assertSameTree('replayed', theirs, mounted(kind, crashed, true, ukfsTree).result, COMPARE);
      check(mounted(kind, crashed, false, (fs) => fs.writeFile('/after', 'x')).image);
    });
  }

  for (const { name, ignore } of CDS) {
    it(name, () => {
      const { outputs, dmesg, status, log } = results.get(name)!;
      expect(status, log + dmesg).to.equal(0);
      assertSameTree(name, parseListing('made', outputs), trees.get(name)!, {
        ignore: [...ignore],
      });
    });
  }

  for (const { name, compare, linuxMistakes = [] } of MADE) {
    it(`makefs: ${name}`, () => {
      const { outputs, dmesg, status, log } = results.get(name)!;
      expect(status, log + dmesg).to.equal(0);
      expect(dmesg).to.not.match(/EXT4-fs error|FAT-fs.*error|BFS-fs|corrupt/i);
      const listed = parseListing('made', outputs).filter(({ path }) => path !== 'lost+found');
      const ignore = [...(compare.ignore ?? []), ...linuxMistakes];
      assertSameTree(name, trees.get(name)!, listed, { ...compare, ignore });
    });
  }
});
