/**
 * fsck of a mounted file system: finds nothing wrong with one at work (as everywhere in this
 * folder, by Rig.check), and finds each thing that is made wrong, in memory or on the medium.
 */
import { expect } from 'chai';
import type { Dentry } from '../../src/dcache/dcache.js';
import { root_of } from '../../src/dcache/mount.js';
import { JFFS2_INODE_INFO } from '../../src/jffs2/fs.js';
import { jffs2_fsck, type fsck_kind } from '../../src/jffs2/fsck.js';
import { INODE_CRC_LENGTH, I_CSIZE, I_NODE_CRC } from '../../src/jffs2/medium.js';
import { ref_offset, ref_totlen, REF_OBSOLETE, set_ref_state } from '../../src/jffs2/nodelist.js';
import type { jffs2_inode_info } from '../../src/jffs2/nodelist.js';
import { crc32_le } from '../../src/lump/crc32.js';
import type { inode } from '../../src/lump/fs.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { blankBacking, MEDIA } from './media.js';
import { newHost, Rig, sampleBytes } from './rig.js';

type MediumName = 'nor' | 'nandSmall' | 'dataflash528';

interface Bench {
  readonly rig: Rig;
  /** The inode of a path, in memory. */
  inode(path: string): inode;
  info(path: string): jffs2_inode_info;
  dentry(name: string): Dentry;
  /** Clears all bits of some cells of the flash. */
  spoil(ofs: number, len: number): void;
}

function bench(name: MediumName): Bench {
  const medium = MEDIA[name];
  const host = newHost(1);
  const backing = blankBacking(medium);
  const mtd = medium.chip(host, backing);
  const rig = new Rig({ mtd, host, options: 'compr=none' });
  const { u } = rig;
  u.mkdir('/dir');
  u.mkdir('/dir/below');
  u.writeFile('/file', sampleBytes(9000, 1));
  u.writeFile('/dir/twice', sampleBytes(100, 2));
  u.link('/dir/twice', '/dir/again');
  u.symlink('file', '/link');
  u.setxattr('/file', 'user.a', 'first');
  u.setxattr('/file', 'user.a', 'second');
  u.writeFile('/gone', sampleBytes(10, 4));
  u.unlink('/gone');
  const fd = u.open('/file', 'r+');
  u.write(fd, sampleBytes(3000, 3), 0, 3000, 2000);
  u.close(fd);
  u.readFile('/file');
  u.readFile('/dir/again');
  u.exists('/nothing');
  u.sync();
  const inode = (path: string): inode => rig.sb.s_inodes.get(u.lstat(path).ino)!;
  return {
    rig,
    inode,
    info: (path) => JFFS2_INODE_INFO(inode(path)),
    dentry: (entry) => root_of(rig.sb).d_children!.get(entry as never)!,
    spoil: (ofs, len) => {
      // Below the chip's rules: as if it had lost the bits by itself.
      const { writesize, oobsize } = mtd;
      for (let n = 0; n < len; n++) {
        const page = Math.floor((ofs + n) / writesize);
        const at = oobsize === 0 ? ofs + n : page * (writesize + oobsize) + ((ofs + n) % writesize);
        backing.bytes[at] = 0;
      }
    },
  };
}

interface Fault {
  readonly what: string;
  readonly kind: fsck_kind;
  readonly make: (bench: Bench) => void;
}

const FAULTS: readonly Fault[] = [
  {
    what: 'data that changed on the medium',
    kind: 'node',
    make: ({ rig, info, spoil }) => {
      const { raw } = info('/file').fragtree.at(-1)!.node;
      spoil(ref_offset(rig.c, raw) + ref_totlen(rig.c, raw) - 40, 30);
    },
  },
  {
    what: 'an entry that changed on the medium',
    kind: 'node',
    make: ({ rig, info, spoil }) => {
      spoil(ref_offset(rig.c, info('/dir').dents!.get('twice' as never)!.raw) + 41, 2);
    },
  },
  {
    what: 'an attribute that changed on the medium',
    kind: 'node',
    make: ({ rig, info, spoil }) => spoil(ref_offset(rig.c, info('/file').inocache.xref!.raw), 4),
  },
  {
    what: 'free space that is not erased',
    kind: 'free space',
    make: ({ rig, spoil }) => spoil(rig.c.free_list.first!.offset + rig.c.sector_size - 300, 1),
  },
  {
    what: 'a sum that is wrong',
    kind: 'accounting',
    make: ({ rig }) => {
      rig.c.dirty_size += 4;
    },
  },
  {
    what: 'a node that is out of date only in memory',
    kind: 'inode',
    make: ({ rig, info }) => {
      const { fragtree } = info('/file');
      const newest = fragtree.find(({ ofs, size }) => ofs + size > 2500)!;
      set_ref_state(rig.c, newest.node.raw, REF_OBSOLETE);
    },
  },
  {
    what: 'a run that another node has',
    kind: 'inode',
    make: ({ info }) => {
      const { fragtree } = info('/file');
      fragtree[0]!.node = fragtree.at(-1)!.node;
    },
  },
  {
    what: 'a size',
    kind: 'inode',
    make: ({ inode }) => {
      inode('/file').i_size--;
    },
  },
  {
    what: 'a mode',
    kind: 'inode',
    make: ({ inode }) => {
      inode('/link').i_mode ^= 0o7;
    },
  },
  {
    what: 'versions that will be given again',
    kind: 'inode',
    make: ({ info }) => {
      info('/file').highest_version--;
    },
  },
  {
    what: 'an inode that nobody has in memory',
    kind: 'inode',
    make: ({ rig, inode }) => {
      rig.sb.s_inodes.delete(inode('/link').i_ino);
    },
  },
  {
    what: 'an entry for another inode',
    kind: 'directory',
    make: ({ inode, info }) => {
      info('/dir').dents!.get('twice' as never)!.ino = inode('/file').i_ino;
    },
  },
  {
    what: 'a name that is left over in memory',
    kind: 'directory',
    make: ({ info }) => {
      const { dents } = info('/dir');
      dents!.set('ghost' as never, { ...dents!.get('twice' as never)!, name: 'ghost' as never });
    },
  },
  {
    what: 'a link count of the medium',
    kind: 'links',
    make: ({ info }) => {
      info('/dir/twice').inocache.pino_nlink = 3;
    },
  },
  {
    what: 'a link count in memory',
    kind: 'links',
    make: ({ inode }) => {
      inode('/dir/twice').i_nlink = 1;
    },
  },
  {
    what: 'the links of a directory',
    kind: 'links',
    make: ({ inode }) => {
      inode('/dir').i_nlink = 2;
    },
  },
  {
    what: "a directory's parent",
    kind: 'links',
    make: ({ rig, inode, info }) => {
      rig.u.readdir('/dir/below');
      info('/dir/below').inocache.pino_nlink = inode('/file').i_ino;
    },
  },
  {
    what: 'an attribute that was replaced',
    kind: 'attributes',
    make: ({ info }) => {
      info('/file').inocache.xref!.xseqno -= 2;
    },
  },
  {
    what: 'ties of a value',
    kind: 'attributes',
    make: ({ info }) => {
      info('/file').inocache.xref!.xd!.refcnt++;
    },
  },
  {
    what: 'a name without its inode',
    kind: 'name cache',
    make: ({ dentry }) => {
      dentry('file').d_inode = null;
    },
  },
  {
    what: 'a name that is there and said not to be',
    kind: 'name cache',
    make: ({ dentry, inode }) => {
      dentry('nothing').d_inode = inode('/file');
    },
  },
  {
    what: 'a cached page',
    kind: 'page cache',
    make: ({ inode }) => {
      inode('/file').i_pages!.get(1)!.bytes[7]! ^= 1;
    },
  },
  {
    what: 'what is behind the end in the last page',
    kind: 'page cache',
    make: ({ inode }) => {
      inode('/file').i_pages!.get(2)!.bytes[4000] = 1;
    },
  },
];

describe('jffs2: fsck of a mounted file system', () => {
  for (const name of ['nor', 'nandSmall', 'dataflash528'] as const) {
    describe(MEDIA[name].name, () => {
      it('finds nothing where nothing is wrong, and changes nothing', () => {
        const { rig } = bench(name);
        const { free_size, dirty_size } = rig.c;
        expect(jffs2_fsck(rig.sb)).to.deep.equal({ problems: [], exitStatus: 0 });
        expect([rig.c.free_size, rig.c.dirty_size]).to.deep.equal([free_size, dirty_size]);
        // A file that is open and has no name any more; what is in the write buffer alone.
        const fd = rig.u.open('/file', 'r+');
        rig.u.unlink('/file');
        rig.u.write(fd, sampleBytes(700, 9), 0, 700, 50);
        rig.u.mkdir('/in the buffer');
        expect(jffs2_fsck(rig.sb).problems).to.deep.equal([]);
        rig.u.close(fd);
        rig.remount();
        expect(jffs2_fsck(rig.sb).problems).to.deep.equal([]);
      });

      for (const { what, kind, make } of FAULTS) {
        it(`finds ${what}`, () => {
          const made = bench(name);
          make(made);
          const { problems, exitStatus } = jffs2_fsck(made.rig.sb);
          expect(problems.map((problem) => problem.kind)).to.include(kind);
          expect(exitStatus).to.equal(4);
        });
      }
    });
  }

  it('does not read 4 GiB for a node that says it has so many', () => {
    // Without the host's CRC-32, which stops where the memory ends.
    const host = new SimulatedHost({ seed: 1 });
    const backing = blankBacking(MEDIA.nor);
    const rig = new Rig({ mtd: MEDIA.nor.chip(host, backing), host });
    rig.u.writeFile('/hole', '');
    rig.u.truncate('/hole', 5000);
    const { e, sb } = rig.c;
    const { i_private } = sb!.s_inodes.get(rig.u.lstat('/hole').ino)!;
    const at = ref_offset(rig.c, (i_private as jffs2_inode_info).fragtree[0]!.node.raw);
    const { bytes } = backing;
    e.put32(bytes, at + I_CSIZE, 0xffffffff);
    e.put32(bytes, at + I_NODE_CRC, crc32_le(0, bytes, at, INODE_CRC_LENGTH));
    expect(jffs2_fsck(rig.sb).problems.map(({ kind }) => kind)).to.include('node');
  });
});
