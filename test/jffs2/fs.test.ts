import { expect } from 'chai';
import { Rig, sampleBytes } from './rig.js';

describe('jffs2: a file system on NOR flash', () => {
  it('formats a blank chip and finds everything again after a remount', () => {
    const rig = new Rig();
    const { u } = rig;
    const big = sampleBytes(100_000, 1);
    u.mkdir('/dir', 0o750);
    u.writeFile('/dir/big', big);
    u.writeFile('/small', 'hello');
    u.link('/small', '/dir/hard');
    u.symlink('../small', '/dir/soft');
    u.chmod('/small', 0o604);
    u.chown('/small', 1000, 100);
    u.utimes('/small', 1_000_000_000, 1_100_000_000);
    u.setxattr('/small', 'user.colour', Buffer.from('blue'));
    rig.check();
    for (let round = 0; round < 2; round++) {
      expect(rig.u.readdir('/').sort()).to.deep.equal(['dir', 'small']);
      expect(rig.u.readdir('/dir')).to.deep.equal(['big', 'hard', 'soft']);
      expect(Buffer.compare(rig.u.readFile('/dir/big'), big)).to.equal(0);
      expect(Buffer.from(rig.u.readFile('/dir/soft')).toString()).to.equal('hello');
      const stats = rig.u.stat('/dir/hard');
      expect([stats.mode, stats.uid, stats.gid, stats.nlink]).to.deep.equal([
        0o100604, 1000, 100, 2,
      ]);
      expect(stats.mtimeMs).to.equal(1_100_000_000_000);
      expect(rig.u.stat('/dir').mode).to.equal(0o040750);
      expect(rig.u.stat('/').nlink).to.equal(4);
      expect(Buffer.from(rig.u.getxattr('/small', 'user.colour')).toString()).to.equal('blue');
      rig.check();
      rig.remount();
      rig.check();
    }
    rig.umount();
  });

  it('keeps what was written while garbage is collected many times over', () => {
    const rig = new Rig({ sizeBytes: 512 * 1024, eraseBytes: 16384 });
    const files = new Map<string, Uint8Array>();
    let seed = 7;
    const next = (limit: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % limit;
    };
    for (let n = 0; n < 3000; n++) {
      const name = `/f${next(20)}`;
      switch (next(4)) {
        case 0:
          if (files.delete(name)) rig.u.unlink(name);
          break;
        case 1: {
          const old = files.get(name);
          if (!old || old.length === 0) break;
          const at = next(old.length);
          const piece = sampleBytes(1 + next(3000), n);
          const grown = new Uint8Array(Math.max(old.length, at + piece.length));
          grown.set(old);
          grown.set(piece, at);
          const fd = rig.u.open(name, 'r+');
          rig.u.write(fd, piece, 0, piece.length, at);
          rig.u.close(fd);
          files.set(name, grown);
          break;
        }
        default: {
          const data = sampleBytes(next(9000), n);
          rig.u.writeFile(name, data);
          files.set(name, data);
        }
      }
      if (n % 500 === 0) rig.check();
      if (n % 997 === 0) rig.remount();
    }
    rig.remount();
    rig.settle();
    rig.check();
    expect(rig.u.readdir('/').sort()).to.deep.equal(
      [...files.keys()].map((f) => f.slice(1)).sort(),
    );
    for (const [name, data] of files) {
      expect(Buffer.compare(rig.u.readFile(name), data), name).to.equal(0);
    }
    expect(rig.c.damage.total, rig.c.damage.summary()).to.equal(0);
    rig.umount();
  });

  it('fills up with ENOSPC, and deleting makes room again', () => {
    const rig = new Rig({ sizeBytes: 512 * 1024, eraseBytes: 16384 });
    for (let round = 0; round < 4; round++) {
      let count = 0;
      const data = sampleBytes(8192, 3);
      try {
        for (; ; count++) rig.u.writeFile(`/f${count}`, data);
      } catch (error) {
        expect((error as { code: string }).code).to.equal('ENOSPC');
      }
      expect(count).to.be.greaterThan(25);
      rig.check();
      for (const name of rig.u.readdir('/')) rig.u.unlink(`/${name}`);
      rig.check();
    }
    rig.umount();
  });

  for (const endian of ['little', 'big']) {
    it(`writes and reads ${endian} endian`, () => {
      const rig = new Rig({ options: `endian=${endian}` });
      const data = sampleBytes(50_000, 4);
      rig.u.writeFile('/x', data);
      rig.u.mknod('/null', 0o020666, 0x103);
      rig.remount();
      expect(Buffer.compare(rig.u.readFile('/x'), data)).to.equal(0);
      expect(rig.u.stat('/null').rdev).to.equal(0x103);
      rig.umount();
    });
  }
});
