/** sysvbfs, on volumes of mkfs.bfs; Linux judges it in test/kernel/disks.ktest.ts. */
import { expect } from 'chai';
import { BFS_BE, BFS_LE } from '../../src/netbsd-compat/drivers/sysvbfs/medium.js';
import { Prng } from '../../src/rumpuser/prng.js';
import type { Ukfs } from '../../src/ukfs/index.js';
import { SYSVBFS } from '../../src/ukfs/mount_sysvbfs.js';
import { checkBfs, mkfsBfs, NO_MKFS_BFS } from './bfs.js';
import { exerciseMutants } from './hostile.js';
import { bytes, code, mounterOf } from './rig.js';

const MUTANTS = Number(process.env.LUMP_MUTANTS ?? 60);

const mount = mounterOf(SYSVBFS);

/** The same volume in the other byte order. */
function swapped(image: Uint8Array): Uint8Array {
  const other = image.slice();
  const view = new DataView(other.buffer);
  const inodesEnd = view.getUint32(4, true);
  const first = view.getUint32(516, true);
  const last = view.getUint32(520, true);
  const swap32 = (at: number): void => view.setUint32(at, view.getUint32(at, true), false);
  const swap16 = (at: number): void => view.setUint16(at, view.getUint16(at, true), false);
  for (let at = 0; at < 28; at += 4) swap32(at);
  for (let inode = 512; inode + 64 <= inodesEnd; inode += 64) {
    swap16(inode);
    for (let at = 4; at < 48; at += 4) swap32(inode + at);
  }
  for (let at = first * 512; at < (last + 1) * 512; at += 16) swap16(at);
  return other;
}

describe('netbsd-compat: BFS medium', () => {
  it('fields lie where the format has them', () => {
    for (const { super: sb, inode, dirent } of [BFS_LE, BFS_BE]) {
      const offsets = (fields: Readonly<Record<string, { at: number }>>): number[] =>
        Object.values(fields).map(({ at }) => at);
      expect(offsets(sb)).to.deep.equal([0, 4, 8, 12, 16, 20, 24, 28, 34]);
      expect(offsets(inode)).to.deep.equal([0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44]);
      expect(offsets(dirent)).to.deep.equal([0, 2]);
    }
  });
});

describe('netbsd-compat: sysvbfs', () => {
  if (NO_MKFS_BFS !== undefined) {
    it(`(skipped: ${NO_MKFS_BFS})`);
    return;
  }

  const BLANKS: Readonly<Record<string, () => Uint8Array>> = {
    'little endian': () => mkfsBfs(256 * 1024, '-N', '64'),
    'big endian': () => swapped(mkfsBfs(256 * 1024, '-N', '64')),
    'inodes that end within a block': () => mkfsBfs(256 * 1024, '-N', '61'),
  };

  for (const [name, blank] of Object.entries(BLANKS)) {
    it(`what was written is there again: ${name}`, () => {
      const { ukfs, unmount, image } = mount(blank());
      expect(ukfs.readdir('/')).to.deep.equal([]);
      ukfs.writeFile('/unix', bytes(70_000));
      ukfs.writeFile('/fourteen bytes', bytes(513, 2));
      ukfs.writeFile('/empty', '');
      ukfs.writeFile('/boot', 'old');
      ukfs.writeFile('/gone', bytes(2000));
      ukfs.unlink('/gone');
      ukfs.rename('/unix', '/boot');
      ukfs.link('/boot', '/linked');
      ukfs.chown('/boot', 70_000, 80_000);
      ukfs.chmod('/boot', 0o4751);
      ukfs.utimes('/boot', 1_000_000_000, 4_000_000_000);
      unmount();
      checkBfs(image());
      const before = image().slice();
      const again = mount(image(), { readOnly: true });
      expect(again.ukfs.readdir('/').sort()).to.deep.equal([
        'boot',
        'empty',
        'fourteen bytes',
        'linked',
      ]);
      expect(again.ukfs.readFile('/linked')).to.deep.equal(bytes(70_000));
      expect(again.ukfs.readFile('/fourteen bytes')).to.deep.equal(bytes(513, 2));
      expect(again.ukfs.stat('/empty').size).to.equal(0);
      const { mode, uid, gid, nlink, atime, mtime } = again.ukfs.stat('/boot');
      expect([mode, uid, gid, nlink]).to.deep.equal([0o104751, 70_000, 80_000, 2]);
      expect([atime.sec, mtime.sec]).to.deep.equal([1_000_000_000, 4_000_000_000]);
      again.unmount();
      expect(Buffer.from(again.image()).equals(before), 'nothing is written').to.equal(true);
    });
  }

  it('what BFS cannot have is refused', () => {
    const { ukfs, unmount, image } = mount(mkfsBfs(64 * 1024, '-N', '8'));
    ukfs.writeFile('/file', 'x');
    expect(code(() => ukfs.mkdir('/dir'))).to.equal('ENOTSUP');
    expect(code(() => ukfs.symlink('file', '/link'))).to.equal('ENOTSUP');
    expect(code(() => ukfs.mknod('/fifo', 0o010644))).to.equal('ENOTSUP');
    expect(code(() => ukfs.mkdir('/file'))).to.equal('EEXIST');
    expect(code(() => ukfs.writeFile('/fifteen letters', ''))).to.equal('ENAMETOOLONG');
    expect(code(() => ukfs.writeFile('/file/x', ''))).to.equal('ENOTDIR');
    expect(code(() => ukfs.truncate('/file', 1 << 20))).to.equal('ENOSPC');
    expect(code(() => ukfs.truncate('/file', 2 ** 32))).to.equal('EFBIG');
    for (let i = 0; i < 6; i++) ukfs.writeFile(`/${i}`, '');
    expect(code(() => ukfs.writeFile('/one more', ''))).to.equal('ENOSPC');
    expect(ukfs.exists('/one more')).to.equal(false);
    unmount();
    checkBfs(image());
  });

  it('moves files when no gap is wide enough, and uses all there is', () => {
    const { ukfs, unmount, image } = mount(mkfsBfs(128 * 1024, '-N', '48'));
    const { f_blocks } = ukfs.statvfs('/');
    for (let i = 0; i < 20; i++) ukfs.writeFile(`/${i}`, bytes(5 * 512, i));
    for (let i = 0; i < 20; i += 2) ukfs.unlink(`/${i}`);
    // Wider than any gap.
    ukfs.writeFile('/wide', bytes(100 * 512, 99));
    // The first file, and all that is left: the others go behind it.
    const { f_bfree } = ukfs.statvfs('/');
    ukfs.writeFile('/1', bytes((f_bfree + 5) * 512, 77));
    expect(ukfs.statvfs('/').f_bfree).to.equal(0);
    expect(f_blocks).to.be.greaterThan(200);
    expect(code(() => ukfs.writeFile('/3', bytes(6 * 512)))).to.equal('ENOSPC');
    const check = (fs: Ukfs): void => {
      expect(fs.readFile('/wide')).to.deep.equal(bytes(100 * 512, 99));
      expect(fs.readFile('/1')).to.deep.equal(bytes((f_bfree + 5) * 512, 77));
      for (let i = 5; i < 20; i += 2) {
        expect(fs.readFile(`/${i}`), `${i}`).to.deep.equal(bytes(5 * 512, i));
      }
    };
    check(ukfs);
    unmount();
    checkBfs(image());
    check(mount(image(), { readOnly: true }).ukfs);
  });

  it('seeded operations, beside a table of files', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const prng = new Prng(seed);
      const { ukfs, unmount, image } = mount(mkfsBfs(64 * 1024, '-N', '16'));
      const files = new Map<string, Uint8Array>();
      const put = (name: string, content: Uint8Array): void => {
        const had = files.get(name)?.length ?? 0;
        const refusal = code(() => ukfs.writeFile(`/${name}`, content));
        if (refusal === 'none') {
          files.set(name, content);
          return;
        }
        expect(refusal, `seed ${seed}`).to.equal('ENOSPC');
        const free = ukfs.statvfs('/');
        const isFull = free.f_ffree === 0 || free.f_bfree * 512 < content.length;
        expect(isFull, `seed ${seed}: ${content.length} bytes where there were ${had}`).to.equal(
          true,
        );
        if (ukfs.exists(`/${name}`)) files.set(name, new Uint8Array(ukfs.readFile(`/${name}`)));
      };
      for (let step = 0; step < 150; step++) {
        const name = `f${prng.below(20)}`;
        const present = files.get(name);
        switch (present === undefined ? 0 : prng.below(4)) {
          case 0:
            put(name, bytes(prng.below(prng.below(12_000) + 1), step));
            break;
          case 1:
            ukfs.unlink(`/${name}`);
            files.delete(name);
            break;
          case 2: {
            const other = `f${prng.below(20)}`;
            ukfs.rename(`/${name}`, `/${other}`);
            files.delete(name);
            files.set(other, present!);
            break;
          }
          default: {
            const size = prng.below(present!.length + 1);
            ukfs.truncate(`/${name}`, size);
            files.set(name, present!.slice(0, size));
          }
        }
      }
      unmount();
      checkBfs(image());
      const again = mount(image(), { readOnly: true });
      expect(again.ukfs.readdir('/').sort(), `seed ${seed}`).to.deep.equal(
        [...files.keys()].sort(),
      );
      for (const [name, content] of files) {
        expect(again.ukfs.readFile(`/${name}`), `seed ${seed}: ${name}`).to.deep.equal(content);
      }
      again.unmount();
    }
  });

  it('is not written to where files may be damaged, and says why', () => {
    const good = mkfsBfs(64 * 1024);
    const interrupted = good.slice();
    interrupted.fill(0, 12, 20);
    const marked = mount(interrupted);
    expect(marked.readOnly).to.equal(true);
    expect(marked.report.join()).to.match(/read-only: files were being moved/);
    marked.unmount();
    expect(mount(interrupted, { force: true }).readOnly).to.equal(false);
    const { ukfs, unmount, image } = mount(good);
    ukfs.writeFile('/a', bytes(600));
    ukfs.writeFile('/b', bytes(600));
    unmount();
    const shared = image();
    // The second file begins where the first does.
    shared.copyWithin(512 + 2 * 64 + 4, 512 + 64 + 4, 512 + 64 + 16);
    expect(mount(shared).report.join()).to.match(/read-only: inode 4 shares blocks with another/);
    const wild = image();
    wild.fill(0x77, 512 + 64 + 4, 512 + 64 + 12);
    const damaged = mount(wild);
    expect(damaged.report.join()).to.match(/read-only: inode 3 lies in blocks/);
    expect(code(() => damaged.ukfs.readFile('/a'))).to.equal('EIO');
    expect(damaged.ukfs.readFile('/b')).to.deep.equal(bytes(600));
  });

  it(`${MUTANTS} volumes with wrong bytes: results or errors only`, function () {
    this.timeout(600_000);
    const { ukfs, unmount, image } = mount(mkfsBfs(128 * 1024, '-N', '24'));
    for (let i = 0; i < 10; i++) ukfs.writeFile(`/file ${i}`, bytes(i * 1000, i));
    for (let i = 0; i < 10; i += 3) ukfs.unlink(`/file ${i}`);
    unmount();
    exerciseMutants(SYSVBFS, image(), MUTANTS);
  });
});
