/** Garbage collection, space and reserves (reference jffs2.md §6–8, §10.2, §11). */
import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import { jffs2_garbage_collect_pass } from '../../src/jffs2/gc.js';
import {
  jffs2_eraseblock,
  list_del,
  REF_NORMAL,
  REF_PRISTINE,
  ref_flags,
  type EraseblockList,
} from '../../src/jffs2/nodelist.js';
import { JFFS2_INODE_INFO } from '../../src/jffs2/fs.js';
import { ilookup, iput } from '../../src/lump/inode.js';
import { puffs_cred_user } from '../../src/puffs/index.js';
import { Ukfs } from '../../src/ukfs/ukfs.js';
import { flashNodes, type FlashNode } from './flash_nodes.js';
import { Image, type Nodes } from './nodes.js';
import { Rig, sampleBytes } from './rig.js';

const ERASE_BYTES = 8192;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

function code(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'no error';
}

/** Collects one erase block, whatever its turn, and erases it. */
function collect(rig: Rig, block: number): void {
  const { c } = rig;
  rig.settle(60);
  const jeb = c.blocks[block]!;
  expect(c.gcblock, 'another block is being collected').to.equal(null);
  if (jeb === c.nextblock) {
    // Go on writing elsewhere.
    c.nextblock = null;
    jeb.wasted_size += jeb.free_size;
    c.wasted_size += jeb.free_size;
    c.free_size -= jeb.free_size;
    jeb.free_size = 0;
  } else {
    list_del(jeb);
  }
  jeb.dirty_size += jeb.wasted_size;
  c.dirty_size += jeb.wasted_size;
  c.wasted_size -= jeb.wasted_size;
  jeb.wasted_size = 0;
  c.gcblock = jeb;
  jeb.gc_node = jeb.first_node;
  const erases = rig.mtd.wear.eraseCount[block]!;
  for (let pass = 0; rig.mtd.wear.eraseCount[block] === erases; pass++) {
    expect(pass).to.be.lessThan(1000);
    jffs2_garbage_collect_pass(c);
  }
  rig.settle(10);
  rig.check();
}

function rigOn(image: Image, options = ''): Rig {
  return new Rig({ image: image.bytes, eraseBytes: image.eraseBytes, options });
}

const nodesOn = (image: Image): FlashNode[] => flashNodes(image.bytes, image.eraseBytes);
const direntsOn = (image: Image, name: string): FlashNode[] =>
  nodesOn(image).filter((node) => node.type === 0xe001 && node.name === name);
const inodesOn = (image: Image, ino: number): FlashNode[] =>
  nodesOn(image).filter((node) => node.type === 0xe002 && node.u32(12) === ino);

describe('jffs2: which block is collected', () => {
  type Lists = ('bad_used' | 'erasable' | 'very_dirty' | 'dirty' | 'clean')[];

  /** How often which list was chosen in 128 choices, when these have a block each. */
  function frequencies(names: Lists, freeBlocks: number): Record<string, number> {
    const rig = new Rig({ sizeBytes: 16 * ERASE_BYTES, eraseBytes: ERASE_BYTES });
    rig.settle();
    const { c } = rig;
    c.nr_free_blocks = freeBlocks;
    const lists = new Map<string, EraseblockList>([
      ['bad_used', c.bad_used_list],
      ['erasable', c.erasable_list],
      ['very_dirty', c.very_dirty_list],
      ['dirty', c.dirty_list],
      ['clean', c.clean_list],
    ]);
    const blocks = new Map<jffs2_eraseblock, string>();
    for (const name of names) {
      // Without a used byte, a pass does nothing but file it for erasing.
      const jeb = new jffs2_eraseblock(0, 0);
      blocks.set(jeb, name);
      lists.get(name)!.addTail(jeb);
    }
    const counts: Record<string, number> = {};
    for (let n = 0; n < 128; n++) {
      rig.host.advance(4);
      jffs2_garbage_collect_pass(c);
      const jeb = c.erase_pending_list.shift()!;
      c.nr_erasing_blocks--;
      const name = blocks.get(jeb)!;
      counts[name] = (counts[name] ?? 0) + 1;
      lists.get(name)!.addTail(jeb);
    }
    return counts;
  }

  it('in 50, 60, 16 and 2 of 128 cases an erasable, very dirty, dirty and clean one', () => {
    expect(frequencies(['erasable', 'very_dirty', 'dirty', 'clean'], 5)).to.deep.equal({
      erasable: 50,
      very_dirty: 60,
      dirty: 16,
      clean: 2,
    });
  });

  it('where a list is empty the next one steps in', () => {
    expect(frequencies(['very_dirty', 'dirty', 'clean'], 5)).to.deep.equal({
      very_dirty: 110,
      dirty: 16,
      clean: 2,
    });
    expect(frequencies(['dirty', 'clean'], 5)).to.deep.equal({ dirty: 126, clean: 2 });
    expect(frequencies(['erasable', 'dirty'], 5)).to.deep.equal({ erasable: 50, dirty: 78 });
    expect(frequencies(['erasable', 'very_dirty'], 5)).to.deep.equal({
      erasable: 50,
      very_dirty: 78,
    });
    for (const only of ['erasable', 'very_dirty', 'dirty', 'clean'] as const) {
      expect(frequencies([only], 5)).to.deep.equal({ [only]: 128 });
    }
  });

  it('one that failed to be written comes first, if there is space for what it holds', () => {
    expect(frequencies(['bad_used', 'erasable', 'clean'], 1)).to.deep.equal({ bad_used: 128 });
    expect(frequencies(['bad_used', 'clean'], 0)).to.deep.equal({ clean: 128 });
  });

  it('a block that has nothing left is kept for later in one of 128 ticks', () => {
    for (const [ticks, list] of [
      [128, 'erasable_list'],
      [129, 'erase_pending_list'],
    ] as const) {
      const rig = new Rig({
        sizeBytes: 16 * ERASE_BYTES,
        eraseBytes: ERASE_BYTES,
        options: 'nosummary',
      });
      rig.u.writeFile('/f', sampleBytes(30_000, 3));
      rig.settle();
      rig.host.advance(ticks * 4 - rig.lump.jiffies * 4);
      rig.u.truncate('/f', 0);
      const emptied = rig.c.blocks.filter((jeb) => jeb.used_size + jeb.free_size === 0);
      expect(emptied.map((jeb) => jeb.list?.name)).to.deep.equal([list, list]);
      rig.check();
      rig.umount();
    }
  });
});

describe('jffs2: nodes that move', () => {
  it('are copied as they are, version and all, when nobody has the file open', () => {
    const image = new Image({ eraseBytes: ERASE_BYTES });
    const { nodes } = image;
    image.put(
      0,
      nodes.cleanmarker(),
      nodes.dirent({ pino: 1, version: 7, ino: 2, name: 'f', mctime: 9 }),
      nodes.inode({ ino: 2, version: 4, mtime: 55 }, 'content'),
    );
    const rig = rigOn(image.format());
    const before = inodesOn(image, 2)[0]!.bytes.slice();
    collect(rig, 0);
    const after = inodesOn(image, 2);
    expect(after).to.have.lengthOf(1);
    expect([...after[0]!.bytes]).to.deep.equal([...before]);
    // The root was in memory: its entry is written anew, with the next version.
    const [dirent] = direntsOn(image, 'f');
    expect(dirent!.u32(16)).to.equal(8);
    rig.remount();
    expect(text(rig.u.readFile('/f'))).to.equal('content');
    expect(rig.u.stat('/f').mtime.sec).to.equal(55);
    rig.umount();
  });

  it('small writes to a page become one node, while space is plenty', () => {
    const image = new Image({ eraseBytes: ERASE_BYTES, blocks: 32 });
    const rig = rigOn(image.format());
    const fd = rig.u.open('/f', 'w');
    let content = '';
    for (let n = 0; n < 30; n++) {
      rig.u.write(fd, sampleBytes(90, n));
      content += text(sampleBytes(90, n));
    }
    rig.u.close(fd);
    const blocks = new Set(
      inodesOn(image, 2).map(({ offset }) => Math.floor(offset / ERASE_BYTES)),
    );
    for (const block of blocks) collect(rig, block);
    expect(inodesOn(image, 2).filter((node) => node.u32(52) > 0)).to.have.lengthOf(1);
    expect(text(rig.u.readFile('/f'))).to.equal(content);
    rig.remount();
    expect(text(rig.u.readFile('/f'))).to.equal(content);
    rig.umount();
  });

  it('a node keeps what newer ones did not cover', () => {
    const image = new Image({ eraseBytes: ERASE_BYTES });
    const { nodes } = image;
    image.put(
      0,
      nodes.cleanmarker(),
      nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
      nodes.inode({ ino: 2, version: 1 }, 'a'.repeat(3000)),
    );
    image.put(
      1,
      nodes.cleanmarker(),
      nodes.inode({ ino: 2, version: 2, offset: 1000, isize: 3000 }, 'b'.repeat(1000)),
    );
    const rig = rigOn(image.format());
    const wanted = 'a'.repeat(1000) + 'b'.repeat(1000) + 'a'.repeat(1000);
    rig.u.readFile('/f');
    collect(rig, 0);
    expect(text(rig.u.readFile('/f'))).to.equal(wanted);
    rig.remount();
    expect(text(rig.u.readFile('/f'))).to.equal(wanted);
    collect(rig, 1);
    rig.remount();
    expect(text(rig.u.readFile('/f'))).to.equal(wanted);
    rig.umount();
  });

  it('a hole gets the next version; one that was written into keeps its own', () => {
    for (const split of [false, true]) {
      const image = new Image({ eraseBytes: ERASE_BYTES });
      const { nodes } = image;
      image.put(
        0,
        nodes.cleanmarker(),
        nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
        nodes.inode({ ino: 2, version: 1 }, 'head'),
        nodes.hole({ ino: 2, version: 2, offset: 4, dsize: 20_000, isize: 20_004 }),
      );
      if (split) {
        image.put(
          1,
          nodes.cleanmarker(),
          nodes.inode({ ino: 2, version: 3, offset: 9000, isize: 20_004 }, 'middle'),
        );
      }
      const rig = rigOn(image.format());
      const fd = rig.u.open('/f');
      const content = (): string => text(rig.u.readFile('/f'));
      const wanted = content();
      expect(wanted.length).to.equal(20_004);
      // Makes it NORMAL, so that it is written anew.
      rig.u.chmod('/f', 0o600);
      collect(rig, 0);
      const holes = inodesOn(image, 2).filter((node) => node.bytes[56] === 1);
      expect(holes).to.have.lengthOf(1);
      expect([holes[0]!.u32(48), holes[0]!.totlen]).to.deep.equal([0, 68]);
      expect(holes[0]!.u32(44) + holes[0]!.u32(52)).to.equal(20_004);
      if (split) expect(holes[0]!.u32(16)).to.equal(2);
      expect(content()).to.equal(wanted);
      rig.u.close(fd);
      rig.remount();
      expect(content()).to.equal(wanted);
      rig.umount();
    }
  });

  it('a foreign node of five pages survives (Linux makes it zeros)', () => {
    const data = sampleBytes(20_000, 1);
    const packed = deflateSync(data);
    for (const size of [0, 10]) {
      const image = new Image({ eraseBytes: 16_384, blocks: 12 });
      const { nodes } = image;
      image.put(
        0,
        nodes.cleanmarker(),
        nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
        nodes.inode({ ino: 2, version: 1, compr: 6, dsize: data.length }, packed),
      );
      const rig = rigOn(image.format());
      const fd = rig.u.open('/f', 'a');
      rig.u.write(fd, Buffer.from('x'.repeat(size)));
      rig.u.close(fd);
      const wanted = text(data) + 'x'.repeat(size);
      collect(rig, 0);
      expect(text(rig.u.readFile('/f'))).to.equal(wanted);
      for (let n = 0; n < 120; n++) {
        rig.host.advance(9);
        rig.u.writeFile(`/churn${n % 3}`, sampleBytes(9000, n));
      }
      rig.remount();
      expect(text(rig.u.readFile('/f'))).to.equal(wanted);
      if (size > 0) {
        // Split at pages: what any Linux collects rightly.
        for (const node of inodesOn(image, 2)) {
          const [from, length] = [node.u32(44), node.u32(52)];
          if (node.u32(16) < 2 || length === 0) continue;
          expect(Math.floor(from / 4096)).to.equal(Math.floor((from + length - 1) / 4096));
        }
      }
      rig.umount();
    }
  });

  it('a node whose data cannot be read is moved as it is, and keeps nobody from collecting', () => {
    const image = new Image({ eraseBytes: ERASE_BYTES });
    const { nodes } = image;
    const bad = nodes.inode({ ino: 2, version: 1, compr: 99, dsize: 3000, isize: 3010 }, 'junk');
    image.put(
      0,
      nodes.cleanmarker(),
      nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
      bad,
      nodes.inode({ ino: 2, version: 2, offset: 3000, isize: 3010 }, 'readable!!'),
    );
    const rig = rigOn(image.format());
    expect(code(() => rig.u.readFile('/f'))).to.equal('EIO');
    collect(rig, 0);
    rig.remount();
    expect(rig.u.stat('/f').size).to.equal(3010);
    expect(Buffer.from(image.bytes).includes(Buffer.from(bad))).to.equal(true);
    rig.umount();
  });

  it('nodes are PRISTINE or NORMAL by what Linux would do with them', () => {
    const rig = new Rig({ eraseBytes: 65536 });
    const fd = rig.u.open('/f', 'w+');
    const states = (): number[] => {
      const inode = ilookup(rig.sb, 2)!;
      const { fragtree } = JFFS2_INODE_INFO(inode);
      const found = fragtree.map(({ node }) => ref_flags(rig.c, node.raw));
      iput(inode);
      return found;
    };
    const write = (length: number, at: number): void => {
      rig.u.write(fd, sampleBytes(length, 1), 0, length, at);
    };
    write(4096, 0);
    expect(states(), 'a whole page').to.deep.equal([REF_PRISTINE]);
    write(100, 4096);
    expect(states(), 'from a page start to the end of the file').to.deep.equal([
      REF_PRISTINE,
      REF_PRISTINE,
    ]);
    write(100, 4196);
    expect(states(), 'two in a page').to.deep.equal([REF_PRISTINE, REF_NORMAL, REF_NORMAL]);
    write(8, 16);
    expect(states(), 'cut in two').to.deep.equal([
      REF_NORMAL,
      REF_NORMAL,
      REF_NORMAL,
      REF_NORMAL,
      REF_NORMAL,
    ]);
    rig.u.ftruncate(fd, 10);
    expect(states(), 'cut off, from a page start').to.deep.equal([REF_PRISTINE]);
    rig.u.close(fd);
    rig.umount();
  });
});

describe('jffs2: deletions', () => {
  /** Block 0: an inode and its entry; block 1: the deletion of the name; block 2: another file. */
  function deleted(): Image {
    const image = new Image({ eraseBytes: ERASE_BYTES });
    const { nodes } = image;
    image.put(
      0,
      nodes.cleanmarker(),
      nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'gone' }),
      nodes.inode({ ino: 2, version: 1 }, 'x'),
      nodes.dirent({ pino: 1, version: 2, ino: 3, name: 'kept' }),
      nodes.inode({ ino: 3, version: 1 }, 'y'),
    );
    image.put(1, nodes.cleanmarker(), nodes.dirent({ pino: 1, version: 3, ino: 0, name: 'gone' }));
    return image.format();
  }

  const deletions = (image: Image): FlashNode[] =>
    direntsOn(image, 'gone').filter((node) => node.u32(20) === 0);

  it('stay as long as the entry that they delete lies in another block', () => {
    const image = deleted();
    const rig = rigOn(image);
    collect(rig, 1);
    expect(deletions(image)).to.have.lengthOf(1);
    expect(deletions(image)[0]!.u32(16), 'the next version').to.be.greaterThan(3);
    rig.remount();
    expect(rig.u.readdir('/')).to.deep.equal(['kept']);
    rig.umount();
  });

  it('go when that entry is gone', () => {
    const image = deleted();
    const rig = rigOn(image);
    collect(rig, 0);
    expect(direntsOn(image, 'gone')).to.have.lengthOf(1);
    collect(rig, 1);
    expect(direntsOn(image, 'gone')).to.have.lengthOf(0);
    rig.remount();
    expect(rig.u.readdir('/')).to.deep.equal(['kept']);
    rig.umount();
  });

  it('stay for an entry that was deleted in the same mount', () => {
    const image = new Image({ eraseBytes: ERASE_BYTES });
    const rig = rigOn(image.format());
    rig.u.writeFile('/gone', 'x');
    // The deletion lies in another block than the entry.
    rig.u.writeFile('/much', sampleBytes(8000, 3));
    rig.u.unlink('/gone');
    const [deletion] = deletions(image);
    collect(rig, Math.floor(deletion!.offset / ERASE_BYTES));
    rig.remount();
    expect(rig.u.readdir('/')).to.deep.equal(['much']);
    rig.umount();
  });

  it('all of them: names come and go a hundred times, and none comes back', () => {
    const rig = new Rig({ sizeBytes: 16 * 4096, eraseBytes: 4096 });
    for (let n = 0; n < 400; n++) {
      rig.host.advance(5);
      rig.u.writeFile(`/f${n % 7}`, sampleBytes(300, n));
      rig.u.unlink(`/f${n % 7}`);
      if (n % 3 === 0) rig.settle(3);
      if (n % 37 === 0) rig.remount();
    }
    rig.remount();
    expect(rig.u.readdir('/')).to.deep.equal([]);
    rig.umount();
  });
});

describe('jffs2: attributes that move', () => {
  function attributes(make: (nodes: Nodes) => Uint8Array[]): Image {
    const image = new Image({ eraseBytes: ERASE_BYTES });
    const { nodes } = image;
    image.put(
      0,
      nodes.cleanmarker(),
      nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }),
      nodes.inode({ ino: 2, version: 1 }, 'x'),
    );
    image.put(1, nodes.cleanmarker(), ...make(nodes));
    return image.format();
  }

  const get = (rig: Rig, name: string): string => {
    try {
      return text(rig.u.getxattr('/f', name));
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  it('a datum gets the next version, a reference the next number', () => {
    const image = attributes((n) => [
      n.xattr({ xid: 5, version: 3, name: 'a', value: 'one' }),
      n.xref(2, 5, 8),
    ]);
    const rig = rigOn(image);
    collect(rig, 1);
    const nodes = nodesOn(image);
    const datum = nodes.filter(({ type }) => type === 0xe008);
    const ref = nodes.filter(({ type }) => type === 0xe009);
    expect(datum.map((node) => [node.u32(12), node.u32(16)])).to.deep.equal([[5, 4]]);
    expect(ref.map((node) => [node.u32(12), node.u32(16), node.u32(20)])).to.deep.equal([
      [2, 5, 10],
    ]);
    expect(get(rig, 'user.a')).to.equal('one');
    rig.remount();
    expect(get(rig, 'user.a')).to.equal('one');
    rig.umount();
  });

  it('the highest version of a datum and the highest number of a pair hold', () => {
    const image = attributes((n) => [
      n.xattr({ xid: 1, version: 2, name: 'a', value: 'new' }),
      n.xattr({ xid: 1, version: 1, name: 'a', value: 'old' }),
      n.xattr({ xid: 2, version: 1, name: 'b', value: 'intact' }),
      n.xattr({ xid: 2, version: 2, name: 'b', value: 'broken', badData: true }),
      n.xref(2, 1, 2),
      n.xref(2, 2, 6),
      n.xref(2, 2, 5),
      n.xattr({ xid: 3, name: 'c', value: 'c' }),
      n.xref(2, 3, 8),
      n.xref(2, 3, 11),
    ]);
    const rig = rigOn(image);
    expect(rig.u.listxattr('/f').sort()).to.deep.equal(['user.a', 'user.b']);
    expect(get(rig, 'user.a')).to.equal('new');
    expect(get(rig, 'user.b')).to.equal('intact');
    rig.umount();
  });

  it('numbers of 2^31 and more are numbers', () => {
    const image = attributes((n) => [
      n.xattr({ xid: 1, name: 'a', value: 'one' }),
      n.xref(2, 1, 0x90000000),
      n.xattr({ xid: 2, name: 'a', value: 'two' }),
      n.xref(2, 2, 0x7ffffffe),
    ]);
    const rig = rigOn(image);
    expect(get(rig, 'user.a')).to.equal('one');
    rig.u.setxattr('/f', 'user.a', 'three');
    rig.remount();
    expect(get(rig, 'user.a')).to.equal('three');
    rig.u.removexattr('/f', 'user.a');
    rig.remount();
    expect(get(rig, 'user.a')).to.equal('ENODATA');
    rig.umount();
  });

  it('when the numbers are used up, what is there can still be removed and moved', () => {
    const image = attributes((n) => [
      n.xattr({ xid: 0xffffffff, name: 'a', value: 'one' }),
      n.xref(2, 0xffffffff, 0xfffffffe),
    ]);
    const rig = rigOn(image);
    expect(code(() => rig.u.setxattr('/f', 'user.b', 'two'))).to.equal('ENOSPC');
    collect(rig, 1);
    rig.remount();
    expect(get(rig, 'user.a')).to.equal('one');
    rig.u.removexattr('/f', 'user.a');
    rig.remount();
    expect(get(rig, 'user.a')).to.equal('ENODATA');
    rig.umount();
  });

  it("reads what Linux's missing marker leaves as Linux reads it, and removes all of it", () => {
    // set q=1, set q=22, remove q: Linux marks the second pair only.
    const make = (): Image =>
      attributes((n) => [
        n.xattr({ xid: 1, name: 'q', value: '1' }),
        n.xref(2, 1, 2),
        n.xattr({ xid: 2, name: 'q', value: '22' }),
        n.xref(2, 2, 4),
        n.xref(2, 2, 7),
      ]);
    const rig = rigOn(make());
    expect(get(rig, 'user.q')).to.equal('1');
    rig.umount();

    // set q=1, set q=22 by Linux, removed here.
    const image = attributes((n) => [
      n.xattr({ xid: 1, name: 'q', value: '1' }),
      n.xref(2, 1, 2),
      n.xattr({ xid: 2, name: 'q', value: '22' }),
      n.xref(2, 2, 4),
    ]);
    const second = rigOn(image);
    expect(get(second, 'user.q')).to.equal('22');
    second.u.removexattr('/f', 'user.q');
    second.remount();
    expect(get(second, 'user.q')).to.equal('ENODATA');
    second.umount();
  });

  it('what we write never comes back, whatever is collected when', () => {
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
    ]) {
      const image = new Image({ eraseBytes: ERASE_BYTES });
      const rig = rigOn(image.format());
      rig.u.writeFile('/f', 'x');
      const pad = (n: number): void => rig.u.writeFile(`/pad${n}`, sampleBytes(7000, 3));
      rig.u.setxattr('/f', 'user.q', '1');
      pad(1);
      rig.u.setxattr('/f', 'user.q', '22');
      pad(2);
      rig.u.setxattr('/f', 'user.q', '333');
      pad(3);
      rig.u.removexattr('/f', 'user.q');
      const blocks = [
        ...new Set(
          nodesOn(image)
            .filter(({ type }) => type === 0xe008 || type === 0xe009)
            .map(({ offset }) => Math.floor(offset / ERASE_BYTES)),
        ),
      ];
      for (const n of order) {
        if (n < blocks.length) collect(rig, blocks[n]!);
        rig.remount();
        expect(get(rig, 'user.q')).to.equal('ENODATA');
      }
      rig.umount();
    }
  });

  it('a datum that many share moves once, and lives until the last lets go', () => {
    const image = new Image({ eraseBytes: ERASE_BYTES });
    const rig = rigOn(image.format());
    for (let n = 0; n < 5; n++) {
      rig.u.writeFile(`/f${n}`, 'x');
      rig.u.setxattr(`/f${n}`, 'user.shared', 'value');
    }
    const data = (): FlashNode[] => nodesOn(image).filter(({ type }) => type === 0xe008);
    expect(data()).to.have.lengthOf(1);
    for (let n = 0; n < 4; n++) rig.u.removexattr(`/f${n}`, 'user.shared');
    collect(rig, Math.floor(data()[0]!.offset / ERASE_BYTES));
    rig.remount();
    expect(text(rig.u.getxattr('/f4', 'user.shared'))).to.equal('value');
    rig.u.unlink('/f4');
    collect(rig, Math.floor(data()[0]!.offset / ERASE_BYTES));
    expect(data()).to.have.lengthOf(0);
    rig.umount();
  });

  it('damaged data and ties to nothing are dropped, and the rest stays', () => {
    const image = attributes((n) => [
      n.xattr({ xid: 1, name: 'bad', value: 'x', badData: true }),
      n.xref(2, 1, 2),
      n.xattr({ xid: 2, name: 'good', value: 'y' }),
      n.xref(2, 2, 4),
      n.xref(2, 9, 6),
      n.xref(77, 2, 8),
    ]);
    const rig = rigOn(image);
    collect(rig, 1);
    expect(rig.u.listxattr('/f')).to.deep.equal(['user.good']);
    // The slot that the bad one left is given out once, not twice.
    for (let n = 0; n < 8; n++) rig.u.writeFile(`/n${n}`, `${n}`);
    rig.check();
    rig.remount();
    for (let n = 0; n < 8; n++) expect(text(rig.u.readFile(`/n${n}`))).to.equal(`${n}`);
    expect(rig.u.listxattr('/f')).to.deep.equal(['user.good']);
    rig.umount();
  });
});

describe('jffs2: space', () => {
  it('keeps the blocks in reserve that Linux keeps', () => {
    const kib = 1024;
    for (const [size, erase, write, trigger, merge, nospc] of [
      [1024, 64, 3, 4, 3, 76021],
      [512, 16, 3, 4, 3, 21626],
      [512, 64, 3, 4, 3, 70778],
      [16 * 1024, 64, 8, 9, 3, 233308],
      [8 * 1024, 8, 35, 36, 3, 92078],
    ] as const) {
      const rig = new Rig({ sizeBytes: size * kib, eraseBytes: erase * kib, readOnly: true });
      const { c } = rig;
      expect([
        c.resv_blocks_write,
        c.resv_blocks_gctrigger,
        c.resv_blocks_gcmerge,
        c.nospc_dirty_size,
      ]).to.deep.equal([write, trigger, merge, nospc]);
      expect([
        c.resv_blocks_deletion,
        c.resv_blocks_gcbad,
        c.vdirty_blocks_gctrigger,
      ]).to.deep.equal([2, 0, trigger]);
      rig.umount();
    }
  });

  it('tells statfs what Linux tells', () => {
    for (const [size, erase, blocks, free] of [
      [1024, 64, 256, 207],
      [512, 64, 128, 79],
    ] as const) {
      const rig = new Rig({ sizeBytes: size * 1024, eraseBytes: erase * 1024 });
      rig.settle();
      const stats = rig.u.statvfs();
      expect([stats.f_bsize, stats.f_blocks, stats.f_bfree, stats.f_bavail]).to.deep.equal([
        4096,
        blocks,
        free,
        free,
      ]);
      expect([stats.f_files, stats.f_ffree, stats.f_namemax]).to.deep.equal([0, 0, 254]);
      rig.umount();
    }
  });

  it('begins at the second-highest block of a blank medium, erased or formatted', () => {
    for (const formatted of [false, true]) {
      const image = new Image({ eraseBytes: ERASE_BYTES, blocks: 12 });
      if (formatted) image.format();
      const rig = rigOn(image);
      rig.settle();
      rig.u.writeFile('/f', 'x');
      expect(Math.floor(inodesOn(image, 2)[0]!.offset / ERASE_BYTES)).to.equal(10);
      rig.umount();
    }
  });

  it('lists start elsewhere when the versions add up to something else', () => {
    const starts = new Set<number>();
    for (let versions = 1; versions < 6; versions++) {
      const image = new Image({ eraseBytes: ERASE_BYTES, blocks: 12 });
      const { nodes } = image;
      image.put(0, nodes.cleanmarker(), nodes.dirent({ pino: 1, version: 1, ino: 2, name: 'f' }));
      image.put(0, nodes.inode({ ino: 2, version: versions }, sampleBytes(7980, 3)));
      const rig = rigOn(image.format());
      rig.u.writeFile('/g', 'y');
      starts.add(Math.floor(inodesOn(image, 3)[0]!.offset / ERASE_BYTES));
      rig.umount();
    }
    expect(starts.size).to.equal(5);
  });

  it('a full medium refuses to write, and lets delete all the same', () => {
    for (const eraseBytes of [4096, 16_384]) {
      const rig = new Rig({ sizeBytes: 16 * eraseBytes, eraseBytes });
      for (let round = 0; round < 6; round++) {
        let count = 0;
        expect(
          code(() => {
            for (; ; count++) {
              rig.host.advance(3);
              rig.u.writeFile(`/d${count}`, sampleBytes(eraseBytes / 9, 3 * count));
            }
          }),
        ).to.equal('ENOSPC');
        expect(count).to.be.greaterThan(70);
        // Every way to ask for space.
        expect(code(() => rig.u.writeFile('/other', 'x'))).to.equal('ENOSPC');
        expect(code(() => rig.u.mkdir('/other'))).to.equal('ENOSPC');
        expect(code(() => rig.u.truncate('/d0', 0))).to.equal('ENOSPC');
        expect(code(() => rig.u.rename('/d0', '/e0'))).to.equal('ENOSPC');
        expect(rig.u.exists('/e0')).to.equal(false);
        if (round % 2) rig.remount();
        rig.check();
        for (const name of rig.u.readdir('/')) rig.u.unlink(`/${name}`);
        rig.check();
        rig.settle();
      }
      rig.remount();
      expect(rig.u.readdir('/')).to.deep.equal([]);
      rig.umount();
    }
  });

  it('rp_size is kept for the privileged', () => {
    const rig = new Rig({
      sizeBytes: 32 * ERASE_BYTES,
      eraseBytes: ERASE_BYTES,
      options: 'rp_size=64',
    });
    rig.u.chmod('/', 0o777);
    const user = new Ukfs(rig.fs, puffs_cred_user(1000, 1000));
    const fill = (u: Ukfs, name: string): number => {
      let count = 0;
      expect(
        code(() => {
          for (; ; count++) u.writeFile(`/${name}${count}`, sampleBytes(2000, 3));
        }),
      ).to.equal('ENOSPC');
      return count;
    };
    const first = fill(user, 'user');
    const more = fill(rig.u, 'root');
    expect(first).to.be.greaterThan(30);
    // 64 KiB in pieces of 2068 bytes and their entries.
    expect(more).to.be.within(24, 32);
    user.unlink('/user0');
    rig.umount();
  });
});

describe('jffs2: the times of a directory', () => {
  it('outlive the deletion that told them, and a change of attributes', () => {
    const rig = new Rig({ sizeBytes: 512 * 1024, eraseBytes: 16384 });
    rig.u.mkdir('/deleted');
    rig.u.mkdir('/renamed');
    // Their inode nodes lie in a block of their own.
    rig.u.writeFile('/between', sampleBytes(20_000, 3));
    rig.u.writeFile('/deleted/file', 'x');
    rig.u.writeFile('/renamed/file', 'x');
    rig.host.advance(5000);
    rig.u.unlink('/deleted/file');
    rig.u.writeFile('/renamed/other', 'x');
    rig.host.advance(5000);
    rig.u.rename('/renamed', '/moved');
    const times = (): number[] => ['/deleted', '/moved'].map((dir) => rig.u.stat(dir).mtimeMs);
    const before = times();
    const block = rig.c.nextblock!.offset / rig.c.sector_size;
    rig.u.writeFile('/more', sampleBytes(40_000, 3));
    collect(rig, block);
    expect(times()).to.deep.equal(before);
    rig.remount();
    expect(times()).to.deep.equal(before);
    rig.check();
    rig.umount();
  });
});
