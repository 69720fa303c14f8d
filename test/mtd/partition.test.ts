/** Partitions, the text that makes them, and the table of devices. */
import { expect } from 'chai';
import { KernelPanic } from '../../src/lump/bug.js';
import type { mtd_info } from '../../src/mtd/mtd.js';
import { mtd_table } from '../../src/mtd/mtd_table.js';
import { type mtdparts_part, mtd_make_partitions, parse_mtdparts } from '../../src/mtd/mtdparts.js';
import { mtd_new_ram } from '../../src/mtd/open.js';
import { mtd_partition } from '../../src/mtd/partition.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { errnoOf, linesOf } from './util.js';

const ERASE_SIZE = 0x1000;
const KIB = 1024;
const MIB = 1024 * KIB;

const chip = (size = 16 * ERASE_SIZE, name = 'flash0') =>
  mtd_new_ram(new SimulatedHost(), { size, erasesize: ERASE_SIZE, name });

const part = (size: number | null, more: Partial<mtdparts_part> = {}): mtdparts_part => ({
  size,
  offset: null,
  name: null,
  ro: false,
  lk: false,
  slc: false,
  ...more,
});

describe('mtdparts: grammar', () => {
  const cases: [string, { id: string; parts: mtdparts_part[] }[]][] = [
    ['edb7312-nor:-', [{ id: 'edb7312-nor', parts: [part(null)] }]],
    [
      'mtdparts=edb7312-nor:256k(ARMboot)ro,-(root);edb7312-nand:-(home)',
      [
        {
          id: 'edb7312-nor',
          parts: [part(256 * KIB, { name: 'ARMboot', ro: true }), part(null, { name: 'root' })],
        },
        { id: 'edb7312-nand', parts: [part(null, { name: 'home' })] },
      ],
    ],
    [
      'a:0x20000@0x40000,1M@2m(b c)rolkslc,010lk',
      [
        {
          id: 'a',
          parts: [
            part(0x20000, { offset: 0x40000 }),
            part(MIB, { offset: 2 * MIB, name: 'b c', ro: true, lk: true, slc: true }),
            part(8, { lk: true }),
          ],
        },
      ],
    ],
    [
      '1c20000.spi:0.1:4K(a:b,c;d),1g@0(),-@1T(z)',
      [
        {
          id: '1c20000.spi:0.1',
          parts: [
            part(4 * KIB, { name: 'a:b,c;d' }),
            part(1024 * MIB, { offset: 0, name: '' }),
            part(null, { offset: MIB * MIB, name: 'z' }),
          ],
        },
      ],
    ],
  ];
  for (const [text, devices] of cases) {
    it(text, () => {
      expect(parse_mtdparts(text)).to.deep.equal(devices);
    });
  }

  const errors: [string, string][] = [
    ['', 'the device\'s name and ":" were expected at character 1: "" >>> ""'],
    ['mtdparts=', 'were expected at character 10'],
    ['nor', 'were expected at character 1: "" >>> "nor"'],
    [':1k', "the device's name is empty at character 1"],
    ['nor:', 'a size or "-" was expected at character 5: "nor:" >>> ""'],
    ['nor:1k,', 'a size or "-" was expected at character 8: "nor:1k," >>> ""'],
    ['nor:x', 'a size or "-" was expected at character 5: "nor:" >>> "x"'],
    ['nor:1k@(a)', 'an offset was expected at character 8: "nor:1k@" >>> "(a)"'],
    ['nor:1k(a', 'the ")" of this name is missing at character 8'],
    ['nor:1k(a)rw', '"," or ";" or the end was expected at character 10: "nor:1k(a)" >>> "rw"'],
    ['nor:1kb', 'the end was expected at character 7'],
    ['nor:09', 'the end was expected at character 6'],
    ['nor:-(a),1k(b)', 'nothing may follow a part of size "-" at character 10'],
    ['nor:99999999999g', 'this number is too large at character 5'],
    ['nor:1k;;', 'were expected at character 8'],
  ];
  for (const [text, message] of errors) {
    it(`"${text}" is refused where it breaks`, () => {
      expect(() => parse_mtdparts(text)).to.throw(message);
      expect(errnoOf(() => parse_mtdparts(text))).to.equal('EINVAL');
    });
  }
});

describe('mtdparts: layout', () => {
  const layout = (text: string): unknown[] =>
    mtd_make_partitions(new SimulatedHost(), chip(), text).map((p) => [p.name, p.offset, p.size]);

  it('one behind the other, and the rest', () => {
    expect(layout('flash0:8k(a),4k,-(c)')).to.deep.equal([
      ['a', 0, 0x2000],
      ['Partition_001', 0x2000, 0x1000],
      ['c', 0x3000, 0xd000],
    ]);
  });

  it('out of order and overlapping', () => {
    expect(layout('flash0:4k@8k(a),4k(b),8k@0(c)')).to.deep.equal([
      ['a', 0x2000, 0x1000],
      ['b', 0x3000, 0x1000],
      ['c', 0, 0x2000],
    ]);
  });

  it('another device', () => {
    expect(layout('flash1:4k;flash0:8k(mine)')).to.deep.equal([['mine', 0, 0x2000]]);
    expect(layout('flash1:4k')).to.deep.equal([]);
  });

  it('cut at the end, or left out, with a message', () => {
    const host = new SimulatedHost();
    const text = 'flash0:1m@60k(a),4k(b),0@0(c),4k(d)';
    const parts = mtd_make_partitions(host, chip(), text);
    expect(parts.map(({ name, size }) => [name, size])).to.deep.equal([
      ['a', 0x1000],
      ['d', 0x1000],
    ]);
    expect(linesOf(host)).to.deep.equal([
      'mtd: partition "a" extends beyond the end of flash0, cut to 4096 bytes',
      'mtd: partition "b" is out of reach, left out',
      'mtd: partition "c" has no size, left out',
    ]);
  });

  it('refuses parts of erase blocks, and slc', () => {
    expect(() => layout('flash0:6k(a)')).to.throw(
      'partition "a": 6144 bytes at 0 are no whole erase blocks of 4096',
    );
    expect(() => layout('flash0:4k@2k(a)')).to.throw('4096 bytes at 2048');
    expect(() => layout('flash0:4k(a)slc')).to.throw('flash0 is no MLC chip');
  });
});

describe('partition', () => {
  const two = (): { master: mtd_info; a: mtd_partition; b: mtd_partition } => {
    const master = chip();
    const [a, b] = mtd_make_partitions(new SimulatedHost(), master, 'flash0:8k(a),8k(b)') as [
      mtd_partition,
      mtd_partition,
    ];
    return { master, a, b };
  };

  it('adds its offset to everything, and stays inside', () => {
    const { master, a, b } = two();
    b.write(0, 2, Uint8Array.of(1, 2), 0);
    const buf = new Uint8Array(2);
    master.read(0x2000, 2, buf, 0);
    expect([...buf]).to.deep.equal([1, 2]);
    b.read(0, 2, buf, 0);
    expect([...buf]).to.deep.equal([1, 2]);
    const out = { buf, off: 0 };
    expect(b.point(1, 1, out)).to.equal(true);
    expect(out.buf[out.off]).to.equal(2);
    expect(errnoOf(() => a.read(0x1fff, 2, buf, 0))).to.equal('EINVAL');
    expect(errnoOf(() => a.write(0x1fff, 2, buf, 0))).to.equal('EINVAL');
    expect(errnoOf(() => a.point(0x2000, 1, out))).to.equal('EINVAL');
    const outside = { addr: 0x2000, len: 0x1000, fail_addr: 0 };
    expect(errnoOf(() => a.erase(outside))).to.equal('EINVAL');
    b.erase({ addr: 0, len: 0x1000, fail_addr: 0 });
    master.read(0x2000, 2, buf, 0);
    expect([...buf]).to.deep.equal([0xff, 0xff]);
  });

  it('sees the wear of its own blocks', () => {
    const { master, a, b } = two();
    b.erase({ addr: 0x1000, len: 0x1000, fail_addr: 0 });
    master.erase({ addr: 0x2000, len: 0x1000, fail_addr: 0 });
    b.write(0, 5, new Uint8Array(5), 0);
    expect([...b.wear.eraseCount]).to.deep.equal([1, 1]);
    expect([...a.wear.eraseCount]).to.deep.equal([0, 0]);
    expect([b.wear.bytesProgrammed, a.wear.bytesProgrammed]).to.deep.equal([5, 0]);
    expect(master.wear.bytesProgrammed).to.equal(5);
  });

  it('ro answers EROFS while its neighbour is written', () => {
    const master = chip();
    const [a, b] = mtd_make_partitions(new SimulatedHost(), master, 'flash0:8k(a)ro,8k(b)');
    expect(errnoOf(() => a!.write(0, 1, Uint8Array.of(0), 0))).to.equal('EROFS');
    expect(errnoOf(() => a!.erase({ addr: 0, len: 0x1000, fail_addr: 0 }))).to.equal('EROFS');
    expect(b!.write(0, 1, Uint8Array.of(0), 0)).to.equal(1);
  });

  it('tells where an erase failed in its own addresses', () => {
    const master = chip();
    const failing = new Proxy(master, {
      get: (target, key) =>
        key === 'erase'
          ? (instr: { fail_addr: number }): void => {
              instr.fail_addr = 0x3000;
              throw new RangeError('worn out');
            }
          : Reflect.get(target, key, target),
    });
    const b = new mtd_partition(failing, { name: 'b', offset: 0x2000, size: 0x2000 });
    const instr = { addr: 0x1000, len: 0x1000, fail_addr: 0 };
    expect(() => b.erase(instr)).to.throw('worn out');
    expect(instr.fail_addr).to.equal(0x1000);
  });

  it('must be made of whole blocks inside its master', () => {
    for (const [offset, size] of [
      [0, 0x800],
      [0x800, 0x1000],
      [0xf000, 0x2000],
      [0, 0],
      [NaN, 1],
    ]) {
      const make = (): unknown =>
        new mtd_partition(chip(), { name: 'x', offset: offset!, size: size! });
      expect(make, `${size} at ${offset}`).to.throw(KernelPanic);
    }
  });
});

describe('mtd_table', () => {
  it('numbers devices, finds them, and prints them as /proc/mtd does', () => {
    const table = new mtd_table();
    const a = chip(0x80000, 'NAND simulator partition 0');
    const b = chip(0x10000, 'b');
    expect(table.add_mtd_device(a)).to.equal(0);
    expect(table.add_mtd_device(b)).to.equal(1);
    expect(errnoOf(() => table.add_mtd_device(b))).to.equal('EEXIST');
    expect(table.proc_mtd()).to.equal(
      'dev:    size   erasesize  name\n' +
        'mtd0: 00080000 00001000 "NAND simulator partition 0"\n' +
        'mtd1: 00010000 00001000 "b"\n',
    );
    expect(table.get_mtd_device_for_mount('mtd1')).to.equal(b);
    expect(table.get_mtd_device_for_mount('mtd:b')).to.equal(b);
    expect(errnoOf(() => table.get_mtd_device_for_mount('mtd7'))).to.equal('ENODEV');
    expect(errnoOf(() => table.get_mtd_device_for_mount('mtd:c'))).to.equal('ENODEV');
    expect(errnoOf(() => table.get_mtd_device_for_mount('sda1'))).to.equal('EINVAL');

    expect(errnoOf(() => table.del_mtd_device(b))).to.equal('EBUSY');
    table.put_mtd_device(b);
    table.put_mtd_device(b);
    expect(errnoOf(() => table.put_mtd_device(b))).to.equal('EINVAL');
    table.del_mtd_device(a);
    expect([a.index, b.index]).to.deep.equal([-1, 1]);
    expect(errnoOf(() => table.get_mtd_device(0))).to.equal('ENODEV');
    expect(table.add_mtd_device(chip())).to.equal(0);
    table.del_mtd_device(b);
    expect([...table].length).to.equal(1);
    expect(errnoOf(() => table.del_mtd_device(b))).to.equal('ENODEV');
  });
});
