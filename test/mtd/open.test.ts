/** Image files: sizes, locks, the sidecar, and what is left after a crash. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { mtd_open_image, type mtd_image, type mtd_open_options } from '../../src/mtd/open.js';
import { NodeHost } from '../../src/rumpuser/node.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { errnoOf, linesOf, randomized } from './util.js';

const ERASE_SIZE = 4096;
const BLOCKS = 4;
const SIZE = ERASE_SIZE * BLOCKS;
const IMAGE = 'images/flash.bin';
const SIDECAR = `${IMAGE}.chip`;

function host_with_image(sizeBytes = SIZE): SimulatedHost {
  const host = new SimulatedHost();
  host.replaceFile(IMAGE, new Uint8Array(sizeBytes).fill(0xff));
  host.calls.clear();
  return host;
}

const open = (host: SimulatedHost, options: mtd_open_options = {}): mtd_image =>
  mtd_open_image(host, IMAGE, { erasesize: ERASE_SIZE, ...options });

const erase = (image: mtd_image, eb: number, count = 1): void =>
  image.mtd.erase({ addr: eb * ERASE_SIZE, len: count * ERASE_SIZE, fail_addr: 0 });

/** This process is killed; the host lives on. */
function after_crash(host: SimulatedHost): SimulatedHost {
  host.crash('none');
  return host;
}

const text = (host: SimulatedHost, path: string): string =>
  new TextDecoder().decode(host.readFile(path));

const exists = (host: SimulatedHost, path: string): boolean => {
  try {
    host.getfileinfo(path);
    return true;
  } catch {
    return false;
  }
};

/** Calls so far that change files. */
const changes = (host: SimulatedHost): number => {
  const calls = ['write', 'replaceFile', 'appendFile', 'truncate', 'unlink'] as const;
  return calls.reduce((sum, call) => sum + (host.calls.get(call) ?? 0), 0);
};

describe('mtd_open_image: sizes', () => {
  const message = (action: () => unknown): string => {
    try {
      action();
    } catch (error) {
      return String(error);
    }
    return 'no error';
  };

  it('takes the size from the file, rounded up to whole blocks', () => {
    const image = open(host_with_image(2 * ERASE_SIZE + 1));
    expect(image.mtd.size).to.equal(3 * ERASE_SIZE);
    expect(image.paddingBytes).to.equal(ERASE_SIZE - 1);
    expect(image.mtd.name).to.equal('flash.bin');
  });

  it('what the file does not hold is erased, and a write there makes the file longer', () => {
    const host = new SimulatedHost();
    host.replaceFile(IMAGE, new Uint8Array(10).fill(0x11));
    const { mtd } = open(host, { size: SIZE });
    const buf = new Uint8Array(4);
    mtd.read(8, 4, buf, 0);
    expect([...buf]).to.deep.equal([0x11, 0x11, 0xff, 0xff]);
    mtd.erase({ addr: ERASE_SIZE, len: ERASE_SIZE, fail_addr: 0 });
    expect(host.readFile(IMAGE).length).to.equal(10);
    mtd.write(ERASE_SIZE, 1, Uint8Array.of(0x22), 0);
    const file = host.readFile(IMAGE);
    expect(file.length).to.equal(ERASE_SIZE + 1);
    expect(file.subarray(10, ERASE_SIZE).every((byte) => byte === 0xff)).to.equal(true);
    expect(file[ERASE_SIZE]).to.equal(0x22);
  });

  it('an offset opens a window', () => {
    const host = host_with_image(SIZE + 100);
    const image = open(host, { offset: 100, size: 2 * ERASE_SIZE });
    image.mtd.write(0, 1, Uint8Array.of(7), 0);
    expect(host.readFile(IMAGE)[100]).to.equal(7);
    expect(host.readFile(IMAGE).length).to.equal(SIZE + 100);
    expect(image.sidecarPath).to.equal(`${IMAGE}@100.chip`);
    expect(image.mtd.size).to.equal(2 * ERASE_SIZE);
  });

  it('create makes an erased chip', () => {
    const host = new SimulatedHost();
    expect(message(() => open(host, { create: true }))).to.contain('give its size in whole');
    const { mtd, paddingBytes } = open(host, { create: true, size: SIZE });
    expect([mtd.size, paddingBytes]).to.deep.equal([SIZE, SIZE]);
  });

  it('says what is wrong', () => {
    const cases: [string, string, string, mtd_open_options][] = [
      ['ENOENT', 'none.bin', 'no such file', {}],
      [
        'EINVAL',
        IMAGE,
        'offset 20000 is past the end of the file (16384 bytes)',
        { offset: 20000 },
      ],
      ['EINVAL', IMAGE, 'offset -1 is no offset', { offset: -1 }],
      ['EINVAL', IMAGE, 'the file holds 16384 bytes, asked for are 4096', { size: ERASE_SIZE }],
      ['EINVAL', IMAGE, '5000 bytes are no whole number of erase blocks of 4096', { size: 5000 }],
      ['EINVAL', IMAGE, 'erase size 0', { erasesize: 0 }],
      ['EINVAL', 'empty.bin', 'the file is empty; give a size', {}],
    ];
    for (const [code, path, words, options] of cases) {
      const host = host_with_image();
      host.replaceFile('empty.bin', new Uint8Array(0));
      const attempt = (): unknown =>
        mtd_open_image(host, path, { erasesize: ERASE_SIZE, ...options });
      expect(errnoOf(attempt), words).to.equal(code);
      expect(message(attempt)).to.contain(words);
      // The lock was let go: the same file can be opened for writing.
      if (path === IMAGE) open(host).close();
    }
    expect(message(() => mtd_open_image(host_with_image(), IMAGE))).to.contain('erase size is not');
  });
});

describe('mtd_open_image: locks', () => {
  it('one writer, or many readers', () => {
    const host = host_with_image();
    const writer = open(host);
    expect(errnoOf(() => open(host))).to.equal('EBUSY');
    expect(() => open(host, { readOnly: true })).to.throw('in use by this process');
    writer.close();
    writer.close();
    const readers = [open(host, { readOnly: true }), open(host, { readOnly: true })];
    expect(errnoOf(() => open(host))).to.equal('EBUSY');
    for (const reader of readers) reader.mtd.close();
    open(host).close();
  });
});

describe('sidecar', () => {
  it('keeps the geometry and all counters over a close', () => {
    const host = host_with_image();
    const image = open(host, { type: 'ram' });
    erase(image, 1, 2);
    erase(image, 2);
    image.mtd.write(0, 3, new Uint8Array(3), 0);
    image.mtd.read(SIZE - 1, 1, new Uint8Array(1), 0);
    image.close();
    const again = mtd_open_image(host, IMAGE);
    expect(again.mtd.erasesize).to.equal(ERASE_SIZE);
    expect(again.mtd.type).to.equal(1);
    const { wear } = again.mtd;
    expect([...wear.eraseCount]).to.deep.equal([0, 1, 2, 0]);
    expect([...wear.programCount]).to.deep.equal([1, 0, 0, 0]);
    expect([...wear.readCount]).to.deep.equal([0, 0, 0, 1]);
    expect([wear.bytesProgrammed, wear.bytesRead]).to.deep.equal([3, 1]);
    expect(text(host, SIDECAR).split('\n').length).to.equal(2);
  });

  it('a killed process loses no erase', () => {
    const host = host_with_image();
    const image = open(host);
    erase(image, 0);
    image.mtd.write(0, 8, new Uint8Array(8), 0);
    image.mtd.sync();
    image.mtd.write(8, 8, new Uint8Array(8), 0);
    erase(image, 3);
    const { wear } = open(after_crash(host)).mtd;
    expect([...wear.eraseCount]).to.deep.equal([1, 0, 0, 1]);
    expect([wear.programCount[0], wear.bytesProgrammed]).to.deep.equal([1, 8]);
  });

  it('the erase is in the sidecar before it is on the flash', () => {
    const host = host_with_image();
    const image = open(host);
    image.mtd.write(0, 1, Uint8Array.of(0), 0);
    // The second write of an erase, the first being the sidecar's.
    host.failNth({ call: 'write', nth: 2, code: 'EIO' });
    expect(errnoOf(() => erase(image, 0))).to.equal('EIO');
    expect(open(after_crash(host)).mtd.wear.eraseCount[0]).to.equal(1);
  });

  it('read-only changes no file, and still knows the wear', () => {
    const host = host_with_image();
    erase(open(host), 2);
    host.crash('none');
    const before = changes(host);
    const reader = mtd_open_image(host, IMAGE, { readOnly: true });
    reader.mtd.read(0, 1, new Uint8Array(1), 0);
    expect(reader.mtd.wear.eraseCount[2]).to.equal(1);
    reader.mtd.sync();
    reader.close();
    expect(changes(host)).to.equal(before);
    const bare = host_with_image();
    open(bare, { readOnly: true }).close();
    expect(changes(bare)).to.equal(0);
    expect(exists(bare, SIDECAR)).to.equal(false);
  });

  it('a sync writes it only when there is something new', () => {
    const host = host_with_image();
    const first = open(host);
    first.mtd.write(0, 1, Uint8Array.of(0), 0);
    first.close();
    const image = open(host);
    image.mtd.write(1, 1, Uint8Array.of(0), 0);
    image.mtd.sync();
    const before = changes(host);
    image.mtd.sync();
    expect(changes(host)).to.equal(before);
    const { length } = host.readFile(SIDECAR);
    image.mtd.write(ERASE_SIZE, 1, Uint8Array.of(0), 0);
    image.mtd.sync();
    const added = new TextDecoder().decode(host.readFile(SIDECAR).subarray(length));
    expect(JSON.parse(added)).to.include({ bytesProgrammed: 3 });
    expect(JSON.parse(added).block).to.deep.equal([1]);
  });

  it('is not made when it is not wanted', () => {
    const host = host_with_image();
    const image = open(host, { sidecar: false });
    erase(image, 0);
    image.close();
    expect(exists(host, SIDECAR)).to.equal(false);
  });

  randomized(
    'cut off at any byte of the journal, the counts are those of the whole lines',
    10,
    (random) => {
      const host = host_with_image();
      const image = open(host);
      const start = host.readFile(SIDECAR).length;
      const counts: number[] = [];
      const ends: number[] = [start];
      for (let i = 0; i < 6; i++) {
        const eb = random.below(BLOCKS);
        erase(image, eb);
        counts.push(eb);
        ends.push(host.readFile(SIDECAR).length);
      }
      const whole = host.readFile(SIDECAR);
      for (let cut = start; cut <= whole.length; cut++) {
        const crashed = host_with_image();
        // A host that fails may leave zeroes where it promised bytes.
        const zeroes = new Uint8Array(cut + random.below(3) * 5);
        zeroes.set(whole.subarray(0, cut));
        crashed.replaceFile(SIDECAR, zeroes);
        const lines = ends.filter((end) => end <= cut).length - 1;
        const expected = new Uint32Array(BLOCKS);
        for (const eb of counts.slice(0, lines)) expected[eb]!++;
        const next = open(crashed);
        expect(next.mtd.wear.eraseCount, `cut at ${cut}`).to.deep.equal(expected);
        expect(linesOf(crashed)).to.deep.equal([]);
        erase(next, 0);
        expected[0]!++;
        const last = open(after_crash(crashed)).mtd.wear.eraseCount;
        expect(last, `cut at ${cut}, then an erase`).to.deep.equal(expected);
      }
    },
  );

  randomized('what was synced survives the end of the host', 20, (random, seed) => {
    const host = new SimulatedHost({ seed });
    host.replaceFile(IMAGE, new Uint8Array(SIZE).fill(0xff));
    const image = open(host);
    const synced = new Uint32Array(BLOCKS);
    const done = new Uint32Array(BLOCKS);
    for (let i = 0; i < 30; i++) {
      const eb = random.below(BLOCKS);
      erase(image, eb);
      done[eb]!++;
      if (random.below(10) !== 0) continue;
      image.mtd.sync();
      synced.set(done);
    }
    host.crash(random.pick(['all', 'some']));
    const { eraseCount } = open(host).mtd.wear;
    for (let eb = 0; eb < BLOCKS; eb++) {
      expect(eraseCount[eb]).to.be.within(synced[eb]!, done[eb]!);
    }
  });

  it('a host call that fails at any place costs a message, and no count once it works', () => {
    for (let nth = 1; ; nth++) {
      const host = host_with_image();
      const image = open(host);
      // Of the image or of the sidecar: only the former is an error.
      host.failNth({ nth, code: 'ENOSPC' });
      let failed = 0;
      for (let i = 0; i < 4; i++) {
        if (errnoOf(() => erase(image, i)) !== null) failed++;
        if (errnoOf(() => image.mtd.sync()) !== null) failed++;
      }
      const reached = linesOf(host).length > 0;
      host.clearFaults();
      image.close();
      expect(failed).to.be.at.most(1);
      expect([...open(host).mtd.wear.eraseCount], `call ${nth} failed`).to.deep.equal([1, 1, 1, 1]);
      if (!reached) {
        expect(nth).to.be.greaterThan(8);
        break;
      }
    }
  });

  it('damage is reported, set aside, and counted as far as it goes', () => {
    const host = host_with_image();
    const image = open(host);
    for (const eb of [0, 1, 2]) erase(image, eb);
    const lines = text(host, SIDECAR).split('\n');
    lines[2] = '{"erase":[9,9]}';
    const damaged = lines.join('\n');
    host.crash('none');
    host.replaceFile(SIDECAR, new TextEncoder().encode(damaged));
    host.replaceFile(`${SIDECAR}.bad`, Uint8Array.of(1));

    const before = changes(host);
    open(host, { readOnly: true }).close();
    expect(changes(host)).to.equal(before);
    expect(linesOf(host).pop()).to.contain('left alone');

    const next = open(host);
    expect([...next.mtd.wear.eraseCount]).to.deep.equal([1, 0, 1, 0]);
    expect(linesOf(host).pop()).to.equal(
      `mtd: ${SIDECAR} is damaged (line 3): some counts are lost; ` +
        `the file is kept as ${SIDECAR}.bad.1`,
    );
    expect(text(host, `${SIDECAR}.bad.1`)).to.equal(damaged);
    next.close();
    expect([...open(host).mtd.wear.eraseCount]).to.deep.equal([1, 0, 1, 0]);
  });

  it('damage that cannot be set aside stays', () => {
    const host = host_with_image();
    host.replaceFile(SIDECAR, new TextEncoder().encode('rubbish\n'));
    host.failNth({ call: 'replaceFile', nth: 1, code: 'EACCES' });
    const image = open(host);
    erase(image, 0);
    image.close();
    expect(text(host, SIDECAR)).to.equal('rubbish\n');
    expect(linesOf(host)[0]).to.contain('cannot be set aside');
  });

  it('without its first line the journal still counts', () => {
    const host = host_with_image();
    erase(open(host), 3);
    const bytes = host.readFile(SIDECAR);
    bytes[5] = 0xff;
    host.crash('none');
    host.replaceFile(SIDECAR, bytes);
    expect([...open(host).mtd.wear.eraseCount]).to.deep.equal([0, 0, 0, 1]);
    expect(linesOf(host)[0]).to.contain('its counters are lost');
  });

  randomized('survives any bytes', 60, (random) => {
    const host = host_with_image();
    const image = open(host);
    for (let i = 0; i < 4; i++) erase(image, i);
    image.mtd.write(0, 1, Uint8Array.of(1), 0);
    image.mtd.sync();
    const bytes = host.readFile(SIDECAR);
    for (let i = random.below(4); i >= 0; i--)
      bytes[random.below(bytes.length)] = random.below(256);
    host.crash('none');
    host.replaceFile(SIDECAR, bytes);
    // Nothing but a refusal (a size that was changed, say) or a chip with some counts.
    const refused = errnoOf(() => open(host).close());
    expect(refused).to.be.oneOf([null, 'EINVAL']);
    if (refused === null) expect(text(host, SIDECAR)).to.contain('"format":"lump-chip"');
  });

  it('of a later version is an error and stays as it is', () => {
    const host = host_with_image();
    const later = '{"format":"lump-chip","version":2}\n';
    host.replaceFile(SIDECAR, new TextEncoder().encode(later));
    expect(() => open(host)).to.throw('later version');
    expect(text(host, SIDECAR)).to.equal(later);
    open(host, { sidecar: false }).close();
  });

  it('contradicting what is asked for is an error', () => {
    const host = host_with_image();
    open(host).close();
    expect(() => open(host, { erasesize: 2 * ERASE_SIZE })).to.throw(
      `${IMAGE}: erase size 8192 is asked for, but ${SIDECAR} describes a chip of erase size 4096`,
    );
    expect(() => open(host, { type: 'ram' })).to.throw('kind ram is asked for');
    expect(() => open(host, { offset: 0, size: SIZE / 2 })).to.throw(
      `size ${SIZE / 2} is asked for`,
    );
    host.replaceFile(IMAGE, new Uint8Array(2 * SIZE));
    expect(() => open(host)).to.throw(`the file holds ${2 * SIZE} bytes, ${SIDECAR} says ${SIZE}`);
  });

  it('a chip that grows keeps its wear', () => {
    const host = host_with_image();
    const image = open(host);
    erase(image, 1);
    image.close();
    const grown = open(host, { size: 2 * SIZE });
    expect([...grown.mtd.wear.eraseCount]).to.deep.equal([0, 1, 0, 0, 0, 0, 0, 0]);
    erase(grown, 7);
    grown.close();
    const again = open(host);
    expect(again.mtd.size).to.equal(2 * SIZE);
    expect([...again.mtd.wear.eraseCount]).to.deep.equal([0, 1, 0, 0, 0, 0, 0, 1]);
  });

  it('folds a long journal into a snapshot', () => {
    const host = host_with_image();
    const image = open(host);
    for (let i = 0; i < 20_000; i++) erase(image, 2);
    expect(host.readFile(SIDECAR).length).to.be.lessThan(20_000 * '{"erase":[2,1]}'.length);
    expect(open(after_crash(host)).mtd.wear.eraseCount[2]).to.equal(20_000);
  });
});

describe('mtd_open_image: on the real host', () => {
  let directory: string;
  const lines: string[] = [];
  const host = new NodeHost({ console: (_level, line) => lines.push(line) });

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'lump-mtd-'));
  });
  afterEach(() => {
    rmSync(directory, { recursive: true });
  });

  it('keeps an image and its wear', () => {
    const path = join(directory, 'flash.bin');
    const options = { create: true, size: SIZE, erasesize: ERASE_SIZE };
    const image = mtd_open_image(host, path, options);
    expect(errnoOf(() => mtd_open_image(host, path, { readOnly: true }))).to.equal('EBUSY');
    image.mtd.write(SIZE - 1, 1, Uint8Array.of(7), 0);
    erase(image, 0);
    image.close();
    expect(statSync(path).size).to.equal(SIZE);
    const again = mtd_open_image(host, path, { readOnly: true });
    expect([...again.mtd.wear.eraseCount]).to.deep.equal([1, 0, 0, 0]);
    const out = { buf: new Uint8Array(0), off: 0 };
    expect(again.mtd.point(SIZE - 2, 2, out)).to.equal(true);
    expect([...out.buf.subarray(out.off, out.off + 2)]).to.deep.equal([0xff, 7]);
    again.close();
    expect(readdirSync(directory)).to.have.members(['flash.bin', 'flash.bin.chip']);
    expect(lines).to.deep.equal([]);
  });

  it('refuses what is no image', () => {
    expect(errnoOf(() => mtd_open_image(host, directory))).to.equal('EISDIR');
    expect(errnoOf(() => mtd_open_image(host, '/dev/null'))).to.equal('ENODEV');
    expect(errnoOf(() => mtd_open_image(host, join(directory, 'none')))).to.equal('ENOENT');
  });
});
