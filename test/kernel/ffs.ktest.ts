/**
 * FFS between our driver and Linux's ufs, which reads only: UFS1 and UFS2, either byte order. What
 * ours wrote, on an image of makefs or of mkfsFfs, Linux reads the same.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Ukfs } from '../../src/ukfs/index.js';
import { FFS } from '../../src/ukfs/mount_ffs.js';
import { noise, text } from '../images/material.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { fsckFfs } from '../netbsd-compat/ffs_check.js';
import { blankFfs, makefsFfs, NO_MAKEFS } from '../netbsd-compat/makefs_ffs.js';
import { mounterOf } from '../netbsd-compat/rig.js';
import { parseListing } from './listing.js';
import { runBatch, type KernelJobResult } from './qemu.js';
import { BATCH_TIMEOUT_MS, needsJudge } from './suite.js';

/** Everything that FFS holds, in files of every length that decides about fragments and pointers. */
function populate(fs: Ukfs): void {
  fs.mkdir('/dir');
  fs.mkdir('/dir/deeper');
  for (const size of [0, 1, 511, 512, 1025, 4097, 8191, 98_304, 98_305, 300_000]) {
    fs.writeFile(`/dir/text ${size}`, text(size, size));
    fs.writeFile(`/dir/deeper/noise.${size}`, noise(size, size));
  }
  fs.writeFile('/two levels', noise(5_000_000, 1));
  for (let i = 0; i < 300; i++) fs.writeFile(`/dir/deeper/one of many files, ${i}`, `${i}`);
  for (let i = 0; i < 300; i += 3) fs.unlink(`/dir/deeper/one of many files, ${i}`);
  for (let i = 0; i < 40; i++) fs.mkdir(`/dir/directory ${i}`);
  fs.rename('/dir/deeper', '/moved');
  fs.truncate('/dir/text 300000', 123_456);
  fs.truncate('/dir/text 4097', 50_000);
  fs.truncate('/dir/text 98305', 700);
  for (const length of [1, 59, 60, 119, 120, 1000]) {
    fs.symlink('x'.repeat(length), `/link ${length}`);
  }
  fs.link('/moved/noise.1', '/dir/linked');
  fs.mknod('/char', 0o020640, 0x0501);
  fs.mknod('/block', 0o060600, 0x0811);
  fs.mknod('/fifo', 0o010644);
  fs.writeFile(`/${'n'.repeat(255)}`, 'n');
  fs.chown('/dir', 70_000, 80_000);
  fs.chmod('/dir', 0o3751);
  fs.writeFile('/sparse', '');
  fs.truncate('/sparse', 30_000_000);
  fs.utimes('/moved', 1_000_000_000, 1_100_000_000);
}

const script = (ufstype: string): string => `
  for module in loop ufs; do insmod /modules/$module.ko 2>/dev/null; done
  mount -t ufs -o loop,ro,ufstype=${ufstype} "$IN/disk.img" /mnt || die "mount"
  list_tree /mnt ours
  umount /mnt
`;

interface Disk {
  readonly name: string;
  readonly ufstype: string;
  readonly blank: () => Uint8Array;
}

function byMakefs(...args: readonly string[]): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'lump-makefs-'));
  try {
    writeFileSync(join(folder, 'made by makefs'), 'x');
    return makefsFfs(folder, '16m', ...args);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const KINDS = [
  [1, 'le'],
  [1, 'be'],
  [2, 'le'],
  [2, 'be'],
] as const;

/** makefs puts UFS2's superblock where Linux does not look for it. */
const DISKS: readonly Disk[] = [
  ...KINDS.map(([version, byteOrder]) => ({
    name: `UFS${version} ${byteOrder}`,
    ufstype: version === 1 ? '44bsd' : 'ufs2',
    blank: () => blankFfs(16 << 20, { version, byteOrder, maxbpcg: 500 }),
  })),
  {
    name: 'UFS2, blocks of 32 KiB',
    ufstype: 'ufs2',
    blank: () => blankFfs(24 << 20, { bsize: 32768, fsize: 4096 }),
  },
  {
    name: "makefs's UFS1, le, blocks of 4 KiB",
    ufstype: '44bsd',
    blank: () => byMakefs('-B', 'le', '-o', 'version=1,bsize=4096,fsize=512,density=4096'),
  },
  {
    name: "makefs's UFS1, be",
    ufstype: '44bsd',
    blank: () => byMakefs('-B', 'be', '-o', 'version=1,density=4096'),
  },
];

describe('FFS, read by Linux', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const trees = new Map<string, Tree>();
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    if (NO_MAKEFS !== undefined) {
      console.log(`      skipped: ${NO_MAKEFS}`);
      this.skip();
    }
    const jobs = DISKS.map(({ name, ufstype, blank }) => {
      const { ukfs, unmount, image: written } = mounterOf(FFS)(blank());
      populate(ukfs);
      trees.set(name, ukfsTree(ukfs));
      unmount();
      const image = written();
      fsckFfs(image);
      return { name, script: script(ufstype), files: { 'disk.img': image } };
    });
    results = await runBatch(jobs);
  });

  for (const { name } of DISKS) {
    it(name, () => {
      const { outputs, dmesg, status, log } = results.get(name)!;
      expect(status, log + dmesg).to.equal(0);
      expect(dmesg).to.not.match(/ufs.*(error|warning|bad|corrupt)/i);
      // Linux takes UFS2's 64-bit device numbers for 32-bit ones: big-endian, it sees the upper half.
      const isHalf = name === 'UFS2 be';
      assertSameTree('read by Linux', trees.get(name)!, parseListing('ours', outputs), {
        ignore: isHalf ? ['xattrs', 'rdev'] : ['xattrs'],
      });
    });
  }
});
