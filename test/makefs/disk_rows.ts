/** Images of disks' file systems, as makefs makes them: what goes in, and who judges what comes out. */
import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FileSystemType, MakeRequest } from '../../src/makefs/filesystem_type.js';
import { ext2Type } from '../../src/makefs/ext2.js';
import { ffsType } from '../../src/makefs/ffs.js';
import { msdosType } from '../../src/makefs/msdos.js';
import { sysvbfsType } from '../../src/makefs/sysvbfs.js';
import type { DiskFileSystem } from '../../src/ukfs/mount_disk.js';
import { EXT2FS } from '../../src/ukfs/mount_ext2fs.js';
import { FFS } from '../../src/ukfs/mount_ffs.js';
import { MSDOS } from '../../src/ukfs/mount_msdos.js';
import { SYSVBFS } from '../../src/ukfs/mount_sysvbfs.js';
import { noise, text } from '../images/material.js';
import { makeTree, SOURCE_TREE_TIME } from '../images/source_tree.js';
import type { CompareOptions, Tree, TreeField } from '../images/tree.js';
import { checkBfs } from '../netbsd-compat/bfs.js';
import { fsckFat, NO_DOSFSTOOLS } from '../netbsd-compat/dosfstools.js';
import { e2fsck, NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import { fsckFfs } from '../netbsd-compat/ffs_check.js';
import type { MakeOptions } from './maker.js';

export interface DiskRow {
  readonly name: string;
  readonly type: FileSystemType;
  readonly kind: DiskFileSystem;
  readonly make: Omit<MakeOptions, 'type'>;
  /** Fills an empty folder. */
  readonly fill: (folder: string) => void;
  /** What of the folder must be found. */
  readonly expected: (source: Tree) => Tree;
  readonly compare: CompareOptions;
  readonly withXattrs?: true;
  /** A program that nobody here wrote, where there is one. */
  readonly check: (image: Uint8Array) => void;
  readonly missing: string | undefined;
  /** Linux's name of it, and options of its mount, each behind a comma; absent: it has none. */
  readonly linux?: readonly [type: string, options: string];
  /** What Linux reads wrongly. */
  readonly linuxMistakes?: readonly TreeField[];
}

const whole = (source: Tree): Tree => source;

const fillUnix = (folder: string): void => void makeTree(folder);

const ext2 = (name: string, options: MakeRequest['options'], more: Partial<MakeOptions> = {}) => ({
  name: `ext2, ${name}`,
  type: ext2Type,
  kind: EXT2FS,
  make: { options, ...more },
  fill: fillUnix,
  expected: (source: Tree): Tree =>
    // It has lost+found, and the root a link from there.
    source.map((entry) => (entry.path === '.' ? { ...entry, nlink: entry.nlink + 1 } : entry)),
  compare: { ignore: ['xattrs', 'ctime', 'atime'] } as const,
  check: e2fsck,
  missing: NO_E2FSPROGS,
  linux: ['ext2', ''] as const,
});

const ffs = (name: string, options: MakeRequest['options'], more: Partial<MakeOptions> = {}) => ({
  name: `ffs, ${name}`,
  type: ffsType,
  kind: FFS,
  make: { options, ...more },
  fill: fillUnix,
  expected: whole,
  compare: { ignore: ['xattrs', 'ctime', 'atime'] } as const,
  check: fsckFfs,
  missing: undefined,
  // Linux looks for UFS2's superblock elsewhere than makefs has put it, unless it is ours.
  linux: ['ufs', options.version === '2' ? ',ufstype=ufs2' : ',ufstype=44bsd'] as const,
});

const withoutAcls = (source: Tree): Tree =>
  source.map(({ xattrs, ...entry }) => {
    const kept = Object.entries(xattrs ?? {}).filter(([name]) => !name.startsWith('system.'));
    return kept.length > 0 ? { ...entry, xattrs: Object.fromEntries(kept) } : entry;
  });

const EVEN_TIME = SOURCE_TREE_TIME;

/** Files and directories whose names every FAT can have. */
function fillFat(folder: string): void {
  const paths = [folder];
  const file = (path: string, content: Uint8Array | string): void => {
    writeFileSync(join(folder, path), content);
    paths.push(join(folder, path));
  };
  for (const path of ['A Directory', 'A Directory/deeper', 'empty', 'many']) {
    mkdirSync(join(folder, path));
    paths.push(join(folder, path));
  }
  for (const size of [0, 1, 511, 512, 513, 4097, 200_000]) {
    file(`text ${size}`, text(size, size));
    file(`A Directory/deeper/NOISE.${size}`, noise(size, size));
  }
  for (let i = 0; i < 150; i++) file(`many/a name that is not short, ${i}.txt`, `${i}`);
  file('Ünïcödé ☕.txt', 'x');
  for (const path of paths) chmodSync(path, 0o755);
  chmodSync(join(folder, 'text 513'), 0o555);
  for (const path of paths.reverse()) utimesSync(path, EVEN_TIME, EVEN_TIME);
}

const fat = (name: string, options: MakeRequest['options'], more: Partial<MakeOptions> = {}) => ({
  name: `msdos, ${name}`,
  type: msdosType,
  kind: MSDOS,
  make: { options, ...more },
  fill: fillFat,
  expected: (source: Tree): Tree => source.map((entry) => ({ ...entry, uid: 0, gid: 0 })),
  compare: { ignore: ['xattrs', 'ctime', 'atime'], ignoreAtRoot: ['mtime', 'size'] } as const,
  check: fsckFat,
  missing: NO_DOSFSTOOLS,
  linux: ['vfat', ',umask=0022,tz=UTC,utf8=1,iocharset=utf8,codepage=437'] as const,
});

function fillBfs(folder: string): void {
  for (const size of [0, 1, 511, 512, 513, 4097, 200_000]) {
    writeFileSync(join(folder, `text ${size}`), text(size, size));
    writeFileSync(join(folder, `noise.${size}`), noise(size, size));
  }
  for (let i = 0; i < 60; i++) writeFileSync(join(folder, `${i}`), `${i}`);
  chmodSync(join(folder, 'text 513'), 0o4551);
}

const bfs = (name: string, options: MakeRequest['options'], more: Partial<MakeOptions> = {}) => ({
  name: `sysvbfs, ${name}`,
  type: sysvbfsType,
  kind: SYSVBFS,
  make: { options, ...more },
  fill: fillBfs,
  expected: whole,
  compare: { ignore: ['xattrs', 'ctime', 'atime'] } as const,
  check: checkBfs,
  missing: undefined,
  ...(more.byteOrder === 'big' ? {} : { linux: ['bfs', ''] as const }),
});

export const DISK_ROWS: readonly DiskRow[] = [
  ext2('as it comes', {}),
  ext2('blocks of 4096, label', { bsize: '4096', label: 'the label', inodesize: '256' }),
  ext2('blocks of 2048, half of it free', { bsize: '2048' }, { free: { percent: 50 } }),
  ext2(
    'several groups, 500 files more',
    { minfree: '5', uuid: '01234567-89ab-cdef-0123-456789abcdef' },
    { minimumSizeBytes: 30 << 20, maximumSizeBytes: 30 << 20, freeFiles: { files: 500 } },
  ),
  {
    ...ext2('with attributes', { 'with-xattr': true, bsize: '4096', inodesize: '256' }),
    compare: { ignore: ['ctime', 'atime'] },
    withXattrs: true,
  },
  ffs('as it comes', {}),
  ffs('UFS1, big endian', { version: '1', label: 'one' }, { byteOrder: 'big' }),
  ffs('UFS2, blocks of 16384', { version: '2', bsize: '16384', fsize: '2048' }),
  {
    ...ffs(
      'UFS2, big endian, 500 files more',
      { version: '2', minfree: '0', optimization: 'space' },
      { byteOrder: 'big', freeFiles: { files: 500 }, free: { percent: 20 } },
    ),
    // It takes the upper half of the 64 bits that a device number has there.
    linuxMistakes: ['rdev'],
  },
  {
    ...ffs('UFS2, with attributes', { version: '2', 'with-xattr': true }),
    expected: withoutAcls,
    compare: { ignore: ['ctime', 'atime'] },
    withXattrs: true,
    // It has none there, and takes a short link for a long one where attributes take fragments.
    linuxMistakes: ['xattrs', 'target'],
  },
  fat('as it comes', {}),
  fat('FAT12', { fat_type: '12', block_size: '2048', volume_label: 'twelve' }),
  fat('FAT16, 300 blocks free', { fat_type: '16', num_FAT: '1' }, { free: { blocks: 300 } }),
  fat('FAT32', { fat_type: '32', volume_label: 'THIRTY TWO', volume_id: '0x12345678' }),
  fat('sectors of 2048', { sectors_per_cluster: '2' }, { sectorBytes: 2048 }),
  bfs('as it comes', { volume: 'vol', fsname: 'stand' }),
  bfs('big endian', { inodes: '512' }, { byteOrder: 'big' }),
];
