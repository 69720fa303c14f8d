/**
 * What the log means (reference jffs2.md §2): images laid out node by node and read through the
 * library. Every case is one that Linux 6.1 was seen to read so, unless it says otherwise.
 */
import { expect } from 'chai';
import { Errno } from '../../src/lump/errno.js';
import { SB_RDONLY } from '../../src/lump/fs.js';
import { remount } from '../../src/dcache/mount.js';
import { jffs2_garbage_collect_pass } from '../../src/jffs2/gc.js';
import {
  Image,
  type Nodes,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFREG,
  S_IFSOCK,
  type ByteOrder,
} from './nodes.js';
import { Rig } from './rig.js';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function code(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'no error';
}

/** One file "f" (inode 2) with these nodes, in block 0, on an otherwise formatted medium. */
function fileOf(make: (n: Nodes) => Uint8Array[], order: ByteOrder = 'little'): Image {
  const image = new Image({ order });
  const { nodes } = image;
  image.put(
    0,
    nodes.cleanmarker(),
    nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
    ...make(nodes),
  );
  return image.format();
}

function mountImage(image: Image, readOnly = false): Rig {
  const options = `endian=${image.nodes.order}`;
  return new Rig({ image: image.bytes, eraseBytes: image.eraseBytes, options, readOnly });
}

/** The content of "f" as mounted for reading, and again after everything was garbage collected. */
function content(image: Image): string {
  const rig = mountImage(image, true);
  const before = text(rig.u.readFile('/f'));
  rig.umount();
  return before;
}

for (const order of ['little', 'big'] as const) {
  describe(`jffs2: files, ${order} endian`, () => {
    const of = (make: (n: Nodes) => Uint8Array[]): Image => fileOf(make, order);

    it('a higher version rules the bytes that it covers, whatever the order on the medium', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 3, offset: 2, isize: 6 }, 'XY'),
        n.inode({ ino: 2, version: 1, isize: 6 }, 'aaaaaa'),
        n.inode({ ino: 2, version: 2, offset: 1, isize: 6 }, 'bbbb'),
      ]);
      expect(content(image)).to.equal('abXYba');
    });

    it('of equal versions the later on the medium rules', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1 }, 'first'),
        n.inode({ ino: 2, version: 1 }, 'later'),
      ]);
      expect(content(image)).to.equal('later');
    });

    it('of equal versions the one with the right data CRC rules', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1 }, 'first'),
        n.inode({ ino: 2, version: 1, badData: true }, 'later'),
      ]);
      expect(content(image)).to.equal('first');
    });

    it('beneath a node with a wrong data CRC the older data stays visible', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1 }, 'oldest'),
        n.inode({ ino: 2, version: 2, isize: 6 }, 'older'),
        n.inode({ ino: 2, version: 3, offset: 1, isize: 6, badData: true }, 'new'),
      ]);
      const rig = mountImage(image, true);
      expect(text(rig.u.readFile('/f'))).to.equal('oldert');
      expect(rig.c.damage.counts.get('data crc')).to.equal(1);
      rig.umount();
    });

    it('takes attributes and size from the newest valid node, with data or without', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1, mode: S_IFREG | 0o600, uid: 1, mtime: 10 }, 'hello'),
        n.inode({
          ino: 2,
          version: 2,
          mode: S_IFREG | 0o4755,
          uid: 0xfffe,
          gid: 7,
          isize: 4,
          atime: 1,
          mtime: 0xffffffff,
          ctime: 3,
        }),
        n.inode({ ino: 2, version: 3, mode: S_IFREG | 0o777, isize: 5, badData: true }, 'HELLO'),
      ]);
      const rig = mountImage(image, true);
      const stats = rig.u.stat('/f');
      expect([stats.mode, stats.uid, stats.gid, stats.size]).to.deep.equal([
        S_IFREG | 0o4755,
        0xfffe,
        7,
        4,
      ]);
      expect([stats.atime.sec, stats.mtime.sec, stats.ctime.sec]).to.deep.equal([1, 0xffffffff, 3]);
      expect(text(rig.u.readFile('/f'))).to.equal('hell');
      rig.umount();
    });

    it('a node without data that is older than the data says nothing', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1, mode: S_IFREG | 0o600, isize: 0 }),
        n.inode({ ino: 2, version: 2, mode: S_IFREG | 0o644 }, 'data'),
      ]);
      const rig = mountImage(image, true);
      expect(rig.u.stat('/f').mode).to.equal(S_IFREG | 0o644);
      expect(rig.u.stat('/f').size).to.equal(4);
      rig.umount();
    });

    it('gaps between nodes read as zeros, and so do hole nodes', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1, isize: 2 }, 'ab'),
        n.inode({ ino: 2, version: 2, offset: 5, isize: 6 }, 'c'),
        n.hole({ ino: 2, version: 3, offset: 6, dsize: 3, isize: 9 }),
        n.inode({ ino: 2, version: 4, offset: 9, isize: 10 }, 'd'),
      ]);
      expect(content(image)).to.equal('ab\0\0\0c\0\0\0d');
    });

    it('a size beyond the last fragment becomes its end', () => {
      const image = of((n) => [n.inode({ ino: 2, version: 1, isize: 1000 }, 'abc')]);
      const rig = mountImage(image, true);
      expect(rig.u.stat('/f').size).to.equal(3);
      expect(text(rig.u.readFile('/f'))).to.equal('abc');
      rig.umount();
    });

    it('a hole makes a file grow, a size makes it shrink, and what was cut off is gone', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1 }, 'secret'),
        n.inode({ ino: 2, version: 2, isize: 2 }),
        n.hole({ ino: 2, version: 3, offset: 2, dsize: 6, isize: 8 }),
      ]);
      expect(content(image)).to.equal('se\0\0\0\0\0\0');
    });

    it('a file may have 4 GiB less a byte', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1, isize: 1 }, 'a'),
        n.hole({ ino: 2, version: 2, offset: 1, dsize: 0xfffffffe, isize: 0xffffffff }),
        n.inode({ ino: 2, version: 3, offset: 0xfffffffe, isize: 0xffffffff }, 'z'),
      ]);
      const rig = mountImage(image, true);
      expect(rig.u.stat('/f').size).to.equal(0xffffffff);
      const fd = rig.u.open('/f');
      const buf = new Uint8Array(8);
      expect(rig.u.read(fd, buf, 0, 8, 0xfffffffc)).to.equal(3);
      expect(text(buf)).to.equal('\0\0z\0\0\0\0\0');
      expect(rig.u.seekHole(fd, 0, true)).to.equal(1);
      expect(rig.u.seekHole(fd, 1, false)).to.equal(0xfffffffe);
      rig.u.close(fd);
      rig.umount();
    });

    it('refuses nodes that start behind their own end of file, or end behind 4 GiB', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1 }, 'good'),
        n.inode({ ino: 2, version: 2, offset: 9, isize: 8 }, 'bad!'),
        n.hole({ ino: 2, version: 3, offset: 0xfffffff0, dsize: 0x20, isize: 0xffffffff }),
      ]);
      const rig = mountImage(image, true);
      expect(text(rig.u.readFile('/f'))).to.equal('good');
      expect(rig.c.damage.counts.get('bad node')).to.equal(2);
      rig.umount();
    });

    it('refuses nodes whose data length and node length differ, also modulo 2^32', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1 }, 'good'),
        n.inode({ ino: 2, version: 2, csize: 9 }, 'bad!'),
        n.inode({ ino: 2, version: 3, csize: 0xffffffff - 63, dsize: 4 }, ''),
        // Linux swaps csize and dsize of such an old hole, and then rejects it.
        n.inode({ ino: 2, version: 4, compr: 1, csize: 100, dsize: 0, isize: 100 }),
      ]);
      const rig = mountImage(image, true);
      expect(text(rig.u.readFile('/f'))).to.equal('good');
      expect(rig.c.damage.counts.get('bad node')).to.equal(3);
      rig.umount();
    });

    it('version 0 is no version: an inode with nothing else cannot be read', () => {
      const image = of((n) => [n.inode({ ino: 2, version: 0 }, 'zero')]);
      const rig = mountImage(image);
      expect(code(() => rig.u.stat('/f'))).to.equal('EIO');
      expect(rig.u.readdir('/')).to.deep.equal(['f']);
      rig.settle();
      rig.check();
      rig.umount();
    });

    it('nodes of more than a page are read whole', () => {
      const data = 'ab'.repeat(3000);
      const image = of((n) => [n.inode({ ino: 2, version: 1 }, data)]);
      expect(content(image)).to.equal(data);
    });

    it('skips nodes that were made obsolete in place', () => {
      const image = of((n) => [
        n.inode({ ino: 2, version: 1 }, 'valid'),
        n.obsoleted(n.inode({ ino: 2, version: 2 }, 'gone!')),
        n.obsoleted(n.dirent({ pino: 1, version: 2, ino: 0, name: 'f' })),
        n.obsoleted(n.cleanmarker()),
      ]);
      const rig = mountImage(image, true);
      expect(text(rig.u.readFile('/f'))).to.equal('valid');
      expect(rig.c.damage.total, rig.c.damage.summary()).to.equal(0);
      rig.umount();
    });

    it('unknown codecs and damaged payloads are errors of reading, not of mounting', () => {
      for (const fields of [
        { compr: 99 },
        { compr: 4 },
        { compr: 6 },
        { compr: 7, usercompr: 1 },
        { compr: 2 },
      ]) {
        const image = of((n) => [n.inode({ ino: 2, version: 1, dsize: 5000, ...fields }, 'junk')]);
        const rig = mountImage(image, true);
        expect(rig.u.stat('/f').size).to.equal(5000);
        expect(code(() => rig.u.readFile('/f'))).to.equal('EIO');
        expect(rig.c.damage.counts.get('bad compressed data')).to.be.greaterThan(0);
        rig.umount();
      }
    });
  });

  describe(`jffs2: special inodes, ${order} endian`, () => {
    const of = (make: (n: Nodes) => Uint8Array[]): Image => fileOf(make, order);

    it('device numbers in two and in four bytes; any other length is an error', () => {
      const short = order === 'little' ? [0x03, 0x01] : [0x01, 0x03];
      const long = order === 'little' ? [0x70, 0x03, 0x11, 0x11] : [0x11, 0x11, 0x03, 0x70];
      for (const [payload, rdev] of [
        [short, [1, 3]],
        [long, [259, 70000]],
      ] as const) {
        for (const type of [S_IFCHR, S_IFBLK]) {
          const image = of((n) => [
            n.inode({ ino: 2, version: 1, mode: type | 0o600, isize: 0 }, Uint8Array.from(payload)),
          ]);
          const rig = mountImage(image, true);
          const { rdev: seen, mode, size } = rig.u.lstat('/f');
          // node:fs's form, Linux's dev_t.
          const major = ((seen >>> 8) & 0xfff) >>> 0;
          const minor = (seen & 0xff) | ((seen >>> 12) & 0xfff00);
          expect([major, minor, mode, size]).to.deep.equal([...rdev, type | 0o600, 0]);
          rig.umount();
        }
      }
      for (const length of [1, 3, 5]) {
        const image = of((n) => [
          n.inode({ ino: 2, version: 1, mode: S_IFCHR, isize: 0 }, new Uint8Array(length)),
        ]);
        const rig = mountImage(image);
        expect(
          code(() => rig.u.lstat('/f')),
          `${length} bytes`,
        ).to.equal('EIO');
        rig.settle();
        rig.check();
        rig.umount();
      }
    });

    it('the target of a symbolic link is its payload, up to 254 bytes', () => {
      const long = 'x'.repeat(254);
      for (const [fields, data, seen] of [
        [{}, 'target', 'target'],
        [{ isize: 0 }, 'target', 'target'],
        [{}, long, long],
        // Never decompressed: Linux hands out the bytes as they are.
        [{ compr: 6, dsize: 50 }, 'raw', 'raw'],
      ] as const) {
        const image = of((n) => [
          n.inode({ ino: 2, version: 1, mode: S_IFLNK | 0o777, ...fields }, data),
        ]);
        const rig = mountImage(image, true);
        expect(text(rig.u.readlinkBytes('/f'))).to.equal(seen);
        expect(rig.u.lstat('/f').size).to.equal('dsize' in fields ? 50 : data.length);
        rig.umount();
      }
      const image = of((n) => [
        n.inode({ ino: 2, version: 1, mode: S_IFLNK | 0o777 }, 'x'.repeat(255)),
      ]);
      const rig = mountImage(image, true);
      expect(code(() => rig.u.readlink('/f'))).to.equal('ENAMETOOLONG');
      rig.umount();
    });

    it('links and devices must have exactly one node', () => {
      for (const mode of [S_IFLNK, S_IFCHR, S_IFBLK]) {
        for (const make of [
          (n: Nodes) => [
            n.inode({ ino: 2, version: 1, mode, isize: 4 }, 'ab'),
            n.inode({ ino: 2, version: 2, mode, isize: 4, offset: 2 }, 'cd'),
          ],
          (n: Nodes) => [
            n.inode({ ino: 2, version: 1, mode, isize: 2 }, 'ab'),
            n.inode({ ino: 2, version: 2, mode, isize: 2 }),
          ],
        ]) {
          const rig = mountImage(of(make));
          expect(code(() => rig.u.lstat('/f'))).to.equal('EIO');
          // Space for others is made all the same.
          for (let n = 0; n < 60; n++) rig.u.writeFile('/g', new Uint8Array(3000).fill(n));
          rig.check();
          rig.remount();
          expect(code(() => rig.u.lstat('/f'))).to.equal('EIO');
          rig.umount();
        }
      }
    });

    it('fifos and sockets have a node without data; an unknown type is an error', () => {
      for (const mode of [S_IFIFO | 0o644, S_IFSOCK | 0o600]) {
        const rig = mountImage(
          of((n) => [n.inode({ ino: 2, version: 1, mode })]),
          true,
        );
        expect(rig.u.lstat('/f').mode).to.equal(mode);
        rig.umount();
      }
      const rig = mountImage(
        of((n) => [n.inode({ ino: 2, version: 1, mode: 0o644 })]),
        true,
      );
      expect(code(() => rig.u.lstat('/f'))).to.equal('EIO');
      rig.umount();
    });
  });
}

describe('jffs2: directories', () => {
  /** Block 0 holds these nodes. */
  function of(make: (n: Nodes) => Uint8Array[]): Image {
    const image = new Image();
    image.put(0, image.nodes.cleanmarker(), ...make(image.nodes));
    return image.format();
  }

  it('the highest version of a name holds; of equal ones the later', () => {
    const image = of((n) => [
      n.inode({ ino: 2, version: 1 }, 'two'),
      n.inode({ ino: 3, version: 1 }, 'three'),
      n.dirent({ pino: 1, version: 5, ino: 2, name: 'a' }),
      n.dirent({ pino: 1, version: 4, ino: 3, name: 'a' }),
      n.dirent({ pino: 1, version: 6, ino: 2, name: 'b' }),
      n.dirent({ pino: 1, version: 6, ino: 3, name: 'b' }),
    ]);
    const rig = mountImage(image, true);
    expect(text(rig.u.readFile('/a'))).to.equal('two');
    expect(text(rig.u.readFile('/b'))).to.equal('three');
    expect(rig.u.readdir('/').sort()).to.deep.equal(['a', 'b']);
    rig.umount();
  });

  it('inode 0 deletes, until the name is made again', () => {
    const image = of((n) => [
      n.inode({ ino: 2, version: 1 }, 'two'),
      n.dirent({ pino: 1, version: 1, ino: 2, name: 'gone' }),
      n.dirent({ pino: 1, version: 2, ino: 0, name: 'gone' }),
      n.dirent({ pino: 1, version: 3, ino: 2, name: 'back' }),
      n.dirent({ pino: 1, version: 4, ino: 0, name: 'back' }),
      n.dirent({ pino: 1, version: 5, ino: 2, name: 'back' }),
    ]);
    const rig = mountImage(image, true);
    expect(rig.u.readdir('/')).to.deep.equal(['back']);
    expect(rig.u.stat('/back').nlink).to.equal(1);
    rig.umount();
  });

  it('version 0 is fine for a directory entry, but its time counts for nothing', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 0, ino: 2, name: 'd', type: 4, mctime: 77 }),
      n.inode({ ino: 2, version: 1, mode: S_IFDIR | 0o700, mtime: 5, ctime: 6 }),
      n.dirent({ pino: 2, version: 0, ino: 3, name: 'f', mctime: 99 }),
      n.inode({ ino: 3, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image, true);
    expect(rig.u.readdir('/d')).to.deep.equal(['f']);
    expect(rig.u.stat('/d').mtime.sec).to.equal(5);
    expect(rig.u.stat('/d').ctime.sec).to.equal(6);
    rig.umount();
  });

  it('the newest entry with a time is newer than an older inode node', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name: 'd', type: 4 }),
      n.inode({ ino: 2, version: 3, mode: S_IFDIR | 0o700, mtime: 5, ctime: 6 }),
      n.dirent({ pino: 2, version: 2, ino: 3, name: 'older', mctime: 50 }),
      n.dirent({ pino: 2, version: 4, ino: 3, name: 'newer', mctime: 99 }),
      n.dirent({ pino: 2, version: 5, ino: 3, name: 'timeless', mctime: 0 }),
      n.inode({ ino: 3, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image, true);
    expect(rig.u.stat('/d').mtime.sec).to.equal(99);
    expect(rig.u.stat('/d').ctime.sec).to.equal(99);
    rig.umount();
  });

  it('a directory without an inode node has the attributes that Linux makes up', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name: 'd', type: 4, mctime: 9 }),
      n.dirent({ pino: 2, version: 1, ino: 3, name: 'f', mctime: 99 }),
      n.inode({ ino: 3, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image, true);
    for (const path of ['/', '/d']) {
      const { mode, uid, gid, mtime, nlink } = rig.u.stat(path);
      expect([mode, uid, gid, mtime.sec]).to.deep.equal([S_IFDIR | 0o755, 0, 0, 0]);
      expect(nlink).to.equal(path === '/' ? 4 : 2);
    }
    rig.umount();
  });

  it('link counts: names for files, sub-directories for directories, one more for the root', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name: 'd', type: 4 }),
      n.inode({ ino: 2, version: 1, mode: S_IFDIR | 0o755 }),
      n.dirent({ pino: 2, version: 1, ino: 3, name: 'e', type: 4 }),
      n.inode({ ino: 3, version: 1, mode: S_IFDIR | 0o755 }),
      n.dirent({ pino: 2, version: 2, ino: 4, name: 'f' }),
      n.dirent({ pino: 1, version: 2, ino: 4, name: 'f' }),
      n.dirent({ pino: 3, version: 1, ino: 4, name: 'f' }),
      n.inode({ ino: 4, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image, true);
    const links = ['/', '/d', '/d/e', '/f'].map((path) => rig.u.stat(path).nlink);
    expect(links).to.deep.equal([4, 3, 2, 3]);
    rig.umount();
  });

  it('the root of a blank medium has three links', () => {
    const rig = new Rig();
    expect(rig.u.stat('/').nlink).to.equal(3);
    rig.umount();
  });

  it('an entry whose inode has no node is dropped', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 9, name: 'nothing' }),
      n.dirent({ pino: 1, version: 2, ino: 2, name: 'f' }),
      n.inode({ ino: 2, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image);
    expect(rig.u.readdir('/')).to.deep.equal(['f']);
    expect(rig.c.damage.counts.get('missing inode')).to.equal(1);
    expect(code(() => rig.u.stat('/nothing'))).to.equal('ENOENT');
    // Nobody new falls under a number that a lost entry still names.
    rig.u.writeFile('/new', 'y');
    expect(rig.u.stat('/new').ino).to.equal(10);
    rig.umount();
  });

  it('what no directory reaches is gone, with all that is below it', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name: 'd', type: 4 }),
      n.dirent({ pino: 1, version: 2, ino: 0, name: 'd' }),
      n.inode({ ino: 2, version: 1, mode: S_IFDIR | 0o755 }),
      n.dirent({ pino: 2, version: 1, ino: 3, name: 'e', type: 4 }),
      n.inode({ ino: 3, version: 1, mode: S_IFDIR | 0o755 }),
      n.dirent({ pino: 3, version: 1, ino: 4, name: 'f' }),
      n.inode({ ino: 4, version: 1 }, 'x'),
      n.dirent({ pino: 3, version: 2, ino: 5, name: 'g' }),
      n.inode({ ino: 5, version: 1 }, 'kept'),
      n.dirent({ pino: 1, version: 3, ino: 5, name: 'g' }),
    ]);
    const rig = mountImage(image);
    expect(rig.u.readdir('/')).to.deep.equal(['g']);
    expect(rig.u.stat('/g').nlink).to.equal(1);
    expect(rig.c.orphans).to.equal(3);
    rig.check();
    rig.umount();
  });

  it('entries that a removed directory has left are no damage', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 2, ino: 0, name: 'd' }),
      n.dirent({ pino: 2, version: 1, ino: 9, name: 'f' }),
      n.dirent({ pino: 2, version: 1, ino: 3, name: 'e', type: 4 }),
      n.dirent({ pino: 1, version: 3, ino: 3, name: 'e', type: 4 }),
      n.inode({ ino: 3, version: 1, mode: S_IFDIR | 0o755 }),
    ]);
    const rig = mountImage(image);
    expect(rig.u.readdir('/')).to.deep.equal(['e']);
    expect(rig.u.stat('/e').nlink).to.equal(2);
    expect(rig.c.damage.total, rig.c.damage.summary()).to.equal(0);
    rig.umount();
  });

  it('a directory with two names is one directory, and both names work', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name: 'a', type: 4 }),
      n.dirent({ pino: 1, version: 2, ino: 3, name: 'b', type: 4 }),
      n.inode({ ino: 2, version: 1, mode: S_IFDIR | 0o755 }),
      n.inode({ ino: 3, version: 1, mode: S_IFDIR | 0o755 }),
      n.dirent({ pino: 3, version: 1, ino: 2, name: 'again', type: 4 }),
      n.dirent({ pino: 2, version: 1, ino: 4, name: 'f' }),
      n.inode({ ino: 4, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image, true);
    expect(text(rig.u.readFile('/a/f'))).to.equal('x');
    expect(text(rig.u.readFile('/b/again/f'))).to.equal('x');
    expect(text(rig.u.readFile('/a/f'))).to.equal('x');
    expect(rig.c.damage.counts.get('hard-linked directory')).to.equal(1);
    rig.umount();
  });

  it('a directory that contains itself is an error where the circle closes', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name: 'a', type: 4 }),
      n.inode({ ino: 2, version: 1, mode: S_IFDIR | 0o755 }),
      n.dirent({ pino: 2, version: 1, ino: 3, name: 'b', type: 4 }),
      n.inode({ ino: 3, version: 1, mode: S_IFDIR | 0o755 }),
      n.dirent({ pino: 3, version: 1, ino: 2, name: 'up', type: 4 }),
      n.dirent({ pino: 3, version: 2, ino: 3, name: 'self', type: 4 }),
      n.dirent({ pino: 3, version: 3, ino: 1, name: 'root', type: 4 }),
    ]);
    const rig = mountImage(image, true);
    expect(rig.u.readdir('/a/b').sort()).to.deep.equal(['root', 'self', 'up']);
    for (const name of ['up', 'self', 'root']) {
      expect(
        code(() => rig.u.stat(`/a/b/${name}`)),
        name,
      ).to.equal('ELOOP');
    }
    rig.umount();
  });

  it('names that no path can have are refused', () => {
    const names = ['nul\0byte', '\0', 'a/b', '.', '..', '/'];
    const image = of((n) => [
      n.inode({ ino: 2, version: 1 }, 'x'),
      ...names.map((name, at) => n.dirent({ pino: 1, version: 1 + at, ino: 2, name })),
      n.dirent({ pino: 1, version: 50, ino: 2, name: 'good' }),
      n.dirent({ pino: 1, version: 51, ino: 2, name: '' }),
    ]);
    const rig = mountImage(image, true);
    expect(rig.u.readdir('/')).to.deep.equal(['good']);
    expect(rig.u.stat('/good').nlink).to.equal(1);
    expect(rig.c.damage.counts.get('bad name')).to.equal(names.length + 1);
    rig.umount();
  });

  it('names are bytes', () => {
    const name = Uint8Array.of(0xff, 0x80, 0x01, 0x20, 0x5c);
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name }),
      n.inode({ ino: 2, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image, true);
    expect([...rig.u.readdirTypes('/')[0]!.bytes]).to.deep.equal([...name]);
    expect(text(rig.u.readFile(Uint8Array.of(0x2f, ...name)))).to.equal('x');
    rig.umount();
  });

  it('a name of 255 bytes can be used and removed, but not be made', () => {
    const name = 'n'.repeat(255);
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name }),
      n.inode({ ino: 2, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image);
    expect(rig.u.readdir('/')).to.deep.equal([name]);
    expect(text(rig.u.readFile(`/${name}`))).to.equal('x');
    expect(code(() => rig.u.writeFile(`/${'m'.repeat(255)}`, ''))).to.equal('ENAMETOOLONG');
    expect(code(() => rig.u.link(`/${name}`, `/${'m'.repeat(255)}`))).to.equal('ENAMETOOLONG');
    rig.u.writeFile(`/${'m'.repeat(254)}`, 'y');
    rig.u.unlink(`/${name}`);
    rig.remount();
    expect(rig.u.readdir('/')).to.deep.equal(['m'.repeat(254)]);
    rig.umount();
  });

  it('a listing shows the type of the entry, stat the one of the inode', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 2, name: 'f', type: 6 }),
      n.inode({ ino: 2, version: 1 }, 'x'),
    ]);
    const rig = mountImage(image, true);
    expect(rig.u.readdirTypes('/')[0]!.type).to.equal(6);
    expect(rig.u.stat('/f').mode).to.equal(S_IFREG | 0o644);
    rig.umount();
  });

  it('new inodes take the number behind the highest, directories of entries included', () => {
    const rig = new Rig();
    rig.u.writeFile('/first', '');
    expect(rig.u.stat('/first').ino).to.equal(2);
    rig.umount();
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 40, name: 'd', type: 4 }),
      n.inode({ ino: 40, version: 1, mode: S_IFDIR | 0o755 }),
      n.dirent({ pino: 77, version: 1, ino: 3, name: 'lost' }),
    ]);
    const second = mountImage(image);
    second.u.mkdir('/e');
    expect(second.u.stat('/e').ino).to.equal(78);
    second.umount();
  });

  it('when the numbers are used up nothing can be made', () => {
    const image = of((n) => [
      n.dirent({ pino: 1, version: 1, ino: 0xffffffff, name: 'last' }),
      n.inode({ ino: 0xffffffff, version: 0xffffffff }, 'x'),
    ]);
    const rig = mountImage(image);
    expect(code(() => rig.u.writeFile('/f', 'x'))).to.equal('ENOSPC');
    expect(rig.u.stat('/last').ino).to.equal(0xffffffff);
    // Nor can a node be newer than the newest.
    expect(code(() => rig.u.chmod('/last', 0o600))).to.equal('ENOSPC');
    expect(text(rig.u.readFile('/last'))).to.equal('x');
    rig.check();
    rig.remount();
    expect(text(rig.u.readFile('/last'))).to.equal('x');
    rig.umount();
  });
});

describe('jffs2: what a scan makes of the rest', () => {
  function withNodes(make: (n: Nodes) => Uint8Array[], order: ByteOrder = 'little'): Image {
    return fileOf((n) => [n.inode({ ino: 2, version: 1 }, 'x'), ...make(n)], order);
  }

  function mountError(image: Image, readOnly: boolean): string {
    try {
      mountImage(image, readOnly).umount();
    } catch (error) {
      expect(error).to.be.instanceOf(Errno);
      return (error as Errno).code;
    }
    return 'no error';
  }

  it('an unknown incompatible node stops every mount', () => {
    const make = (): Image => withNodes((n) => [n.raw(0xe777, new Uint8Array(20))]);
    expect(mountError(make(), true)).to.equal('EIO');
    expect(mountError(make(), false)).to.equal('EIO');
  });

  it('an unknown node for readers stops a mount for writing, for ever', () => {
    const image = withNodes((n) => [n.raw(0xa777, new Uint8Array(20))]);
    expect(mountError(image, false)).to.equal('EIO');
    const rig = mountImage(image, true);
    expect(text(rig.u.readFile('/f'))).to.equal('x');
    expect(code(() => remount(rig.sb, 0, ''))).to.equal('EROFS');
    expect(rig.sb.s_flags & SB_RDONLY).to.equal(SB_RDONLY);
    rig.umount();
  });

  it('an unknown node to be deleted is dirt; one to be copied survives', () => {
    const kept = Uint8Array.from({ length: 40 }, (_, n) => n);
    const image = withNodes((n) => [
      n.raw(0x2777, new Uint8Array(20).fill(7)),
      n.raw(0x6777, kept),
    ]);
    const { nodes } = image;
    const has = (node: Uint8Array): boolean => Buffer.from(image.bytes).includes(Buffer.from(node));
    const rig = mountImage(image);
    for (let n = 0; n < 2000 && rig.mtd.wear.eraseCount[0] === 0; n++) {
      rig.host.advance(13);
      rig.u.writeFile('/churn', new Uint8Array(2500).fill(n));
      // Nothing to collect is EIO.
      code(() => jffs2_garbage_collect_pass(rig.c));
    }
    rig.settle();
    rig.check();
    rig.remount();
    expect(text(rig.u.readFile('/f'))).to.equal('x');
    rig.umount();
    expect(has(nodes.raw(0x6777, kept)), 'copied').to.equal(true);
    expect(has(nodes.raw(0x2777, new Uint8Array(20).fill(7))), 'deleted').to.equal(false);
  });

  it('old magic, zeros, noise and cut nodes cost four bytes each and nothing else', () => {
    const image = withNodes((n) => {
      const old = n.inode({ ino: 2, version: 9 }, 'old');
      old[0] = 0x84;
      const torn = n.inode({ ino: 2, version: 9 }, 'torn').slice(0, 8);
      const past = n.raw(0xe002, new Uint8Array(60), 0x10000);
      const noise = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
      return [
        old,
        new Uint8Array(8),
        n.padding(12),
        torn,
        n.padding(16),
        past,
        n.padding(20),
        noise,
        n.inode({ ino: 2, version: 2 }, 'y'),
      ];
    });
    const rig = mountImage(image, true);
    expect(text(rig.u.readFile('/f'))).to.equal('y');
    const { counts } = rig.c.damage;
    expect(counts.get('old magic')).to.equal(1);
    expect(counts.get('header crc')).to.equal(1);
    expect(counts.get('node past erase block')).to.equal(1);
    // Counted once per run, however long.
    expect(counts.get('bad magic')).to.equal(1);
    rig.umount();
  });

  it('a cleanmarker of another size, or in another place, is dirt', () => {
    const image = new Image();
    const { nodes } = image;
    image.put(0, nodes.cleanmarker(16));
    image.put(
      0,
      new Uint8Array(4).fill(0xff),
      nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
    );
    image.put(0, nodes.cleanmarker(), nodes.inode({ ino: 2, version: 1 }, 'x'));
    image.put(1, nodes.cleanmarker(64));
    image.format();
    const rig = mountImage(image);
    expect(text(rig.u.readFile('/f'))).to.equal('x');
    rig.settle();
    rig.check();
    expect(rig.c.nr_free_blocks).to.equal(15);
    rig.umount();
  });

  it('an image without cleanmarkers is read, and blank blocks are erased first', () => {
    const image = new Image();
    const { nodes } = image;
    image.put(0, nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }));
    image.put(0, nodes.inode({ ino: 2, version: 1 }, 'x'));
    const rig = mountImage(image);
    expect(text(rig.u.readFile('/f'))).to.equal('x');
    rig.settle();
    expect(rig.c.nr_free_blocks).to.equal(15);
    expect([...image.bytes.subarray(8192, 8204)]).to.deep.equal([...nodes.cleanmarker()]);
    rig.umount();
  });

  it('free space with something in it is not written to', () => {
    const image = withNodes(() => []);
    // In the middle of the block that would be written next, and behind a cleanmarker.
    image.bytes[4000] = 0;
    image.bytes[8192 * 3 + 5000] = 0x7f;
    const rig = mountImage(image);
    for (let n = 0; n < 60; n++) rig.u.writeFile(`/g${n % 5}`, new Uint8Array(2000).fill(n));
    rig.check();
    rig.umount();
  });

  it('a medium of another byte order is refused, and says so', () => {
    const image = withNodes(() => [], 'big');
    expect(
      () => new Rig({ image: image.bytes, eraseBytes: 8192, options: 'endian=little' }),
    ).to.throw(Errno, /EIO.*nothing on this medium is a JFFS2 node/);
  });

  it('never erases what it does not know: garbage, or garbage and blank', () => {
    for (const filled of [16, 1]) {
      const image = new Image();
      image.bytes.fill(0x55, 0, filled * 8192);
      expect(mountError(image, false)).to.equal('EIO');
      expect(mountError(image, true)).to.equal('EIO');
      expect(image.bytes[0]).to.equal(0x55);
    }
  });
});
