/**
 * Good images that the mutators spoil: what our writer leaves after some work, in both byte orders,
 * with and without summaries, with every codec, and some that only others write.
 */
import { jffs2_compressors } from '../../src/jffs2/compr.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { Image, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, type ByteOrder } from '../jffs2/nodes.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import type { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { newHost, norChip, Rig, sampleBytes } from '../jffs2/rig.js';

export const ERASE_BYTES = 4096;
export const BLOCKS = 12;

export interface Base {
  readonly name: string;
  readonly order: ByteOrder;
  readonly bytes: Uint8Array;
}

/** u::rw,u:1000:rw,g::r,m::rw,o::r as the system calls have it. */
const ACL = Uint8Array.from([
  2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 6, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255,
  255, 16, 0, 6, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255,
]);

/** What lump itself writes: names of all kinds, attributes, holes, garbage collected. */
export function written(
  order: ByteOrder,
  options: string,
  seed: number,
  full = false,
  chip: ((host: SimulatedHost) => mtd_info) | null = null,
): Base {
  const bytes = new Uint8Array(BLOCKS * ERASE_BYTES).fill(0xff);
  const all = options === '' ? `endian=${order}` : `endian=${order},${options}`;
  const on = newHost(seed);
  const mtd = chip === null ? norChip(on, bytes, ERASE_BYTES) : chip(on);
  const rig = new Rig({ mtd, host: on, options: all, seed });
  const { u, host } = rig;
  const prng = new Prng(seed);
  u.mkdir('/dir');
  u.mkdir('/dir/sub', 0o700);
  u.writeFile('/dir/text', sampleBytes(2600, 1));
  u.writeFile('/noise', sampleBytes(600, 3));
  u.symlink('dir/text', '/soft');
  u.link('/dir/text', '/dir/sub/hard');
  u.mknod('/null', 0o020666, 0x103);
  u.mknod('/disk', 0o060600, 0x1111_0370);
  u.mknod('/fifo', 0o010600);
  u.setxattr('/noise', 'user.colour', 'blue');
  u.setxattr('/dir/text', 'user.colour', 'blue');
  u.setxattr('/dir', 'trusted.x', sampleBytes(40, 1));
  u.setxattr('/noise', 'system.posix_acl_access', ACL);
  u.setxattr('/dir', 'system.posix_acl_default', ACL);
  u.writeFile('/sparse', 'head');
  u.truncate('/sparse', 9000);
  for (let n = 0; n < 120; n++) {
    host.advance(7);
    const name = `/n${prng.below(5)}`;
    switch (prng.below(5)) {
      case 0:
        if (u.exists(name)) u.unlink(name);
        break;
      case 1:
        if (u.exists(name)) u.rename(name, `/dir/n${prng.below(3)}`);
        break;
      case 2:
        if (u.exists(name)) u.setxattr(name, 'user.n', `${n}`);
        break;
      default:
        u.writeFile(name, sampleBytes(prng.below(900), prng.below(100)), prng.below(2) ? 'w' : 'a');
    }
  }
  try {
    for (let n = 0; full; n++) u.writeFile(`/dir/full${n}`, sampleBytes(700, 3));
  } catch (error) {
    if ((error as { code: string }).code !== 'ENOSPC') throw error;
  }
  rig.umount();
  return { name: `written ${all}${full ? ', full' : ''}`, order, bytes };
}

/** One file per codec, made with our compressors but laid out by hand; old and foreign nodes. */
function foreign(order: ByteOrder): Base {
  const image = new Image({ blocks: BLOCKS, eraseBytes: ERASE_BYTES, order });
  const { nodes } = image;
  const compressors = new jffs2_compressors({ zlib: nodeZlib() });
  let ino = 10;
  let block = 0;
  const place = (...list: Uint8Array[]): void => {
    try {
      image.put(block, ...list);
    } catch {
      image.put(++block, nodes.cleanmarker(), ...list);
    }
  };
  place(nodes.cleanmarker());
  const data = sampleBytes(1500, 1);
  for (const state of compressors.list()) {
    const lengths = { srclen: data.length, dstlen: data.length };
    const into = new Uint8Array(data.length);
    if (!state.codec.compress(data, 0, into, 0, lengths)) continue;
    const fields = { ino, version: 1, dsize: lengths.srclen, compr: state.codec.compr };
    place(
      nodes.dirent({ pino: 1, version: ino, ino, name: state.codec.name }),
      nodes.inode(fields, into.subarray(0, lengths.dstlen)),
    );
    ino++;
  }
  place(nodes.dirent({ pino: 1, version: 30, ino: 30, name: 'd', type: 4 }));
  place(nodes.inode({ ino: 30, version: 1, mode: S_IFDIR | 0o755 }));
  place(nodes.dirent({ pino: 30, version: 1, ino: 31, name: 'old', mctime: 5 }));
  place(nodes.obsoleted(nodes.inode({ ino: 31, version: 1 }, 'obsolete')));
  place(
    nodes.inode({ ino: 31, version: 2 }, 'first'),
    nodes.inode({ ino: 31, version: 3, offset: 3 }, 'second'),
  );
  place(nodes.hole({ ino: 31, version: 4, offset: 20, dsize: 9000 }));
  place(nodes.dirent({ pino: 30, version: 2, ino: 32, name: 'link', type: 10 }));
  place(nodes.inode({ ino: 32, version: 1, mode: S_IFLNK | 0o777 }, 'old'));
  place(nodes.dirent({ pino: 30, version: 3, ino: 33, name: 'dev', type: 2 }));
  place(nodes.inode({ ino: 33, version: 1, mode: S_IFCHR | 0o600, isize: 0 }, Uint8Array.of(3, 1)));
  place(nodes.dirent({ pino: 30, version: 4, ino: 34, name: 'fifo', type: 1 }));
  place(nodes.inode({ ino: 34, version: 1, mode: S_IFIFO | 0o600 }));
  place(nodes.dirent({ pino: 30, version: 5, ino: 0, name: 'gone' }));
  place(nodes.raw(0x4777, sampleBytes(60, 1)), nodes.raw(0x2777, sampleBytes(30, 1)));
  place(nodes.xattr({ xid: 1, name: 'a', value: 'one' }), nodes.xref(31, 1, 2));
  place(nodes.xattr({ xid: 2, name: 'a', value: 'two' }), nodes.xref(31, 2, 4));
  const acl = (...words: number[]): Uint8Array =>
    Uint8Array.from(words.flatMap((word) => (order === 'little' ? [word, 0] : [0, word])));
  place(
    nodes.xattr({
      xid: 3,
      prefix: 3,
      name: '',
      value: acl(...(order === 'little' ? [1, 0] : [0, 1]), 1, 6, 4, 4, 32, 4),
    }),
    nodes.xref(31, 3, 12),
  );
  place(nodes.xref(31, 7, 6), nodes.xref(30, 1, 8), nodes.xref(30, 1, 9));
  const big = new Uint8Array(3000);
  const lengths = { srclen: 12_000, dstlen: big.length };
  const zlib = compressors.list().find((state) => state.codec.name === 'zlib')!.codec;
  if (!zlib.compress(new Uint8Array(12_000).fill(97), 0, big, 0, lengths)) throw new Error('zlib');
  place(
    nodes.dirent({ pino: 30, version: 6, ino: 35, name: 'big' }),
    nodes.inode(
      { ino: 35, version: 1, dsize: lengths.srclen, compr: 6 },
      big.subarray(0, lengths.dstlen),
    ),
  );
  image.format();
  return { name: `foreign ${order}`, order, bytes: image.bytes };
}

let cached: Base[] | null = null;

export function bases(): readonly Base[] {
  cached ??= [
    written('little', '', 1),
    written('big', '', 2),
    written('little', 'nosummary', 3),
    written('big', 'compr=lzo', 4),
    written('little', 'compr=none', 5),
    written('little', '', 6, true),
    written('big', 'nosummary', 7, true),
    foreign('little'),
    foreign('big'),
  ];
  return cached;
}
