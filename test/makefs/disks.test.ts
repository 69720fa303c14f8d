/** makefs -t ext2, ffs, msdos and sysvbfs; Linux reads the same images in test/kernel/disks.ktest.ts. */
import { spawnSync } from 'node:child_process';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { FileSystemType } from '../../src/makefs/filesystem_type.js';
import { MakefsError } from '../../src/makefs/fsnode.js';
import { ext2Type } from '../../src/makefs/ext2.js';
import { ffsType } from '../../src/makefs/ffs.js';
import { msdosType } from '../../src/makefs/msdos.js';
import { sysvbfsType } from '../../src/makefs/sysvbfs.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { Ukfs } from '../../src/ukfs/index.js';
import { mountDisk, type DiskFileSystem } from '../../src/ukfs/mount_disk.js';
import { hostTree } from '../images/host_tree.js';
import { noise } from '../images/material.js';
import { projectRoot } from '../images/project.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { fsckFat, mtool, NO_DOSFSTOOLS } from '../netbsd-compat/dosfstools.js';
import { debugfs, e2fsck, NO_E2FSPROGS } from '../netbsd-compat/e2fsprogs.js';
import { makefsFfs, NO_MAKEFS } from '../netbsd-compat/makefs_ffs.js';
import { DISK_ROWS, type DiskRow } from './disk_rows.js';
import { make, type MakeOptions } from './maker.js';

function treeOf(kind: DiskFileSystem, image: Uint8Array): Tree {
  const host = new SimulatedHost();
  host.replaceFile('/disk', image);
  const { fs, unmount } = mountDisk(kind, { image: '/disk', readOnly: true }, host);
  const tree = ukfsTree(new Ukfs(fs)).filter(({ path }) => path !== 'lost+found');
  unmount();
  return tree;
}

const refusal = (folder: string, options: MakeOptions): string => {
  try {
    make([folder], options);
  } catch (error) {
    if (error instanceof MakefsError) return error.message;
    throw error;
  }
  return 'none';
};

describe('makefs: disks', function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-makefs-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Filled once for all rows that want the same. */
  const sources = new Map<DiskRow['fill'], string>();
  after(() => {
    for (const source of sources.values()) rmSync(source, { recursive: true });
  });
  const sourceOf = ({ fill }: DiskRow): string => {
    let source = sources.get(fill);
    if (source === undefined) {
      source = mkdtempSync(join(tmpdir(), 'lump-source-'));
      fill(source);
      sources.set(fill, source);
    }
    return source;
  };

  for (const row of DISK_ROWS) {
    it(row.name, () => {
      const source = sourceOf(row);
      const wanted = { ...row.make, type: row.type };
      const { bytes, report } = make([source], wanted);
      expect(report.sizeBytes).to.equal(bytes.length);
      if (row.missing === undefined) row.check(bytes);
      else console.log(`      (not checked: ${row.missing})`);
      const expected = row.expected(hostTree(source, { xattrs: row.withXattrs === true }));
      assertSameTree(row.name, expected, treeOf(row.kind, bytes), row.compare);
    });
  }

  it('Debian’s makefs makes the same tree of the same folder', function () {
    if (NO_MAKEFS !== undefined) {
      console.log(`      (skipped: ${NO_MAKEFS})`);
      this.skip();
    }
    const row = DISK_ROWS.find(({ type }) => type === ffsType)!;
    const source = sourceOf(row);
    const ours = make([source], { type: ffsType, options: { version: '1' } }).bytes;
    const theirs = makefsFfs(source, '4m', '-o', 'version=1');
    // It leaves sockets out.
    const found = treeOf(row.kind, ours).filter(({ type }) => type !== 'socket');
    assertSameTree('makefs', treeOf(row.kind, theirs), found, row.compare);
  });

  it('the same tree makes the same bytes', () => {
    writeFileSync(join(folder, 'file'), noise(100_000));
    for (const type of [ext2Type, ffsType, msdosType, sysvbfsType]) {
      const [one, two] = [make([folder], { type }), make([folder], { type })];
      expect(Buffer.from(one.bytes).equals(two.bytes), type.name).to.equal(true);
    }
  });

  it('free blocks and files are left, and not many more', () => {
    for (const type of [ext2Type, ffsType, msdosType, sysvbfsType]) {
      writeFileSync(join(folder, 'file'), noise(100_000));
      const free = { free: { blocks: 200 }, freeFiles: { files: 100 } };
      const { bytes } = make([folder], { type, ...free });
      const { kind } = DISK_ROWS.find((row) => row.type === type)!;
      const host = new SimulatedHost();
      host.replaceFile('/disk', bytes);
      const { fs } = mountDisk(kind, { image: '/disk' }, host);
      const { f_bfree, f_ffree, f_files, ...units } = new Ukfs(fs).statvfs('/');
      const blocks = (f_bfree * units.f_frsize) / units.f_bsize;
      expect(blocks, type.name).to.be.within(200, 260);
      if (f_files > 0) expect(f_ffree, type.name).to.be.at.least(100);
    }
  });

  it('sizes: exact, too small, too large', () => {
    writeFileSync(join(folder, 'file'), noise(100_000));
    const exactly = (size: number) => ({ minimumSizeBytes: size, maximumSizeBytes: size });
    for (const type of [ext2Type, ffsType, msdosType, sysvbfsType]) {
      const { bytes } = make([folder], { type, ...exactly(1_000_000) });
      expect(bytes.length).to.equal(1_000_000);
      expect(refusal(folder, { type, ...exactly(80_000) })).to.match(/does not fit 80000 bytes/);
      expect(refusal(folder, { type, maximumSizeBytes: 90_000 })).to.match(/does not fit/);
    }
    expect(
      refusal(folder, { type: msdosType, options: { fat_type: '12' }, ...exactly(1 << 28) }),
    ).to.match(/too many for FAT12/);
    expect(
      refusal(folder, { type: msdosType, options: { fat_type: '32' }, ...exactly(1 << 20) }),
    ).to.match(/too few for FAT32|does not fit/);
  });

  it('what a type cannot hold is refused, all of it at once', () => {
    mkdirSync(join(folder, 'directory'));
    writeFileSync(join(folder, 'directory/a:b'), '');
    writeFileSync(join(folder, 'Name'), '1');
    writeFileSync(join(folder, 'NAME'), '2');
    symlinkSync('Name', join(folder, 'link'));
    writeFileSync(join(folder, 'a name of fifteen'), '');
    const fat = refusal(folder, { type: msdosType });
    expect(fat).to.match(/msdos cannot hold this tree:\n/);
    expect(fat).to.match(/\.\/link: link; FAT has files and directories/);
    expect(fat).to.match(/directory\/a:b: .*name/);
    expect(fat).to.match(/\.\/Name: to FAT, the same name as \.\/NAME/);
    const bfs = refusal(folder, { type: sysvbfsType });
    expect(bfs).to.match(/\.\/directory: dir; it holds files/);
    expect(bfs).to.match(/a name of fifteen: a name of 17 bytes/);
  });

  it('options are checked', () => {
    const wrong = (type: FileSystemType, options: Record<string, string>): string =>
      refusal(folder, { type, options });
    expect(wrong(msdosType, { fat_type: '17' })).to.match(
      /fat_type: 17: expected one of 12, 16, 32/,
    );
    expect(wrong(msdosType, { sectors_per_cluster: '3' })).to.match(/clusters of 3 sectors/);
    expect(wrong(ext2Type, { bsize: '512' })).to.match(/bsize: 512: .*1024, 2048, 4096/);
    expect(wrong(ext2Type, { label: 'a text of more than 16' })).to.match(/room for 16/);
    expect(wrong(ext2Type, { uuid: '1234' })).to.match(/32 hexadecimal digits/);
    expect(wrong(ffsType, { 'with-xattr': '' })).to.match(/UFS1 has no .*; set version=2/);
    expect(wrong(sysvbfsType, { inodes: '0' })).to.match(/inodes: 0: expected a number from 1/);
  });

  it('says how many access lists UFS2 does not get', function () {
    if (spawnSync('setfacl', ['-m', 'u:5:rw', folder]).status !== 0) {
      console.log('      (skipped: setfacl, or the host’s file system, has none)');
      this.skip();
    }
    const options = { version: '2', 'with-xattr': true } as const;
    expect(make([folder], { type: ffsType, options }).notes).to.deep.equal([
      '1 access list left out: ffs has none',
    ]);
  });

  it('links of FAT are copies; what is no file can be left out', () => {
    writeFileSync(join(folder, 'file'), noise(5000));
    linkSync(join(folder, 'file'), join(folder, 'other name'));
    symlinkSync('file', join(folder, 'link'));
    const { bytes, notes } = make([folder], { type: msdosType, options: { 'leave-out': true } });
    expect(notes).to.deep.equal(['./link: link; FAT has files and directories; it is left out']);
    const { kind } = DISK_ROWS.find(({ type }) => type === msdosType)!;
    expect(treeOf(kind, bytes).map(({ path, sha256 }) => [path, sha256?.length])).to.deep.equal([
      ['.', undefined],
      ['file', 64],
      ['other name', 64],
    ]);
    if (NO_DOSFSTOOLS === undefined) fsckFat(bytes);
    else console.log(`      (not checked: ${NO_DOSFSTOOLS})`);
  });

  it('the labels are where other programs look for them', function () {
    if (NO_DOSFSTOOLS !== undefined || NO_E2FSPROGS !== undefined) {
      console.log(`      (skipped: ${NO_DOSFSTOOLS ?? NO_E2FSPROGS})`);
      this.skip();
    }
    const label = { volume_label: 'Card 7', volume_id: '0xcafef00d' };
    const fat = make([folder], { type: msdosType, options: label }).bytes;
    const listing = mtool(fat, 'mdir', '::').stdout.toString();
    expect(listing).to.include('is CARD 7').and.to.include('CAFE-F00D');
    const uuid = '01234567-89ab-cdef-0123-456789abcdef';
    const ext2 = make([folder], { type: ext2Type, options: { label: 'a label', uuid } }).bytes;
    const stats = debugfs(ext2, 'stats -h');
    expect(stats)
      .to.match(/volume name: +a label/)
      .and.to.include(uuid);
  });

  describe('makefs, the program', () => {
    const run = (...words: readonly string[]): { status: number | null; stderr: string } =>
      spawnSync(process.execPath, [join(projectRoot(), 'bin/makefs'), ...words], {
        encoding: 'utf8',
        env: { ...process.env, SOURCE_DATE_EPOCH: '1600000000' },
      });

    it('makes a sparse image; one within a file leaves the rest of it', () => {
      const source = join(folder, 'source');
      const image = join(folder, 'disk.img');
      mkdirSync(source);
      writeFileSync(join(source, 'large'), '');
      truncateSync(join(source, 'large'), 40 << 20);
      const { status, stderr } = run('-t', 'ext2', image, source);
      expect(stderr).to.equal('');
      expect(status).to.equal(0);
      const { size, blocks } = statSync(image);
      expect(size).to.be.greaterThan(40 << 20);
      expect(blocks * 512).to.be.lessThan(4 << 20);
      rmSync(join(source, 'large'));
      writeFileSync(join(source, 'small'), noise(1000));
      const within = join(folder, 'within.img');
      writeFileSync(within, new Uint8Array(3 << 20).fill(0xa5));
      expect(run('-t', 'ext2', '-O', '1m', '-s', '1m', within, source).stderr).to.equal('');
      const bytes = readFileSync(within);
      expect(bytes.length).to.equal(3 << 20);
      for (const part of [bytes.subarray(0, 1 << 20), bytes.subarray(2 << 20)]) {
        expect(part.every((byte) => byte === 0xa5)).to.equal(true);
      }
      if (NO_E2FSPROGS === undefined) e2fsck(new Uint8Array(bytes.subarray(1 << 20, 2 << 20)));
      else console.log(`      (not checked: ${NO_E2FSPROGS})`);
    });

    it('says what is wrong', () => {
      writeFileSync(join(folder, 'file'), '');
      const image = `${folder}.img`;
      expect(run('-t', 'ext2', '-B', 'be', image, folder).stderr).to.match(/ext2 has no such/);
      expect(run('-t', 'ext2', '-S', '600', image, folder).stderr).to.match(/-S 600: expected 512/);
      const piped = spawnSync(
        process.execPath,
        [join(projectRoot(), 'bin/makefs'), '-t', 'ext2', '-', folder],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
      );
      expect(piped.stderr).to.match(/cannot be written to standard output/);
    });
  });
});
