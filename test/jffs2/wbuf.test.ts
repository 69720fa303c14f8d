/**
 * Media that are programmed by the page: what lies where on the flash, when the write buffer is
 * flushed, and what becomes of pages and blocks that fail.
 */
import { expect } from 'chai';
import type { flash_chip } from '../../src/mtd/flash_chip.js';
import { faulty_cells, mtd_faults, parse_fault, type call_fault } from '../../src/mtd/fault.js';
import type { cell_fault } from '../../src/mtd/fault.js';
import { MTD_OPS_AUTO_OOB, MTD_OPS_RAW, type mtd_info } from '../../src/mtd/mtd.js';
import { nand_chip } from '../../src/mtd/nand.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import { jffs2_garbage_collect_pass } from '../../src/jffs2/gc.js';
import { flashNodes, type FlashNode } from './flash_nodes.js';
import { blankBacking, MEDIA, type Medium } from './media.js';
import { newHost, Rig, sampleBytes } from './rig.js';

const SMALL = MEDIA.nandSmall;

function rigOn(medium: Medium, options = '', faults: readonly string[] = []): Rig {
  const host = newHost(1);
  const cells = faults.filter((word) => /^(cut|fail|worn)/.test(word)).map(parse_fault);
  const calls = faults.filter((word) => !/^(cut|fail|worn)/.test(word)).map(parse_fault);
  const backing = new faulty_cells(blankBacking(medium), cells as cell_fault[]);
  const chip = medium.chip(host, backing);
  const mtd = calls.length > 0 ? new mtd_faults(chip, calls as call_fault[]) : chip;
  return new Rig({ mtd, host, options });
}

/** All data of a chip, without OOB. */
function dataOf(mtd: mtd_info): Uint8Array {
  const bytes = new Uint8Array(mtd.size);
  mtd.read(0, mtd.size, bytes, 0);
  return bytes;
}

function oobOf(mtd: mtd_info, page: number, mode: number, ooblen: number): Uint8Array {
  const oobbuf = new Uint8Array(ooblen);
  const ops = { mode, datbuf: null, len: 0, retlen: 0, oobbuf, ooboffs: 0, ooblen, oobretlen: 0 };
  mtd.read_oob(page, ops);
  return oobbuf;
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const nodesOf = ({ mtd }: Rig, blockBytes = mtd.erasesize): FlashNode[] =>
  flashNodes(dataOf(mtd), blockBytes);

/** Bytes written and not on flash yet. */
const waiting = (rig: Rig): number => rig.c.wbuf!.len;

/** What the next mount would find: the power goes now. */
function cutOff(medium: Medium, backing: RamBacking): Rig {
  const host = newHost(2);
  const mtd = medium.chip(host, new RamBacking(backing.bytes.slice()));
  return new Rig({ mtd, host });
}

describe('jffs2 on NAND: cleanmarkers', () => {
  for (const [name, order, wanted] of [
    ['nandSmall', 'little', `ffffffffffffffff${'8519032008000000'}`],
    ['nandSmall', 'big', `ffffffffffffffff${'1985200300000008'}`],
    ['nandLarge', 'little', `ffff8519032008000000${'ff'.repeat(54)}`],
    ['nandTiny', 'little', 'ffffff8519ff0320'],
  ] as const) {
    it(`lie in the OOB of the first page, ${MEDIA[name].name}, ${order}`, () => {
      const rig = rigOn(MEDIA[name], `endian=${order}`);
      rig.settle();
      expect(rig.c.nr_free_blocks).to.equal(MEDIA[name].blocks);
      for (const jeb of rig.c.blocks) {
        expect(hex(oobOf(rig.mtd, jeb.offset, MTD_OPS_RAW, rig.mtd.oobsize))).to.equal(wanted);
      }
      expect(nodesOf(rig)).to.deep.equal([]);
      rig.remount();
      // They are believed: nothing is erased again.
      expect(rig.c.nr_free_blocks).to.equal(MEDIA[name].blocks);
      rig.umount();
    });
  }

  it('stay while the block is in use', () => {
    const rig = rigOn(SMALL);
    rig.settle();
    rig.u.writeFile('/file', sampleBytes(3000, 3));
    rig.u.sync();
    for (const jeb of rig.c.blocks) {
      const oob = oobOf(rig.mtd, jeb.offset, MTD_OPS_AUTO_OOB, 8);
      expect(hex(oob)).to.equal('8519032008000000');
    }
    expect(nodesOf(rig).length).to.be.greaterThan(0);
    rig.umount();
  });

  it('a block with anything else in its OOB is erased before it is used', () => {
    const rig = rigOn(SMALL);
    rig.settle();
    rig.u.writeFile('/file', 'text');
    const used = rig.c.blocks.map((jeb) => jeb.used_size > 0);
    rig.umount();
    const free = used.indexOf(false);
    const oobbuf = Uint8Array.of(0x12);
    rig.mtd.write_oob(free * SMALL.eraseBytes + 512, {
      ...{ mode: MTD_OPS_AUTO_OOB, datbuf: null, len: 0, retlen: 0 },
      ...{ oobbuf, ooboffs: 3, ooblen: 1, oobretlen: 0 },
    });
    const before = rig.mtd.wear.eraseCount[free]!;
    rig.mount();
    rig.settle();
    expect(rig.mtd.wear.eraseCount[free]).to.equal(before + 1);
    rig.check();
    rig.umount();
  });
});

describe('jffs2 with a write buffer: flushing', () => {
  it('fills the page with a padding node and zeros', () => {
    const rig = rigOn(SMALL);
    rig.u.mkdir('/d');
    const length = waiting(rig);
    expect(length).to.be.within(1, 511);
    expect(nodesOf(rig)).to.deep.equal([]);
    rig.u.sync();
    expect(waiting(rig)).to.equal(0);
    const nodes = nodesOf(rig);
    const padding = nodes.find(({ type }) => type === 0x2004)!;
    expect(padding.offset % 512).to.equal(length);
    expect(padding.totlen).to.equal(512 - length);
    expect(padding.bytes.subarray(12).every((byte) => byte === 0)).to.equal(true);
    rig.check();
    rig.umount();
  });

  it('fills less than a header with zeros alone', () => {
    const rig = rigOn(MEDIA.eccNor);
    for (let n = 0; n < 40 && !(waiting(rig) > 20); n++) {
      rig.u.symlink('t'.repeat(1 + (n % 9)), `/l${n}`);
    }
    const length = waiting(rig);
    expect(length).to.be.within(21, 28);
    rig.u.sync();
    expect(nodesOf(rig).filter(({ type }) => type === 0x2004)).to.deep.equal([]);
    rig.remount();
    expect(rig.u.readdir('/').length).to.be.greaterThan(0);
    expect(rig.c.damage.total).to.equal(0);
    rig.umount();
  });

  it('happens at fsync of a file that has data in it, and of no other', () => {
    const backing = blankBacking(SMALL);
    const host = newHost(1);
    const rig = new Rig({ mtd: SMALL.chip(host, backing), host });
    const { u } = rig;
    u.writeFile('/old', 'old');
    u.sync();
    u.writeFile('/new', 'new');
    const before = waiting(rig);
    expect(before).to.be.greaterThan(0);
    const old = u.open('/old', 'r');
    u.fsync(old);
    expect(waiting(rig)).to.equal(before);
    expect(cutOff(SMALL, backing).u.exists('/new')).to.equal(false);
    const fresh = u.open('/new', 'r');
    u.fsync(fresh);
    expect(text(cutOff(SMALL, backing).u.readFile('/new'))).to.equal('new');
    u.setxattr('/new', 'user.x', 'y');
    u.fsync(fresh);
    expect(text(cutOff(SMALL, backing).u.getxattr('/new', 'user.x'))).to.equal('y');
    u.rename('/new', '/newer');
    u.fsync(fresh);
    expect(cutOff(SMALL, backing).u.readdir('/').sort()).to.deep.equal(['newer', 'old']);
    for (const fd of [old, fresh]) u.close(fd);
    rig.umount();
  });

  it('fills the page by collecting garbage, where there is some', () => {
    const rig = rigOn(SMALL);
    const { u } = rig;
    u.writeFile('/keep', sampleBytes(30_000, 3));
    for (let n = 0; n < 6; n++) u.writeFile('/dirt', sampleBytes(9000, 3 * n));
    u.sync();
    rig.settle();
    const fd = u.open('/dirt', 'r+');
    u.write(fd, sampleBytes(10, 1), 0, 10, 5);
    const paddings = nodesOf(rig).filter(({ type }) => type === 0x2004).length;
    u.fsync(fd);
    expect(rig.c.wbuf!.inodes.length).to.equal(0);
    expect(nodesOf(rig).filter(({ type }) => type === 0x2004).length).to.equal(paddings);
    u.close(fd);
    rig.check();
    rig.umount();
  });

  it('happens five seconds after the first write', () => {
    const rig = rigOn(SMALL);
    rig.settle();
    rig.u.mkdir('/d');
    rig.host.sleepMs(4000);
    rig.lump.background();
    rig.u.mkdir('/e');
    expect(waiting(rig)).to.be.greaterThan(0);
    rig.host.sleepMs(1100);
    for (let n = 0; n < 4; n++) rig.lump.background();
    expect(waiting(rig)).to.equal(0);
    rig.umount();
  });

  it('happens at unmounting and when a mount becomes read-only', () => {
    const rig = rigOn(SMALL);
    rig.u.mkdir('/d');
    rig.umount();
    rig.mount();
    expect(rig.u.readdir('/')).to.deep.equal(['d']);
    rig.umount();
  });

  it('comes before a block is erased whose nodes are replaced in the buffer only', () => {
    const backing = blankBacking(SMALL);
    const host = newHost(1);
    const rig = new Rig({ mtd: SMALL.chip(host, backing), host });
    rig.settle();
    const { u, c } = rig;
    u.writeFile('/a', 'x');
    u.sync();
    u.writeFile('/fill', sampleBytes(7400, 3));
    u.sync();
    expect(c.nextblock?.first_node ?? 0).to.not.equal(c.blocks[0]!.first_node);
    u.unlink('/fill');
    u.writeFile('/a', 'y');
    host.advance(5);
    const pending = c.erasable_pending_wbuf_list.length;
    expect(waiting(rig)).to.be.greaterThan(0);
    for (let n = 0; n < 30 && c.erase_pending_list.empty; n++) {
      host.advance(5);
      try {
        jffs2_garbage_collect_pass(c);
      } catch {
        break;
      }
    }
    expect(pending + c.erase_pending_list.length).to.be.greaterThan(0);
    const cut = cutOff(SMALL, backing);
    expect(['x', 'y']).to.include(text(cut.u.readFile('/a')));
    rig.check();
    rig.umount();
  });
});

describe('jffs2 on flash that fails', () => {
  const work = (rig: Rig): void => {
    for (let n = 0; n < 8; n++) {
      rig.u.writeFile(`/f${n}`, sampleBytes(700 + 100 * n, 3 * n));
      rig.u.setxattr(`/f${n}`, 'user.n', `${n}`);
      if (n % 3 === 2) rig.u.sync();
    }
  };
  const expectWork = (rig: Rig): void => {
    for (let n = 0; n < 8; n++) {
      const data = Buffer.from(sampleBytes(700 + 100 * n, 3 * n));
      expect(data.compare(rig.u.readFile(`/f${n}`)), `/f${n}`).to.equal(0);
      expect(text(rig.u.getxattr(`/f${n}`, 'user.n'))).to.equal(`${n}`);
    }
    rig.check();
  };

  it('a page that cannot be programmed costs nothing', () => {
    const fine = rigOn(SMALL);
    fine.settle();
    const before = (fine.mtd as flash_chip).wear.programCount.reduce((a, b) => a + b);
    work(fine);
    const after = (fine.mtd as flash_chip).wear.programCount.reduce((a, b) => a + b);
    fine.umount();
    // Formatting takes an erase and a program for each block.
    for (let op = 2 * SMALL.blocks; op < 2 * SMALL.blocks + after - before; op++) {
      const rig = rigOn(SMALL, '', [`fail:${op}+200`]);
      rig.settle();
      work(rig);
      expectWork(rig);
      expect(rig.c.damage.counts.get('write failed'), `${op}`).to.be.greaterThan(0);
      rig.settle();
      rig.remount();
      expectWork(rig);
      rig.umount();
    }
  });

  it('a block in which programs fail is emptied, and used again when it erases well', () => {
    const rig = rigOn(SMALL, '', [`fail:${2 * SMALL.blocks + 6}`]);
    rig.settle();
    work(rig);
    rig.u.sync();
    const [failed] = [...rig.c.bad_used_list];
    expect(failed).to.not.equal(undefined);
    for (let n = 0; n < 200 && failed!.list !== rig.c.free_list; n++) {
      rig.host.advance(4);
      jffs2_garbage_collect_pass(rig.c);
    }
    expect(failed!.list).to.equal(rig.c.free_list);
    expect(rig.mtd.block_isbad(failed!.offset)).to.equal(false);
    expectWork(rig);
    rig.umount();
  });

  it('a block that does not erase is tried twice, then marked bad, also for the next mount', () => {
    const rig = rigOn(SMALL, '', ['worn:0']);
    rig.settle();
    expect(rig.c.damage.counts.get('erase failed')).to.equal(2);
    expect(rig.mtd.ecc_stats.badblocks).to.equal(1);
    expect(rig.c.bad_list.length).to.equal(1);
    expect(rig.c.bad_size).to.equal(SMALL.eraseBytes);
    const { offset } = rig.c.bad_list.first!;
    expect(rig.mtd.block_isbad(offset)).to.equal(true);
    work(rig);
    rig.remount();
    expect(rig.c.bad_list.first!.offset).to.equal(offset);
    expectWork(rig);
    rig.umount();
  });

  it('without bad-block marks it is left alone in this mount', () => {
    const rig = rigOn(MEDIA.dataflash528, '', ['erase:1']);
    for (let n = 0; n < 100 && rig.c.damage.total === 0; n++) {
      rig.u.writeFile('/dirt', sampleBytes(5000, 3 * n));
      rig.settle();
    }
    expect(rig.c.damage.counts.get('erase failed')).to.equal(1);
    expect(rig.c.bad_list.length).to.equal(1);
    work(rig);
    rig.remount();
    expect(rig.c.bad_list.length).to.equal(0);
    expectWork(rig);
    rig.umount();
  });

  it('factory-bad blocks are not touched', () => {
    const host = newHost(1);
    const backing = blankBacking(SMALL);
    for (const block of [0, 7, 19]) backing.bytes[block * SMALL.recordBytes + 512 + 5] = 0;
    const mtd = SMALL.chip(host, backing);
    const rig = new Rig({ mtd, host });
    rig.settle();
    expect(rig.c.bad_list.length).to.equal(3);
    work(rig);
    rig.remount();
    expectWork(rig);
    for (const block of [0, 7, 19]) expect(mtd.wear.eraseCount[block]).to.equal(0);
    rig.umount();
  });

  it('a chip that takes nothing any more: an error to who syncs, and all is readable', () => {
    const rig = rigOn(SMALL, '', ['write:3!']);
    rig.u.writeFile('/first', sampleBytes(100, 1));
    rig.u.sync();
    let written = 0;
    expect(() => {
      for (; written < 100; written++) rig.u.writeFile(`/f${written}`, sampleBytes(90, 1));
    }).to.throw(/EIO/);
    expect(() => rig.u.sync()).to.throw(/EIO/);
    expect(() => rig.u.mkdir('/d')).to.throw(/EIO/);
    expect(rig.c.damage.counts.get('data lost')).to.equal(1);
    expect(written).to.be.greaterThan(0);
    for (let n = 0; n < written; n++) expect(rig.u.readFile(`/f${n}`).length).to.equal(90);
    rig.check();
    expect(() => rig.umount()).to.throw(/EIO/);
    rig.u.unmount(true);
  });

  it('an uncorrectable page costs the nodes in it', () => {
    const backing = blankBacking(SMALL);
    const host = newHost(1);
    const rig = new Rig({ mtd: SMALL.chip(host, backing), host });
    work(rig);
    rig.umount();
    const bytes = backing.bytes.slice();
    const nodes = nodesOf(rig).filter(({ type, u32 }) => type === 0xe002 && u32(48) > 300);
    const at = nodes[3]!.offset;
    const cell = Math.floor(at / 512) * 528 + (at % 512) + 100;
    bytes[cell]! ^= 0x11;
    const again = new Rig({ mtd: SMALL.chip(host, new RamBacking(bytes)), host });
    const sizes = again.u.readdir('/').map((name) => again.u.readFile(`/${name}`).length);
    expect(sizes.length).to.equal(8);
    expect(again.mtd.ecc_stats.failed).to.be.greaterThan(0);
    expect(again.c.damage.counts.get('data crc')).to.equal(1);
    again.check();
    again.umount();
  });
});

describe('jffs2 on chips that it cannot live on', () => {
  it('NAND whose OOB has no free byte', () => {
    const host = newHost(1);
    const chip = new nand_chip(host, blankBacking(SMALL), {
      ...{ name: 'nand', erasesize: SMALL.eraseBytes, writesize: 512, oobsize: 16 },
    });
    const mtd = Object.create(chip, { oobavail: { value: 0 } }) as mtd_info;
    expect(() => new Rig({ mtd, host })).to.throw(/EINVAL.*cleanmarker/);
  });
});
