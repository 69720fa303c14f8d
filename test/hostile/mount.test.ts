/**
 * Bad input through the door that people use: an image that is empty, foreign, cut short, of the
 * wrong erase size, too small, or made to hurt. The answer is a sentence that a person can act on,
 * or the readable rest with the damage counted.
 */
import { expect } from 'chai';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { Ukfs } from '../../src/ukfs/ukfs.js';
import {
  MountError,
  mountJffs2,
  type MountedJffs2,
  type MountJffs2Options,
} from '../../src/ukfs/mount_jffs2.js';
import { Image, type Nodes, S_IFDIR } from '../jffs2/nodes.js';
import { newHost, Rig, sampleBytes } from '../jffs2/rig.js';

const PATH = '/tmp/flash.bin';
type Options = Omit<MountJffs2Options, 'image'>;

interface Mounted {
  host: SimulatedHost;
  mounted: MountedJffs2;
  u: Ukfs;
}

function mount(content: Uint8Array, options: Options = {}): Mounted {
  const host = newHost();
  host.replaceFile(PATH, content);
  const mounted = mountJffs2({ image: PATH, ...options }, host);
  return { host, mounted, u: new Ukfs(mounted.fs) };
}

/** What a person is told when there is nothing to mount. */
function refusal(content: Uint8Array, options: Options = {}): string {
  try {
    mount(content, options).mounted.unmount();
  } catch (error) {
    expect(error).to.be.instanceOf(MountError);
    const { message } = error as MountError;
    // No code of a programmer, no stack, no object.
    expect(message).not.to.match(/EINVAL|EIO|\bat .*:\d+|undefined|\[object/);
    expect(message.split('\n')).to.have.lengthOf(1);
    return message;
  }
  return 'mounted';
}

/** A good image, as our writer leaves it. */
function good(eraseBytes = 8192, blocks = 16): Uint8Array {
  const image = new Uint8Array(eraseBytes * blocks).fill(0xff);
  const rig = new Rig({ image, eraseBytes });
  rig.u.mkdir('/dir');
  for (let n = 0; n < 12; n++) rig.u.writeFile(`/dir/file${n}`, sampleBytes(3000, n));
  rig.umount();
  return image;
}

/** Files of good() that read as they were written. */
function intact(u: Ukfs): number {
  let count = 0;
  for (let n = 0; n < 12; n++) {
    try {
      const bytes = u.readFile(`/dir/file${n}`);
      if (Buffer.compare(bytes, sampleBytes(3000, n)) === 0) count++;
    } catch (error) {
      expect((error as { code: string }).code).to.be.oneOf(['EIO', 'ENOENT']);
    }
  }
  return count;
}

describe('jffs2 mount: input that is refused', () => {
  const cases: Readonly<Record<string, [Uint8Array, Options, RegExp]>> = {
    'an empty file': [
      new Uint8Array(0),
      {},
      /is empty: to make a blank flash of it, mount with size=, as size=16M$/,
    ],
    'a text': [
      Buffer.from('# not a flash image\n'.repeat(100)),
      {},
      /is no JFFS2 image: it has no JFFS2 node, and is not blank either \(byte 0x0 is 0x23/,
    ],
    noise: [sampleBytes(200_000, 3), {}, /is no JFFS2 image/],
    zeros: [new Uint8Array(200_000), {}, /is no JFFS2 image/],
    'a blank flash with one wrong byte': [
      new Uint8Array(200_000).fill(0xff).fill(0, 123_456, 123_457),
      {},
      /byte 0x1e240 is 0x0, not 0xff/,
    ],
    'an erase size that is none': [good(), { erasesize: 1000 }, /erasesize=1000: .* at least 4096/],
    'an erase size of no whole words': [good(), { erasesize: 8194 }, /a multiple of 4/],
    'an erase size that is not a number': [good(), { erasesize: Number.NaN }, /erasesize=/],
    'a size that is no whole number of blocks': [
      good(),
      { size: 16 * 8192 + 100 },
      /no whole number of erase blocks of 8192/,
    ],
    'a size of fewer than five blocks': [
      good(),
      { size: 4 * 8192, offset: 0, erasesize: 8192 },
      /too few erase blocks: 4 of 8192 bytes.* at least 5/,
    ],
    'more than 4 GiB': [good(), { size: 2 ** 33, offset: 0 }, /up to 4 GiB/],
    'a node that no reader knows': [
      (() => {
        const image = new Image();
        const { nodes } = image;
        image.put(0, nodes.cleanmarker(), nodes.raw(0xe777, new Uint8Array(40)));
        return image.format().bytes;
      })(),
      {},
      /node of unknown type 0xe777 at 0xc; this medium needs a newer reader/,
    ],
    'a root that is a file': [
      (() => {
        const image = new Image();
        image.put(0, image.nodes.cleanmarker(), image.nodes.inode({ ino: 1, version: 1 }, 'x'));
        return image.format().bytes;
      })(),
      {},
      /the root directory is none: its mode is 0100644/,
    ],
    'a root that cannot be read': [
      (() => {
        const image = new Image();
        const { nodes } = image;
        image.put(0, nodes.cleanmarker(), nodes.inode({ ino: 1, version: 1, mode: 0o120777 }));
        return image.format().bytes;
      })(),
      {},
      /inode 1/,
    ],
    'the other byte order, insisted on': [
      good(),
      { endian: 'big' },
      /nothing on this medium is a JFFS2 node/,
    ],
  };
  for (const [name, [content, options, pattern]] of Object.entries(cases)) {
    it(name, () => {
      const before = content.slice();
      expect(refusal(content, options)).to.match(pattern);
      expect(Buffer.compare(content, before)).to.equal(0);
    });
  }

  it('a file that is not there, a directory', () => {
    const host = newHost();
    expect(() => mountJffs2({ image: '/nowhere' }, host)).to.throw(
      MountError,
      /no such file: \/nowhere/,
    );
  });
});

describe('jffs2 mount: the readable rest', () => {
  it('an image that is cut short, anywhere', () => {
    const whole = good();
    const used = 16 * 8192;
    for (const bytes of [
      used - 1,
      used - 8192,
      9 * 8192 + 1234,
      5 * 8192,
      3 * 8192 + 5,
      8192,
      100,
    ]) {
      const { mounted, u } = mount(whole.slice(used - bytes), {});
      intact(u);
      mounted.unmount();
      const head = refusal(whole.slice(0, bytes));
      // The beginning of this image is blank flash, or has some of the nodes.
      expect(head).to.match(/^mounted$|is no JFFS2 image/);
    }
  });

  it('a cut at the end costs what was cut off; the missing flash is not written', () => {
    const image = new Image({ eraseBytes: 8192, blocks: 16 });
    const { nodes } = image;
    image.put(0, nodes.cleanmarker(), nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }));
    image.put(0, nodes.inode({ ino: 2, version: 1 }, 'kept'));
    image.format();
    const { mounted, u } = mount(image.bytes.slice(0, 12 * 8192 + 50));
    expect(Buffer.from(u.readFile('/f')).toString()).to.equal('kept');
    expect(mounted.report.join('\n')).to.match(/the last 8142 bytes not in the file/);
    mounted.unmount();
  });

  it('the wrong erase size: what does not cross a block is read, and the rest counted', () => {
    const image = good(16_384, 16);
    for (const erasesize of [4096, 8192, 32_768]) {
      const { mounted, u } = mount(image.slice(), { erasesize, readOnly: true });
      intact(u);
      mounted.unmount();
    }
    const { mounted, u } = mount(image.slice(), { erasesize: 4096, readOnly: true });
    expect(mounted.report.join('\n')).to.match(/damage: .*node past erase block/);
    expect(intact(u)).to.be.greaterThan(0);
    mounted.unmount();
  });

  it('a destroyed block costs what was in it', () => {
    const whole = good();
    const left: number[] = [];
    for (let block = 8; block < 16; block++) {
      const image = whole.slice();
      image.set(sampleBytes(8192, 3), block * 8192);
      const { mounted, u } = mount(image);
      left.push(intact(u));
      mounted.unmount();
    }
    // One of them has the name of the directory.
    expect(left.filter((files) => files > 6)).to.have.lengthOf(7);
  });

  it('fewer than five blocks are shown read-only, with what to do', () => {
    const image = new Image({ eraseBytes: 65_536, blocks: 2 });
    const { nodes } = image;
    for (const block of [0, 1]) image.put(block, nodes.cleanmarker());
    image.put(0, nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }));
    image.put(0, nodes.inode({ ino: 2, version: 1 }, 'small'));
    const { mounted, u } = mount(image.bytes);
    expect(Buffer.from(u.readFile('/f')).toString()).to.equal('small');
    expect(mounted.readOnly).to.equal(true);
    expect(mounted.report.join('\n')).to.match(/only 2 erase blocks.*mount with size=524288/);
    mounted.unmount();
  });

  it('nodes that only readers may meet make the mount read-only', () => {
    const image = new Image();
    const { nodes } = image;
    image.put(
      0,
      nodes.cleanmarker(),
      nodes.raw(0xa777, new Uint8Array(10)),
      nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
      nodes.inode({ ino: 2, version: 1 }, 'x'),
    );
    const { mounted, u } = mount(image.format().bytes);
    expect(mounted.readOnly).to.equal(true);
    expect(mounted.report.join('\n')).to.match(
      /read-only: it has nodes that only readers may meet/,
    );
    expect(() => u.writeFile('/g', '')).to.throw(/EROFS/);
    mounted.unmount();
  });

  it('damage is in the report, by kind and number', () => {
    const image = new Image();
    const { nodes } = image;
    const spoilt = nodes.inode({ ino: 2, version: 2 }, 'spoilt');
    spoilt[64]! ^= 1;
    image.put(
      0,
      nodes.cleanmarker(),
      nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
      nodes.inode({ ino: 2, version: 1 }, 'good'),
      spoilt,
      spoilt,
      nodes.dirent({ pino: 1, version: 2, ino: 9, name: 'lost' }),
    );
    const { mounted, u } = mount(image.format().bytes);
    expect(mounted.report.join('\n')).to.match(/damage: 2 × node crc, 1 × missing inode/);
    expect(Buffer.from(u.readFile('/f')).toString()).to.equal('good');
    mounted.unmount();
  });

  it('a directory with two names does not move into itself, by whichever it is called', () => {
    const image = new Image();
    const { nodes } = image;
    const directories = [2, 3, 4, 5].map((ino) =>
      nodes.inode({ ino, version: 1, mode: S_IFDIR | 0o755 }),
    );
    image.put(
      0,
      nodes.cleanmarker(),
      ...directories,
      nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'a', type: 4 }),
      nodes.dirent({ pino: 1, version: 2, ino: 3, name: 'b', type: 4 }),
      nodes.dirent({ pino: 2, version: 1, ino: 4, name: 'dir', type: 4 }),
      nodes.dirent({ pino: 3, version: 1, ino: 4, name: 'again', type: 4 }),
      nodes.dirent({ pino: 4, version: 1, ino: 5, name: 'sub', type: 4 }),
    );
    const { mounted, u } = mount(image.format().bytes);
    for (const to of ['/b/again/x', '/b/again/sub/x']) {
      expect(() => u.rename('/a/dir', to), to).to.throw(/EINVAL/);
    }
    expect(() => u.rename('/b/again/sub', '/a/dir')).to.throw(/ENOTEMPTY/);
    expect(u.readdir('/a/dir')).to.deep.equal(['sub']);
    expect(u.readdir('/b/again')).to.deep.equal(['sub']);
    // A loop of names would keep the mount busy for good.
    mounted.unmount();
  });
});

describe('jffs2 mount: images made to hurt', () => {
  const MIB = 1 << 20;

  function filled(
    bytes: number,
    make: (nodes: Nodes, n: number) => Uint8Array,
    eraseBytes = 65_536,
  ): Image {
    const image = new Image({ blocks: bytes / eraseBytes, eraseBytes });
    const { nodes } = image;
    let n = 0;
    for (let block = 0; block < image.blocks - 4; block++) {
      image.put(block, nodes.cleanmarker());
      for (;;) {
        try {
          image.put(block, make(nodes, n));
          n++;
        } catch {
          break;
        }
      }
    }
    return image.format();
  }

  /** Bytes of memory held after a collection. */
  function heldBytes(): number {
    setFlagsFromString('--expose-gc');
    (runInNewContext('gc') as () => void)();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  }

  /** Calls on the chip that mounting and reading everything cost. */
  function readAll({ mounted, u }: Mounted): number {
    for (const name of u.readdirTypes('/')) {
      const path = Uint8Array.of(0x2f, ...name.bytes);
      try {
        u.lstat(path);
        u.listxattr(path, false);
        const fd = u.open(path);
        try {
          u.read(fd, new Uint8Array(65_536));
        } finally {
          u.close(fd);
        }
      } catch (error) {
        expect((error as { code?: string }).code, String(error)).to.be.a('string');
      }
    }
    return mounted.mtd.wear.readCount.reduce((sum, count) => sum + count, 0);
  }

  /** Memory beyond the image stays a small multiple of it, and the work in step with the nodes. */
  function expectModest(image: Image, nodes: number, timesMemory = 8): void {
    const before = heldBytes();
    const mounted = mount(image.bytes);
    const calls = readAll(mounted);
    expect(calls).to.be.lessThan(nodes * 40 + 10_000);
    const held = heldBytes() - before;
    expect(held, 'memory').to.be.lessThan(image.bytes.length * timesMemory + 40 * MIB);
    mounted.mounted.unmount();
  }

  it('a directory of nothing but names, each of another missing inode', () => {
    const image = filled(MIB, (nodes, n) =>
      nodes.dirent({ pino: 1, version: n, ino: 10 + n, name: `${n}` }),
    );
    expectModest(image, 20_000);
  });

  it('names in twenty thousand directories that do not exist', () => {
    const image = filled(MIB, (nodes, n) =>
      nodes.dirent({ pino: 10 + n, version: n, ino: 2, name: 'x' }),
    );
    expectModest(image, 20_000);
  });

  it('one name, in twenty thousand versions', () => {
    const image = filled(MIB, (nodes, n) =>
      n === 0
        ? nodes.inode({ ino: 2, version: 1 }, 'x')
        : nodes.dirent({ pino: 1, version: n, ino: 2, name: 'x' }),
    );
    const mounted = mount(image.bytes);
    expect(mounted.u.readdir('/')).to.deep.equal(['x']);
    expect(readAll(mounted)).to.be.lessThan(40_000 * 4);
    mounted.mounted.unmount();
  });

  it('directories nested ten thousand deep', () => {
    const image = filled(MIB, (nodes, n) =>
      n % 2
        ? nodes.inode({ ino: 1 + (n + 1) / 2, version: 1, mode: S_IFDIR | 0o755 })
        : nodes.dirent({ pino: 1 + n / 2, version: 1, ino: 2 + n / 2, name: 'd', type: 4 }),
    );
    const mounted = mount(image.bytes);
    expect(mounted.u.stat(`/${'d/'.repeat(1500)}`).isDirectory()).to.equal(true);
    mounted.mounted.unmount();
  });

  it('a tree of directories cut off at its root: all of it goes, at once', () => {
    const image = filled(MIB, (nodes, n) =>
      nodes.dirent({ pino: 5 + n, version: 1, ino: 6 + n, name: 'd', type: 4 }),
    );
    const mounted = mount(image.bytes);
    expect(mounted.u.readdir('/')).to.deep.equal([]);
    mounted.mounted.unmount();
  });

  it('a file of fifteen thousand nodes, each covering all of it', () => {
    const image = filled(MIB, (nodes, n) =>
      n === 0
        ? nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' })
        : nodes.hole({ ino: 2, version: n, dsize: 0xffffffff }),
    );
    expectModest(image, 16_000);
  });

  it('a file of fifteen thousand nodes, each cutting the one before in two', () => {
    const image = filled(MIB, (nodes, n) =>
      n === 0
        ? nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' })
        : nodes.hole({
            ino: 2,
            version: n,
            offset: 4 * n,
            dsize: 0xff000000 - 8 * n,
            isize: 0xff000000,
          }),
    );
    expectModest(image, 16_000);
  });

  it('fifteen thousand data nodes with wrong CRCs, one beneath the other', () => {
    const image = filled(MIB, (nodes, n) =>
      n === 0
        ? nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' })
        : nodes.inode({ ino: 2, version: n, badData: n > 1 }, 'x'),
    );
    const mounted = mount(image.bytes);
    expect(Buffer.from(mounted.u.readFile('/f')).toString()).to.equal('x');
    expect(mounted.mounted.c.damage.total).to.be.greaterThan(10_000);
    // The log is not flooded, nor is memory.
    expect(mounted.mounted.c.damage.records.length).to.be.at.most(1000);
    expect(mounted.mounted.lump.dmesg().length).to.be.lessThan(100);
    mounted.mounted.unmount();
  });

  it('fifteen thousand attributes of one name', () => {
    const image = filled(MIB, (nodes, n) => {
      if (n === 0) return nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' });
      if (n === 1) return nodes.inode({ ino: 2, version: 1 }, 'x');
      return n % 2
        ? nodes.xref(2, n >> 1, 2 * n)
        : nodes.xattr({ xid: n >> 1, name: 'a', value: `${n}` });
    });
    const mounted = mount(image.bytes);
    expect(mounted.u.listxattr('/f')).to.deep.equal(['user.a']);
    mounted.u.setxattr('/f', 'user.b', 'new');
    expect(mounted.u.listxattr('/f').sort()).to.deep.equal(['user.a', 'user.b']);
    mounted.mounted.unmount();
  });

  it('four bytes that claim to hold a gigabyte', () => {
    const image = new Image({ eraseBytes: 65_536 });
    const { nodes } = image;
    image.put(0, nodes.cleanmarker(), nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }));
    for (const [n, compr] of [2, 3, 5, 6, 7, 8, 0x15].entries()) {
      image.put(
        0,
        nodes.inode({ ino: 2, version: 1 + n, compr, offset: 0, dsize: 1 << 30 }, 'junk'),
      );
    }
    expectModest(image.format(), 100);
  });

  it('every block nothing but magic numbers', () => {
    const image = new Image({ eraseBytes: 65_536 });
    for (let at = 0; at < 12 * 65_536; at += 4) image.bytes.set([0x85, 0x19], at);
    image.put(
      13,
      image.nodes.cleanmarker(),
      image.nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
    );
    image.put(13, image.nodes.inode({ ino: 2, version: 1 }, 'found'));
    const { mounted, u } = mount(image.bytes);
    expect(Buffer.from(u.readFile('/f')).toString()).to.equal('found');
    expect(mounted.c.damage.total).to.be.within(12, 100);
    mounted.unmount();
  });
});
