/**
 * ffs: images of makefs (UFS1 and UFS2, either byte order) are read exactly, and what we write is
 * found clean by ffs_check.ts, which finds makefs's images clean, too. The Linux kernel's view is
 * in test/kernel/disks.ktest.ts.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { mkfsFfs } from '../../src/netbsd-compat/drivers/ffs/mkfs.js';
import { FFS_LAYOUTS } from '../../src/netbsd-compat/drivers/ffs/medium.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { type Ukfs, UkfsError } from '../../src/ukfs/index.js';
import type { MountDiskOptions } from '../../src/ukfs/mount_disk.js';
import { FFS } from '../../src/ukfs/mount_ffs.js';
import { hostTree } from '../images/host_tree.js';
import { noise } from '../images/material.js';
import { makeTree } from '../images/source_tree.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { withImage } from './e2fsprogs.js';
import { ffsFindings, fsckFfs } from './ffs_check.js';
import { exerciseMutants } from './hostile.js';
import { blankFfs, makefsFfs, memoryDisk, NO_MAKEFS } from './makefs_ffs.js';
import { crashAfterSync, mounterOf } from './rig.js';

const MUTANTS = Number(process.env.LUMP_MUTANTS ?? 60);

/** Version and byte order. */
const KINDS = [
  [1, 'le'],
  [1, 'be'],
  [2, 'le'],
  [2, 'be'],
] as const;

const mount = mounterOf(FFS);

/** A byte of the superblock, or 32 bits, put to another value. */
function withField(
  image: Uint8Array,
  sblock: number,
  name: keyof (typeof FFS_LAYOUTS)['le']['fs'],
  value: number,
): Uint8Array {
  const changed = image.slice();
  FFS_LAYOUTS.le.fs[name].put(changed, sblock, value);
  return changed;
}

describe('netbsd-compat: ffs medium', () => {
  it('fields lie where the format has them', () => {
    const { fs, csum, cg, ufs1_dinode, ufs2_dinode, direct } = FFS_LAYOUTS.be;
    const offsets = (fields: Readonly<Record<string, { at: number }>>): number[] =>
      Object.values(fields).map(({ at }) => at);
    expect(offsets(fs)).to.deep.equal([
      8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 68, 72, 76, 80, 84, 88, 92, 96, 100,
      104, 116, 120, 124, 128, 132, 136, 144, 148, 152, 156, 160, 168, 172, 176, 180, 184, 188, 192,
      196, 200, 204, 208, 209, 210, 211, 680, 724, 860, 864, 865, 1000, 1008, 1016, 1024, 1032,
      1072, 1080, 1088, 1096, 1116, 1196, 1200, 1308, 1312, 1316, 1320, 1324, 1328, 1336, 1344,
      1356, 1360, 1372,
    ]);
    expect(offsets(csum)).to.deep.equal([0, 4, 8, 12]);
    expect(offsets(cg)).to.deep.equal([
      4, 8, 12, 16, 18, 20, 24, 28, 32, 36, 40, 44, 48, 52, 84, 88, 92, 96, 100, 104, 108, 112, 116,
      120, 136,
    ]);
    expect(offsets(ufs1_dinode)).to.deep.equal([
      0, 2, 4, 8, 16, 20, 24, 28, 32, 36, 40, 100, 104, 108, 112, 116,
    ]);
    expect(offsets(ufs2_dinode)).to.deep.equal([
      0, 2, 4, 8, 12, 16, 24, 32, 40, 48, 56, 64, 68, 72, 76, 80, 88, 92, 96, 112,
    ]);
    expect(offsets(direct)).to.deep.equal([0, 4, 6, 7, 6]);
  });

  it('64-bit numbers, either byte order and sign', () => {
    const b = new Uint8Array(8);
    for (const value of [0, 1, -1, 2 ** 32, -(2 ** 32) - 5, 2 ** 52 + 3, 0x1_8000_0001]) {
      for (const order of ['le', 'be'] as const) {
        FFS_LAYOUTS[order].i64.put(b, 0, value);
        expect(FFS_LAYOUTS[order].i64.get(b, 0)).to.equal(value);
        const view = new DataView(b.buffer);
        expect(Number(view.getBigInt64(0, order === 'le'))).to.equal(value);
      }
    }
  });
});

describe('netbsd-compat: ffs', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lump-ffs-'));
  const source = join(folder, 'source');
  let wanted: Tree;
  before(() => {
    mkdirSync(source);
    makeTree(source);
    writeFileSync(join(source, 'large'), noise(1_300_000, 1));
    // With blocks of 4 KiB, through two levels of pointer blocks.
    const far = openSync(join(source, 'far'), 'w');
    writeSync(far, Buffer.from('far'), 0, 3, 4_400_000);
    ftruncateSync(far, 4_500_000);
    closeSync(far);
    symlinkSync('t'.repeat(59), join(source, 'links/59'));
    symlinkSync('t'.repeat(60), join(source, 'links/60'));
    symlinkSync('t'.repeat(119), join(source, 'links/119'));
    symlinkSync('t'.repeat(120), join(source, 'links/120'));
    // makefs knows none.
    rmSync(join(source, 'special/socket'), { force: true });
    wanted = hostTree(source);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** Changes of every kind. */
  function change(ukfs: Ukfs): void {
    ukfs.writeFile('/new', new Uint8Array(300_000).fill(65));
    ukfs.mkdir('/directory/made');
    for (let i = 0; i < 300; i++) ukfs.writeFile(`/directory/made/file number ${i}`, `${i}`);
    for (let i = 0; i < 300; i += 2) ukfs.unlink(`/directory/made/file number ${i}`);
    ukfs.rename('/directory/nested', '/names/nested');
    ukfs.rename('/many/7', '/many/8');
    ukfs.link('/hello', '/many/hello');
    ukfs.symlink('x'.repeat(200), '/links/long');
    ukfs.mknod('/special/large', 0o020600, 0x12345678);
    ukfs.truncate('/zeros', 100);
    ukfs.truncate('/sparse', 5_000_000);
    ukfs.truncate('/large', 700_001);
    ukfs.chown('/shell', 100_000, 200_000);
    ukfs.utimes('/shell', 2_000_000_000.25, 1_500_000_000.5);
    ukfs.unlink('/half and half');
    ukfs.unlink('/far');
  }

  if (NO_MAKEFS !== undefined) it(`(skipped: ${NO_MAKEFS})`);
  else {
    const MADE = [
      [1, 'le', 'bsize=4096,fsize=512'],
      [1, 'be', 'bsize=8192,fsize=1024'],
      [1, 'be', 'bsize=16384,fsize=16384'],
      [2, 'le', 'bsize=8192,fsize=1024'],
      [2, 'le', 'bsize=16384,fsize=16384'],
      [2, 'be', 'bsize=4096,fsize=512'],
    ] as const;
    for (const [version, order, blocks] of MADE) {
      const name = `UFS${version} ${order}, ${blocks}`;
      it(`reads what makefs made, exactly, and what is changed stays clean: ${name}`, () => {
        const options = `version=${version},density=8192,maxbpcg=700,${blocks}`;
        const image = makefsFfs(source, '16m', '-B', order, '-o', options);
        fsckFfs(image);
        const reading = mount(image, { readOnly: true });
        assertSameTree(name, wanted, ukfsTree(reading.ukfs), {
          ignore: ['xattrs', 'ctime', 'atime'],
          ignoreAtRoot: ['nlink', 'mtime', 'mode', 'uid', 'gid'],
        });
        reading.unmount();
        expect(Buffer.from(reading.image()).equals(image), 'nothing is written').to.equal(true);

        const writing = mount(image);
        expect(writing.report).to.deep.equal([]);
        change(writing.ukfs);
        const expected = ukfsTree(writing.ukfs);
        writing.unmount();
        fsckFfs(writing.image());
        const again = mount(writing.image(), { readOnly: true });
        assertSameTree('mounted again', expected, ukfsTree(again.ukfs), { ignore: ['xattrs'] });
        again.unmount();
      });
    }
  }

  it('formats what the checker finds clean: sizes of blocks, fragments, groups', () => {
    for (const [version, byteOrder] of KINDS) {
      for (const bsize of [4096, 8192, 32768, 65536]) {
        for (const frag of [1, 2, 8]) {
          const image = new Uint8Array((6 << 20) + 12_345);
          image.fill(0xee);
          const options = { version, byteOrder, bsize, fsize: bsize / frag, nowSec: 1 };
          const { freeFragments, freeInodes, size } = mkfsFfs(memoryDisk(image), options);
          expect(ffsFindings(image), `${version} ${byteOrder} ${bsize}/${frag}`).to.deep.equal([]);
          const { ukfs, unmount } = mount(image);
          const { f_bfree, f_ffree } = ukfs.statvfs('/');
          expect([f_bfree, f_ffree]).to.deep.equal([freeFragments, freeInodes]);
          expect(size * (bsize / frag)).to.be.at.most(image.length);
          unmount();
        }
      }
    }
    const tooSmall = (): unknown => blankFfs(100_000);
    expect(tooSmall).to.throw(/100000 bytes are too few for an FFS with blocks of 8192 bytes/);
    expect(() => blankFfs(1 << 20, { bsize: 5000 })).to.throw(/block of 5000 bytes/);
    expect(() => blankFfs(1 << 20, { fsize: 512 })).to.throw(/fragments of 512 bytes/);
  });

  for (const [version, byteOrder] of KINDS) {
    it(`random operations until it is full, and a model: UFS${version} ${byteOrder}`, function () {
      this.timeout(60_000);
      const seed = Number(process.env.LUMP_SEED ?? 1);
      const prng = new Prng(seed);
      const blank = blankFfs(3 << 20, { version, byteOrder, maxbpcg: 120, bsize: 8192 });
      const { ukfs, unmount, image } = mount(blank);
      const model = new Map<string, Uint8Array>();
      const attempt = (call: () => void): boolean => {
        try {
          call();
          return true;
        } catch (error) {
          if (error instanceof UkfsError && error.code === 'ENOSPC') return false;
          throw error;
        }
      };
      for (let i = 0; i < 500; i++) {
        const name = `/${'n'.repeat(prng.below(40))}${prng.below(40)}`;
        const old = model.get(name) ?? new Uint8Array(0);
        const kind = prng.below(8);
        if (kind === 0 && model.has(name)) {
          ukfs.unlink(name);
          model.delete(name);
        } else if (kind === 1 && model.has(name)) {
          const size = prng.below(prng.below(3) === 0 ? 400_000 : 12_000);
          if (!attempt(() => ukfs.truncate(name, size))) continue;
          const cut = new Uint8Array(size);
          cut.set(old.subarray(0, size));
          model.set(name, cut);
        } else if (kind >= 2) {
          const at = kind < 5 ? old.length : prng.below(kind === 7 ? 300_000 : 20_000);
          const bytes = new Uint8Array(1 + prng.below(kind === 7 ? 200_000 : 3000)).fill(i);
          if (!attempt(() => ukfs.close(ukfs.open(name, 'a')))) continue;
          const fd = ukfs.open(name, 'r+');
          let done = 0;
          // All of it, a part, or nothing.
          attempt(() => {
            done = ukfs.write(fd, bytes, 0, bytes.length, at);
          });
          ukfs.close(fd);
          const now = new Uint8Array(done === 0 ? old.length : Math.max(old.length, at + done));
          now.set(old);
          if (done > 0) now.set(bytes.subarray(0, done), at);
          model.set(name, now);
        }
      }
      for (const [name, bytes] of model) {
        const isSame = Buffer.from(ukfs.readFile(name)).equals(bytes);
        expect(isSame, `LUMP_SEED=${seed} ${name}`).to.equal(true);
      }
      unmount();
      expect(ffsFindings(image()), `LUMP_SEED=${seed}`).to.deep.equal([]);
    });
  }

  it('the checker sees what is wrong', () => {
    const { ukfs, unmount, image } = mount(blankFfs(2 << 20));
    ukfs.writeFile('/file', new Uint8Array(5000));
    unmount();
    const good = image();
    expect(ffsFindings(good)).to.deep.equal([]);
    for (const [name, value] of [
      ['nbfree', 12345],
      ['nffree', 12345],
      ['clean', 0],
    ] as const) {
      expect(ffsFindings(withField(good, 65536, name, value))).to.have.lengthOf(1);
    }
    // The link count of /file, which is the first inode that was made.
    const linked = good.slice();
    const inodes = FFS_LAYOUTS.le.fs.iblkno.get(good, 65536) * 1024;
    FFS_LAYOUTS.le.ufs2_dinode.nlink.put(linked, inodes + 3 * 256, 2);
    expect(ffsFindings(linked)).to.deep.equal(['link count of inode 3 is 2, not 1']);
  });

  it('sleuthkit reads what we wrote', function () {
    if (spawnSync('fls', ['-V']).error !== undefined) {
      console.log('        (skipped: fls is missing (package sleuthkit))');
      this.skip();
    }
    for (const [version, byteOrder] of KINDS) {
      // It does not know UFS2 with the other byte order.
      if (version === 2 && byteOrder === 'be') continue;
      const { ukfs, unmount, image } = mount(blankFfs(8 << 20, { version, byteOrder }));
      const bytes = noise(700_000, 3);
      ukfs.mkdir('/dir');
      ukfs.writeFile('/dir/big', bytes);
      const { ino } = ukfs.stat('/dir/big');
      unmount();
      withImage(image(), (path) => {
        const listing = spawnSync('fls', ['-rp', path], { encoding: 'utf8' }).stdout;
        expect(listing).to.include('d/d').and.include('dir/big');
        const found = spawnSync('icat', [path, `${ino}`], { maxBuffer: 1 << 20 }).stdout;
        expect(found.equals(bytes), `UFS${version} ${byteOrder}`).to.equal(true);
      });
    }
  });

  it('says why it only reads, or does not', () => {
    const unclean = mount(blankFfs(2 << 20));
    unclean.ukfs.writeFile('/file', 'x');
    unclean.ukfs.sync();
    const crashed = unclean.image();
    unclean.unmount();
    const said = (image: Uint8Array, options: Partial<MountDiskOptions> = {}): string => {
      const mounted = mount(image, options);
      mounted.ukfs.readdir('/');
      mounted.unmount();
      return mounted.report.join();
    };
    expect(said(crashed)).to.equal(
      "read-only: it was not unmounted cleanly: run its system's fsck_ffs, or use force",
    );
    expect(said(crashed, { force: true })).to.equal('');
    // Soft updates with a journal, and WAPBL: not even with force.
    const suj = withField(crashed, 65536, 'flags', 0x0a);
    expect(said(suj, { force: true })).to.include('its journal of soft updates must be replayed');
    let wapbl = withField(crashed, 65536, 'flags', 0x40);
    wapbl = withField(wapbl, 65536, 'journal_version', 1);
    wapbl = withField(wapbl, 65536, 'journal_location', 1);
    expect(said(wapbl, { force: true })).to.include('its journal (WAPBL) must be replayed');
    // Its journal is not needed, and must not be replayed later over what is written now.
    const closed = mount(withField(wapbl, 65536, 'clean', 1));
    expect(closed.readOnly).to.equal(false);
    closed.unmount();
    expect(FFS_LAYOUTS.le.fs.flags.get(closed.image(), 65536)).to.equal(0);
    const blank = blankFfs(2 << 20);
    expect(said(withField(blank, 65536, 'snapinum', 4))).to.include('it has snapshots');
    expect(said(blank.slice(0, blank.length - 8192))).to.include('the last 8192 bytes of it');
    const old = withField(blankFfs(2 << 20, { version: 1 }), 8192, 'old_flags', 0);
    expect(said(old)).to.include('rotational positions');
    expect(() => mount(new Uint8Array(1 << 20))).to.throw('/disk has no ffs file system');
    const damaged = withField(blank, 65536, 'fpg', 12);
    expect(() => mount(damaged)).to.throw('the superblock is damaged: 1 groups of 12 fragments');
  });

  it('gives up checksums of metadata that it does not keep', () => {
    let image = withField(blankFfs(2 << 20), 65536, 'flags', 0x200);
    image = withField(image, 65536, 'metackhash', 3);
    const { ukfs, unmount, image: now } = mount(image);
    ukfs.writeFile('/file', '');
    unmount();
    expect(FFS_LAYOUTS.le.fs.flags.get(now(), 65536)).to.equal(0);
    expect(FFS_LAYOUTS.le.fs.metackhash.get(now(), 65536)).to.equal(0);
  });

  it('file flags are kept, and do what they say', () => {
    const refused = (call: () => unknown): void => {
      expect(call).to.throw(/EPERM/);
    };
    for (const [version, byteOrder] of KINDS) {
      const { ukfs, unmount, image } = mount(blankFfs(2 << 20, { version, byteOrder }));
      ukfs.writeFile('/fixed', 'x');
      ukfs.writeFile('/log', 'x');
      ukfs.mkdir('/dir');
      ukfs.chflags('/fixed', 0x20001);
      ukfs.chflags('/log', 0x4);
      ukfs.chflags('/dir', 0x2);
      unmount();
      fsckFfs(image());
      const again = mount(image());
      const fs = again.ukfs;
      expect(fs.stat('/fixed').flags).to.equal(0x20001);
      refused(() => fs.writeFile('/fixed', 'y'));
      refused(() => fs.unlink('/fixed'));
      refused(() => fs.rename('/fixed', '/other'));
      refused(() => fs.chmod('/fixed', 0o600));
      refused(() => fs.link('/fixed', '/second'));
      refused(() => fs.writeFile('/dir/new', ''));
      refused(() => fs.truncate('/log', 0));
      const log = fs.open('/log', 'a');
      fs.write(log, new Uint8Array([65]));
      fs.close(log);
      expect(Buffer.from(fs.readFile('/log')).toString()).to.equal('xA');
      refused(() => fs.chflags('/fixed', 0x200000));
      fs.chflags('/fixed', 0);
      fs.unlink('/fixed');
      again.unmount();
      fsckFfs(again.image());
    }
  });

  for (const backend of ['sync', 'async', 'window'] as const) {
    it(`a crash after fsync keeps what was synced: ${backend}`, () => {
      const image = crashAfterSync(FFS, blankFfs(4 << 20), backend);
      // Consistent, and marked as what fsck_ffs has to look at.
      expect(ffsFindings(image)).to.deep.equal(['fs_clean is 0, not 1']);
    });
  }

  it('times beyond 2038 and before 1970, and of birth, on UFS2', () => {
    const { ukfs, unmount, image } = mount(blankFfs(2 << 20));
    ukfs.writeFile('/file', '');
    ukfs.utimes('/file', 5_000_000_000, -1_000_000_000);
    unmount();
    const again = mount(image());
    const { atimeMs, mtimeMs, birthtimeMs } = again.ukfs.stat('/file');
    expect([atimeMs, mtimeMs]).to.deep.equal([5e12, -1e12]);
    expect(birthtimeMs).to.be.at.least(Date.UTC(2035, 0, 1));
    again.unmount();
  });

  /** The area of inode 3's attributes, and where the inode is, of an image with one group. */
  function attributesOf(image: Uint8Array, byteOrder: 'le' | 'be'): [area: number, inode: number] {
    const { fs, ufs2_dinode } = FFS_LAYOUTS[byteOrder];
    const fsize = fs.fsize.get(image, 65536);
    const inode = fs.iblkno.get(image, 65536) * fsize + 3 * 256;
    return [ufs2_dinode.extb.get(image, inode) * fsize, inode];
  }

  it("extended attributes of UFS2 lie as FreeBSD's fs(5) has them, in either byte order", () => {
    for (const byteOrder of ['le', 'be'] as const) {
      const { ukfs, unmount, image } = mount(blankFfs(4 << 20, { byteOrder }));
      ukfs.writeFile('/file', 'x');
      ukfs.setxattr('/file', 'user.a', 'hello');
      ukfs.setxattr('/file', 'trusted.nine bytes', '12345678');
      ukfs.setxattr('/file', 'security.x', '');
      unmount();
      const bytes = image();
      fsckFfs(bytes);
      const [area, inode] = attributesOf(bytes, byteOrder);
      const length = (n: number): string => {
        const hex = n.toString(16).padStart(2, '0');
        return byteOrder === 'le' ? `${hex}000000` : `000000${hex}`;
      };
      const hex = (text: string): string => Buffer.from(text).toString('hex');
      const records = [
        // Length, name space, padding behind the value, length of the name, the name, the value.
        `${length(16)}010301${hex('a')}${hex('hello')}000000`,
        `${length(32)}02000a${hex('nine bytes')}${'00'.repeat(7)}${hex('12345678')}`,
        `${length(24)}02000a${hex('security.x')}${'00'.repeat(7)}`,
      ].join('');
      const found = Buffer.from(bytes.subarray(area, area + records.length / 2));
      expect(found.toString('hex')).to.equal(records);
      expect(FFS_LAYOUTS[byteOrder].ufs2_dinode.extsize.get(bytes, inode)).to.equal(72);
    }
  });

  it('attributes of a BSD: names without a prefix, unknown name spaces, and damage', () => {
    const { ukfs, unmount, image } = mount(blankFfs(4 << 20));
    ukfs.writeFile('/file', 'x');
    ukfs.setxattr('/file', 'trusted.posix1e.acl_access', 'list');
    ukfs.setxattr('/file', 'user.other', 'space');
    ukfs.setxattr('/file', 'trusted.trusted.x', 'twice');
    unmount();
    const bytes = image();
    const [area, inode] = attributesOf(bytes, 'le');
    expect(Buffer.from(bytes.subarray(area + 7, area + 25)).toString()).to.equal(
      'posix1e.acl_access',
    );
    // The second one is of a name space that nobody knows: it is not shown, and kept.
    bytes[area + 40 + 4] = 77;
    const strange = mount(bytes);
    expect(strange.ukfs.listxattr('/file').sort()).to.deep.equal([
      'trusted.posix1e.acl_access',
      'trusted.trusted.x',
    ]);
    strange.ukfs.setxattr('/file', 'trusted.posix1e.acl_access', 'another list');
    strange.ukfs.removexattr('/file', 'trusted.trusted.x');
    expect(() => strange.ukfs.setxattr('/file', 'user.large', new Uint8Array(20_000))).to.throw(
      /ENOSPC/,
    );
    strange.unmount();
    const kept = Buffer.from(strange.image());
    const record = kept.indexOf('other\0\0\0\0space') - 7;
    expect(record).to.be.greaterThan(0);
    expect(kept[record + 4], 'its name space').to.equal(77);
    for (const [at, value] of [
      [area, 41],
      [area, 0],
      [area + 3, 1],
      [area + 5, 200],
      [area + 6, 0],
      [inode + 94, 200],
      [inode + 97, 200],
    ] as const) {
      const lying = bytes.slice();
      lying[at] = value;
      const { ukfs: damaged, unmount: end } = mount(lying, { readOnly: true });
      expect(() => damaged.listxattr('/file'), `byte ${at}`).to.throw(/EIO/);
      expect(Buffer.from(damaged.readFile('/file')).toString()).to.equal('x');
      end();
    }
  });

  it('attributes in fragments, in two blocks, on every kind of inode, on a volume that fills', () => {
    const { ukfs, unmount, image } = mount(blankFfs(2 << 20));
    const next = new Prng(5);
    const model = new Map<string, Map<string, string>>();
    ukfs.symlink('x', '/link');
    ukfs.mknod('/fifo', 0o010644);
    ukfs.mkdir('/dir');
    ukfs.writeFile('/file', 'x');
    for (const path of ['/link', '/fifo', '/dir', '/file']) model.set(path, new Map());
    for (let i = 0; i < 300; i++) {
      const path = [...model.keys()][next.below(model.size)]!;
      const names = model.get(path)!;
      const name = `trusted.${'n'.repeat(1 + next.below(9))}`;
      if (next.below(4) === 0 && names.has(name)) {
        ukfs.removexattr(path, name, false);
        names.delete(name);
        continue;
      }
      const value = 'v'.repeat(next.below(next.below(3) === 0 ? 6000 : 40));
      try {
        ukfs.setxattr(path, name, value, 0, false);
        names.set(name, value);
      } catch (error) {
        expect((error as UkfsError).code).to.equal('ENOSPC');
      }
    }
    const compare = (fs: Ukfs): void => {
      for (const [path, names] of model) {
        expect(fs.listxattr(path, false).sort(), path).to.deep.equal([...names.keys()].sort());
        for (const [name, value] of names) {
          expect(Buffer.from(fs.getxattr(path, name, false)).toString()).to.equal(value);
        }
      }
    };
    compare(ukfs);
    unmount();
    fsckFfs(image());
    const again = mount(image());
    compare(again.ukfs);
    again.ukfs.unlink('/file');
    again.ukfs.rmdir('/dir');
    again.unmount();
    fsckFfs(again.image());
  });

  it(`${MUTANTS} images with wrong bytes: results or errors only`, function () {
    this.timeout(600_000);
    for (const [version, byteOrder] of [KINDS[0], KINDS[3]]) {
      const blank = blankFfs(512 << 10, { version, byteOrder, bsize: 4096, density: 8192 });
      const { ukfs, unmount, image } = mount(blank);
      for (const name of ['a', 'b', 'c']) ukfs.writeFile(`/${name}`, name.repeat(25_000));
      ukfs.mkdir('/d');
      ukfs.mkdir('/d/e');
      ukfs.mkdir('/d/e/f');
      ukfs.writeFile('/d/e/file', 'x');
      ukfs.symlink('d/e', '/link');
      ukfs.symlink('long'.repeat(50), '/long');
      if (version === 2) {
        ukfs.setxattr('/a', 'user.short', 'a value');
        ukfs.setxattr('/a', 'user.long', 'b'.repeat(5000));
        ukfs.setxattr('/link', 'trusted.x', 'of a link', 0, false);
        ukfs.setxattr('/d/e', 'user.x', 'of a directory');
      }
      unmount();
      exerciseMutants(FFS, image(), Math.ceil(MUTANTS / 2));
    }
  });
});
