/** Disks: three backends with one promise, the buffer cache, partitions. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Lump } from '../../src/lump/lump.js';
import { bufcache } from '../../src/netbsd-compat/buf.js';
import { disk_async } from '../../src/netbsd-compat/disk/backend_async.js';
import { disk_sync } from '../../src/netbsd-compat/disk/backend_sync.js';
import { disk_window } from '../../src/netbsd-compat/disk/backend_window.js';
import { disk_slice, type disk } from '../../src/netbsd-compat/disk/disk.js';
import { disk_open } from '../../src/netbsd-compat/disk/open.js';
import type { NetbsdErrno } from '../../src/netbsd-compat/errno.js';
import {
  DeviceSuffixError,
  find_partitions,
  parse_device,
} from '../../src/netbsd-compat/disk/partition.js';
import type { HostFile } from '../../src/rumpuser/rumpuser.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { random } from '../conformance/expect.js';

const DISK_BYTES = 64 * 1024;
const SEEDS = Number(process.env.LUMP_SEEDS ?? 5);

interface event {
  readonly what: 'write' | 'sync';
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** A host's file that remembers in which order things came. */
function recorded(host: SimulatedHost): { file: HostFile; events: event[] } {
  host.replaceFile('/disk', new Uint8Array(DISK_BYTES));
  const file = host.open('/disk', 'write');
  const events: event[] = [];
  const write = file.write.bind(file);
  const sync = file.sync.bind(file);
  file.write = (buf, off, length, position) => {
    events.push({ what: 'write', position, bytes: buf.slice(off, off + length) });
    write(buf, off, length, position);
  };
  file.sync = () => {
    events.push({ what: 'sync', position: 0, bytes: new Uint8Array(0) });
    sync();
  };
  return { file, events };
}

type Backend = (lump: Lump, file: HostFile, seed: number) => disk;

const BACKENDS: Readonly<Record<string, Backend>> = {
  sync: (_lump, file) => new disk_sync(file, false),
  async: (lump, file, seed) => new disk_async(lump, file, false, random(seed)),
  window: (_lump, file) => new disk_window(file, false, 4096, 3),
};

for (const [name, make] of Object.entries(BACKENDS)) {
  describe(`netbsd-compat: disk, ${name}`, () => {
    function opened(seed = 1): { host: SimulatedHost; lump: Lump; disk: disk; events: event[] } {
      const host = new SimulatedHost({ seed });
      const lump = new Lump({ host, seed });
      const { file, events } = recorded(host);
      return { host, lump, disk: make(lump, file, seed), events };
    }

    it('reads answer what was written last; a flush is a border of the order', () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const { host, lump, disk, events } = opened(seed);
        const next = random(seed);
        const model = new Uint8Array(DISK_BYTES);
        for (let i = 0; i < 400; i++) {
          const position = next(DISK_BYTES - 1);
          const length = 1 + next(Math.min(9000, DISK_BYTES - position));
          switch (next(8)) {
            case 0: {
              disk.flush();
              // Everything written until now survives the end of the host, whatever comes later.
              const durable = new Uint8Array(DISK_BYTES);
              for (const { what, position: at, bytes } of events) {
                if (what === 'write') durable.set(bytes, at);
              }
              expect(events.at(-1)!.what, `seed ${seed}`).to.equal('sync');
              expect(Buffer.from(durable).equals(model), `seed ${seed}, step ${i}`).to.equal(true);
              break;
            }
            case 1:
            case 2: {
              const buf = new Uint8Array(length);
              disk.read(buf, 0, length, position);
              const same = Buffer.from(buf).equals(model.subarray(position, position + length));
              expect(same, `seed ${seed}, step ${i}`).to.equal(true);
              break;
            }
            case 3:
              lump.background();
              break;
            default: {
              const buf = new Uint8Array(length).fill(i & 255);
              disk.write(buf, 0, length, position);
              // The caller's again.
              buf.fill(0xee);
              model.fill(i & 255, position, position + length);
            }
          }
        }
        disk.flush();
        disk.close();
        expect(Buffer.from(host.readFile('/disk')).equals(model), `seed ${seed}`).to.equal(true);
      }
    });

    it('refuses what is not on it, and tells of a host that fails', () => {
      const { host, disk } = opened();
      const buf = new Uint8Array(512);
      const outside = [
        () => disk.read(buf, 0, 512, DISK_BYTES - 511),
        () => disk.write(buf, 0, 512, -1),
      ];
      for (const call of outside) expect(call).to.throw(/ENXIO/);
      disk.write(buf, 0, 512, 0);
      host.failNth({ call: 'write', nth: 1, code: 'ENOSPC' });
      expect(() => {
        disk.write(buf, 0, 512, 512);
        disk.flush();
      }).to.throw(/EIO/);
      disk.write(buf.fill(7), 0, 512, 512);
      disk.flush();
      const slice = new disk_slice(disk, 512, 512, 'part');
      slice.read(buf.fill(0), 0, 512, 0);
      expect(buf[0]).to.equal(7);
      expect(() => slice.read(buf, 0, 512, 1)).to.throw(/ENXIO/);
    });
  });
}

describe('netbsd-compat: buffer cache', () => {
  it('writes neighbours together, in ascending order, and not what was freed', () => {
    const host = new SimulatedHost();
    const lump = new Lump({ host });
    const { file, events } = recorded(host);
    const cache = new bufcache(lump, new disk_sync(file, false), 1024);
    for (const blkno of [9, 3, 5, 4, 7]) {
      const bp = cache.getblk(blkno);
      bp.b_data.fill(blkno);
      cache.bdwrite(bp);
    }
    cache.brelse_invalid(7);
    expect(events).to.have.lengthOf(0);
    cache.flush();
    expect(events.map(({ what, position, bytes }) => [what, position, bytes.length])).to.deep.equal(
      [
        ['write', 3 * 1024, 3 * 1024],
        ['write', 9 * 1024, 1024],
        ['sync', 0, 0],
      ],
    );
    expect(cache.bread(4).b_data[0]).to.equal(4);
    cache.close();
  });

  it('keeps changed blocks when it throws others out, and the syncer comes round', () => {
    const host = new SimulatedHost();
    const lump = new Lump({ host });
    const { file, events } = recorded(host);
    const cache = new bufcache(lump, new disk_sync(file, false), 512, 64 * 512);
    const bp = cache.bread(0);
    bp.b_data.fill(1);
    cache.bdwrite(bp);
    for (let blkno = 1; blkno < DISK_BYTES / 512; blkno++) cache.bread(blkno);
    expect(cache.bread(0).b_data[0]).to.equal(1);
    expect(events).to.have.lengthOf(0);
    lump.background();
    host.advance(6000);
    while (lump.background() === 0);
    expect(cache.dirty_count).to.equal(0);
    expect(events.map(({ what }) => what)).to.deep.equal(['write', 'sync']);
    cache.close();
  });

  for (const [name, make] of Object.entries(BACKENDS)) {
    it(`blocks that are kept and runs that pass by agree: ${name}`, () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const host = new SimulatedHost({ seed });
        const lump = new Lump({ host, seed });
        const { file } = recorded(host);
        const disk = make(lump, file, seed);
        const cache = new bufcache(lump, disk, 512, 64 * 512);
        const next = random(seed);
        const model = new Uint8Array(DISK_BYTES);
        const same = (found: Uint8Array, position: number): boolean =>
          Buffer.from(found).equals(model.subarray(position, position + found.length));
        for (let i = 0; i < 300; i++) {
          const position = next(DISK_BYTES - 1);
          const length = 1 + next(Math.min(4000, DISK_BYTES - position));
          const blkno = next(DISK_BYTES / 512);
          const bytes = new Uint8Array(length).fill(i & 255);
          const id = `seed ${seed}, step ${i}`;
          switch (next(8)) {
            case 0:
              cache.flush();
              break;
            case 1: {
              // The disk fails now and then; a queue and windows lose what others wrote, or tell them.
              if (name === 'sync') host.failNth({ call: 'write', nth: 1, code: 'EIO' });
              cache.write_bytes(bytes, 0, length, position);
              model.set(bytes, position);
              try {
                cache.flush();
              } catch (error) {
                expect((error as NetbsdErrno).code, id).to.equal('EIO');
              }
              host.clearFaults();
              break;
            }
            case 2: {
              const bp = cache.bread(blkno);
              expect(same(bp.b_data, blkno * 512), id).to.equal(true);
              bp.b_data.fill(i & 255);
              cache.bdwrite(bp);
              model.fill(i & 255, blkno * 512, (blkno + 1) * 512);
              break;
            }
            case 3:
            case 4:
              cache.read_bytes(bytes, 0, length, position);
              expect(same(bytes, position), id).to.equal(true);
              break;
            default:
              cache.write_bytes(bytes, 0, length, position);
              bytes.fill(0xee);
              model.fill(i & 255, position, position + length);
          }
          cache.balance();
        }
        cache.flush();
        cache.close();
        disk.close();
        expect(Buffer.from(host.readFile('/disk')).equals(model), `seed ${seed}`).to.equal(true);
      }
    });
  }

  it('a run is written once, at once; what the disk refuses is written by the flush', () => {
    const host = new SimulatedHost();
    const { file, events } = recorded(host);
    const cache = new bufcache(new Lump({ host }), new disk_sync(file, false), 512);
    const bp = cache.getblk(3);
    bp.b_data.fill(1);
    cache.bdwrite(bp);
    cache.write_bytes(new Uint8Array(2000).fill(2), 0, 2000, 1000);
    const written = (): unknown[] =>
      events.map(({ what, position, bytes }) => [what, position, bytes.length]);
    expect(written()).to.deep.equal([['write', 1024, 1536]]);
    expect(cache.dirty_count, 'both ends').to.equal(2);
    expect(cache.bread(3).b_data[0], 'the older one is gone').to.equal(2);
    host.failNth({ call: 'write', nth: 1, code: 'EIO' });
    cache.write_bytes(new Uint8Array(1024).fill(4), 0, 1024, 8192);
    expect(cache.dirty_count).to.equal(4);
    cache.flush();
    expect(
      host
        .readFile('/disk')
        .subarray(8192, 9216)
        .every((byte) => byte === 4),
    ).to.equal(true);
    cache.close();
  });
});

describe('netbsd-compat: partitions', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lump-disk-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const NO_SFDISK = spawnSync('sfdisk', ['--version']).error !== undefined;

  function partitions(bytes: Uint8Array) {
    const host = new SimulatedHost();
    host.replaceFile('/disk', bytes);
    return find_partitions(disk_open(new Lump({ host }), '/disk', true)).map(
      ({ scheme, name, start, size, type }) => [scheme, name, start / 512, size / 512, type],
    );
  }

  function sfdisk(script: string): Uint8Array {
    const image = join(folder, 'disk.img');
    writeFileSync(image, '');
    truncateSync(image, 16 << 20);
    execFileSync('sfdisk', ['-q', image], { input: script, stdio: ['pipe', 'ignore', 'inherit'] });
    return readFileSync(image);
  }

  it('MBR, with logical partitions', function () {
    if (NO_SFDISK) {
      console.log('        (skipped: sfdisk is missing)');
      this.skip();
    }
    const bytes = sfdisk(
      'label: dos\nstart=2048,size=4096,type=83\nstart=8192,size=20480,type=5\n' +
        'start=10240,size=2048,type=c\nstart=14336,size=4096,type=83\n',
    );
    expect(partitions(bytes)).to.deep.equal([
      ['mbr', '1', 2048, 4096, '0x83'],
      ['mbr', '5', 10240, 2048, '0x0c'],
      ['mbr', '6', 14336, 4096, '0x83'],
    ]);
    // What does not fit the disk is left out.
    expect(partitions(bytes.subarray(0, 4 << 20))).to.deep.equal([
      ['mbr', '1', 2048, 4096, '0x83'],
    ]);
  });

  it('GPT, from its second copy as well', function () {
    if (NO_SFDISK) {
      console.log('        (skipped: sfdisk is missing)');
      this.skip();
    }
    const bytes = sfdisk('label: gpt\nstart=2048,size=4096,type=linux\nstart=8192,size=8192\n');
    const linux = '0fc63daf-8483-4772-8e79-3d69d8477de4';
    const expected = [
      ['gpt', '1', 2048, 4096, linux],
      ['gpt', '2', 8192, 8192, linux],
    ];
    expect(partitions(bytes)).to.deep.equal(expected);
    bytes.fill(0, 512, 1024);
    expect(partitions(bytes)).to.deep.equal(expected);
    // With both gone, the protective MBR is what there is.
    bytes.fill(0, bytes.length - 512);
    expect(partitions(bytes).map(([scheme, , , , type]) => [scheme, type])).to.deep.equal([
      ['mbr', '0xee'],
    ]);
  });

  it('disklabel, in both byte orders, wherever it lies', () => {
    for (const little of [true, false]) {
      const bytes = new Uint8Array(1 << 20);
      const view = new DataView(bytes.buffer);
      const at = 512 + 64;
      view.setUint32(at, 0x82564557, little);
      view.setUint32(at + 132, 0x82564557, little);
      view.setUint32(at + 40, 512, little);
      view.setUint16(at + 138, 4, little);
      const part = (i: number, size: number, start: number, type: number): void => {
        view.setUint32(at + 148 + 16 * i, size, little);
        view.setUint32(at + 148 + 16 * i + 4, start, little);
        view.setUint8(at + 148 + 16 * i + 12, type);
      };
      part(0, 100, 64, 7);
      part(3, 200, 500, 17);
      let sum = 0;
      for (let i = at; i < at + 148 + 64; i += 2) sum ^= view.getUint16(i, little);
      view.setUint16(at + 136, sum, little);
      expect(partitions(bytes)).to.deep.equal([
        ['disklabel', 'a', 64, 100, '7'],
        ['disklabel', 'd', 500, 200, '17'],
      ]);
      bytes[at + 150]! ^= 1;
      expect(partitions(bytes)).to.deep.equal([]);
    }
  });

  it('tables that lie cost nothing', () => {
    const next = random(7);
    for (let round = 0; round < 50; round++) {
      const bytes = Uint8Array.from({ length: 4096 }, () => next(256));
      bytes[510] = 0x55;
      bytes[511] = 0xaa;
      for (let at = 446; at < 510; at += 16) {
        bytes[at] = 0;
        bytes[at + 4] = 5;
        bytes.fill(0, at + 8, at + 16);
      }
      for (const [, , start, size] of partitions(bytes)) {
        expect(Number(start) + Number(size)).to.be.at.most(8);
      }
    }
  });

  it("suffixes are ukfs's", () => {
    const none = { kind: 'none' };
    expect(parse_device('a.img')).to.deep.equal({ path: 'a.img', suffix: none });
    expect(parse_device('100%')).to.deep.equal({ path: '100%', suffix: none });
    expect(parse_device('a.img%DISKLABEL:e%')).to.deep.equal({
      path: 'a.img',
      suffix: { kind: 'disklabel', letter: 'e' },
    });
    expect(parse_device('a.img%OFFSET:512,1024%').suffix).to.deep.equal({
      kind: 'offset',
      start: 512,
      size: 1024,
    });
    expect(parse_device('a.img%OFFSET:512%').suffix).to.include({ size: null });
    for (const text of ['a%PART:x%', 'a%OFFSET:x%', 'a%OFFSET:-1%', 'a%DISKLABEL:aa%']) {
      expect(() => parse_device(text)).to.throw(DeviceSuffixError);
    }
  });
});
