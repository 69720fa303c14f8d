/** msdosfs: volumes of mkfs.fat and mtools are read exactly; fsck.fat and mtools like ours. */
import { expect } from 'chai';
import { bpb, dep, fsinfo } from '../../src/netbsd-compat/drivers/msdosfs/medium.js';
import {
  exact_short_name,
  fat_to_time,
  make_short_name,
  time_to_fat,
} from '../../src/netbsd-compat/drivers/msdosfs/msdosfs_conv.js';
import { MSDOS } from '../../src/ukfs/mount_msdos.js';
import { withImage } from './e2fsprogs.js';
import { fsckFat, mkfsFat, mtool, NO_DOSFSTOOLS } from './dosfstools.js';
import { exerciseMutants } from './hostile.js';
import { bytes, code, mounterOf } from './rig.js';

const MUTANTS = Number(process.env.LUMP_MUTANTS ?? 60);

const mount = mounterOf(MSDOS);

const ascii = (short: Uint8Array | null): string | null =>
  short === null ? null : Buffer.from(short).toString('latin1');

describe('netbsd-compat: FAT medium', () => {
  it('fields lie where the format has them', () => {
    const offsets = (fields: Readonly<Record<string, { at: number }>>): number[] =>
      Object.values(fields).map(({ at }) => at);
    expect(offsets(bpb)).to.deep.equal([
      11, 13, 14, 16, 17, 19, 22, 32, 37, 36, 40, 42, 44, 48, 65,
    ]);
    expect(offsets(dep)).to.deep.equal([0, 11, 12, 13, 14, 16, 18, 20, 22, 24, 26, 28]);
    expect(offsets(fsinfo)).to.deep.equal([0, 484, 488, 492]);
  });

  it('short names', () => {
    expect(ascii(exact_short_name('README.TXT'))).to.equal('README  TXT');
    expect(ascii(exact_short_name('A'))).to.equal('A          ');
    for (const text of ['readme.txt', 'NINELETTR', 'A.B.C', 'A.LONG', '.HIDDEN', 'A B']) {
      expect(exact_short_name(text), text).to.equal(null);
    }
    const taken = new Set<string>();
    const isTaken = (short: Uint8Array): boolean => taken.has(ascii(short)!);
    for (let i = 1; i <= 12; i++) {
      const short = make_short_name('a long name.text', isTaken);
      expect(ascii(short)).to.equal(i < 10 ? `ALONGN~${i}TEX` : `ALONG~${i}TEX`);
      taken.add(ascii(short)!);
    }
    expect(ascii(make_short_name('.profile', () => false))).to.equal('PROFIL~1   ');
    expect(ascii(make_short_name('ä.ö', () => false))).to.equal('_~1     _  ');
  });

  it('times, there and back', () => {
    for (const sec of [315_532_800, 951_782_400, 1_600_000_000, 4_354_819_198]) {
      for (const offset of [0, 3600, -18_000]) {
        const even = sec - (sec % 2);
        const [date, time] = time_to_fat({ sec: even, nsec: 0 }, offset);
        const back = fat_to_time(date, time, offset).sec;
        const local = Math.min(4_354_819_198, Math.max(315_532_800, even + offset));
        expect(back).to.equal(local - offset);
      }
    }
  });
});

describe('netbsd-compat: msdosfs', () => {
  if (NO_DOSFSTOOLS !== undefined) {
    it(`(skipped: ${NO_DOSFSTOOLS})`);
    return;
  }

  const KINDS: Readonly<Record<string, () => Uint8Array>> = {
    FAT12: () => mkfsFat(1440 * 1024, '-F', '12'),
    FAT16: () => mkfsFat(8 << 20, '-F', '16', '-s', '1'),
    FAT32: () => mkfsFat(34 << 20, '-F', '32', '-s', '1'),
    'sectors of 2048 bytes': () => mkfsFat(16 << 20, '-F', '16', '-S', '2048', '-s', '1'),
  };
  const NAMES = [
    'SHORT.TXT',
    'lower.txt',
    'Mixed Case and long.name',
    'ünïcödé ☕.txt',
    'a+b=c,d;e',
  ];

  for (const [name, make] of Object.entries(KINDS)) {
    it(`reads what mcopy wrote, exactly: ${name}`, () => {
      const files = new Map(NAMES.map((text, i) => [text, bytes(i * 9000 + 10, i + 1)]));
      let image = mtool(make(), 'mmd', '::/A Directory').image;
      for (const [text, content] of files) {
        withImage(content, (path) => {
          image = mtool(image, 'mcopy', '-m', path, `::/A Directory/${text}`).image;
        });
      }
      image = mtool(image, 'mattrib', '+r', '::/A Directory/SHORT.TXT').image;
      const before = image.slice();
      const { ukfs, unmount, image: now } = mount(image, { readOnly: true });
      expect(ukfs.readdir('/')).to.deep.equal(['A Directory']);
      expect(ukfs.readdir('/a directory').sort()).to.deep.equal([...files.keys()].sort());
      for (const [text, content] of files) {
        expect(ukfs.readFile(`/A Directory/${text}`), text).to.deep.equal(content);
        expect(ukfs.exists(`/A DIRECTORY/${text.toUpperCase()}`), text).to.equal(true);
      }
      expect(ukfs.stat('/A Directory/SHORT.TXT').mode & 0o777).to.equal(0o555);
      expect(ukfs.stat('/A Directory/lower.txt').mode & 0o777).to.equal(0o755);
      unmount();
      expect(Buffer.from(now()).equals(before), 'nothing is written').to.equal(true);
    });

    it(`fsck.fat and mtools like what we write: ${name}`, () => {
      const { ukfs, unmount, image } = mount(make());
      ukfs.mkdir('/Some Directory');
      for (let i = 0; i < 60; i++)
        ukfs.writeFile(`/Some Directory/file number ${i}`, bytes(i * 100));
      for (let i = 0; i < 60; i += 3) ukfs.unlink(`/Some Directory/file number ${i}`);
      for (let i = 0; i < 20; i++) ukfs.writeFile(`/Some Directory/another long name ${i}.x`, 'x');
      ukfs.writeFile('/UPPER.BIN', bytes(100_000, 3));
      ukfs.rename('/UPPER.BIN', '/Some Directory/moved');
      ukfs.mkdir('/deep');
      ukfs.rename('/Some Directory', '/deep/Renamed Directory');
      ukfs.rename('/deep/Renamed Directory/file number 1', '/deep/Renamed Directory/FILE Number 1');
      ukfs.truncate('/deep/Renamed Directory/moved', 70_000);
      ukfs.truncate('/deep/Renamed Directory/file number 2', 30_000);
      ukfs.writeFile('/over', 'old');
      ukfs.rename('/deep/Renamed Directory/file number 4', '/over');
      ukfs.chmod('/over', 0o444);
      unmount();
      fsckFat(image());
      const listing = mtool(image(), 'mdir', '-b', '-/', '::').stdout.toString();
      expect(listing).to.include('::/deep/Renamed Directory/FILE Number 1\n');
      expect(listing).to.not.include('file number 3\n');
      const moved = mtool(image(), 'mtype', '::/deep/Renamed Directory/moved').stdout;
      expect(Buffer.from(bytes(100_000, 3)).subarray(0, 70_000).equals(moved)).to.equal(true);
      const grown = mtool(image(), 'mtype', '::/deep/Renamed Directory/file number 2').stdout;
      expect(grown.subarray(200).every((byte) => byte === 0)).to.equal(true);
      const again = mount(image());
      expect(again.ukfs.readFile('/over')).to.deep.equal(bytes(400));
      expect(again.ukfs.stat('/over').mode & 0o222).to.equal(0);
      expect(again.ukfs.stat('/deep').nlink).to.equal(3);
      again.unmount();
      fsckFat(again.image());
    });
  }

  it('what FAT cannot have is refused', () => {
    const { ukfs, unmount, image } = mount(mkfsFat(1440 * 1024));
    ukfs.writeFile('/file', 'x');
    for (const name of ['a:b', 'a*', 'end.', 'end ', 'a\\b', 'tab\there']) {
      expect(
        code(() => ukfs.writeFile(`/${name}`, '')),
        name,
      ).to.equal('EINVAL');
      expect(ukfs.exists(`/${name}`)).to.equal(false);
    }
    const notUtf8 = Uint8Array.of(0x2f, 0xff, 0xfe);
    expect(code(() => ukfs.writeFile(notUtf8, ''))).to.equal('EINVAL');
    expect(code(() => ukfs.link('/file', '/link'))).to.equal('ENOTSUP');
    expect(code(() => ukfs.symlink('x', '/link'))).to.equal('ENOTSUP');
    expect(code(() => ukfs.chown('/file', 5, 5))).to.equal('EPERM');
    expect(code(() => ukfs.writeFile('/FILE/x', ''))).to.equal('ENOTDIR');
    expect(code(() => ukfs.mkdir('/FiLe'))).to.equal('EEXIST');
    unmount();
    fsckFat(image());
  });

  it('owners, masks and the time zone are as told', () => {
    const options = { uid: 12, gid: 34, mask: 0o640, dirmask: 0o750, gmtoff: 7200 };
    const { ukfs, unmount, image } = mount(mkfsFat(1440 * 1024), options);
    ukfs.writeFile('/f', '');
    ukfs.mkdir('/d');
    ukfs.utimes('/f', 1_600_000_000, 1_600_000_000);
    expect(ukfs.stat('/f')).to.include({ uid: 12, gid: 34, mode: 0o100640 });
    expect(ukfs.stat('/d')).to.include({ uid: 12, gid: 34, mode: 0o040750 });
    unmount();
    // 2020-09-13 12:26:40 UTC is 14:26 there.
    expect(mtool(image(), 'mdir', '::f').stdout.toString()).to.match(/2020-09-13 +14:26/);
    const again = mount(image(), options);
    expect(again.ukfs.stat('/f').mtime.sec).to.equal(1_600_000_000);
    again.unmount();
  });

  it('a file grows by more than the buffer cache holds', () => {
    const size = 24 << 20;
    const { ukfs, unmount, image } = mount(mkfsFat(32 << 20, '-F', '16', '-s', '1'));
    ukfs.writeFile('/file', bytes(1000));
    ukfs.truncate('/file', size);
    expect(code(() => ukfs.truncate('/file', 40 << 20))).to.equal('ENOSPC');
    unmount();
    fsckFat(image());
    const grown = mtool(image(), 'mtype', '::file').stdout;
    expect(grown.length).to.equal(size);
    expect(grown.subarray(1000).every((byte) => byte === 0)).to.equal(true);
  });

  it('is marked while it is in use, and not afterwards', () => {
    const made = mkfsFat(6 << 20, '-F', '32', '-s', '1');
    const { ukfs, unmount, image } = mount(made);
    ukfs.writeFile('/file', bytes(5000));
    ukfs.sync();
    expect(image()[65]! & 1).to.equal(1);
    unmount();
    expect(image()[65]! & 1).to.equal(0);
    fsckFat(image());
  });

  it(`${MUTANTS} volumes with wrong bytes: results or errors only`, function () {
    this.timeout(600_000);
    const { ukfs, unmount, image } = mount(mkfsFat(256 * 1024, '-F', '12', '-r', '64'));
    for (const path of ['/a', '/b', '/Long Directory Name']) ukfs.mkdir(path);
    for (const path of ['/a/file', '/Long Directory Name/another long name', '/b/c']) {
      ukfs.writeFile(path, bytes(20_000));
    }
    ukfs.mkdir('/a/deeper');
    ukfs.writeFile('/a/deeper/x', bytes(3000));
    unmount();
    exerciseMutants(MSDOS, image(), MUTANTS);
  });
});
