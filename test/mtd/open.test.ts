/** Image files: sizes, locks, the sidecar, and what is left after a crash. */
import { expect } from 'chai';
import { mtd_open_image, type mtd_image, type mtd_open_options } from '../../src/mtd/open.js';
import { test_host, type test_rumpuser } from './host.js';
import { errnoOf, randomized } from './random.js';

const ERASE_SIZE = 4096;
const BLOCKS = 4;
const SIZE = ERASE_SIZE * BLOCKS;
const IMAGE = 'images/flash.bin';
const SIDECAR = `${IMAGE}.chip`;

function host_with_image(sizeBytes = SIZE): test_rumpuser {
  const host = test_host();
  host.files.set(IMAGE, new Uint8Array(sizeBytes).fill(0xff));
  return host;
}

const open = (host: test_rumpuser, options: mtd_open_options = {}): mtd_image =>
  mtd_open_image(host, IMAGE, { erasesize: ERASE_SIZE, ...options });

const erase = (image: mtd_image, eb: number, count = 1): void =>
  image.mtd.erase({ addr: eb * ERASE_SIZE, len: count * ERASE_SIZE, fail_addr: 0 });

/** What the host keeps when this process is killed: the files as they are, and no lock. */
function after_crash(host: test_rumpuser): test_rumpuser {
  const next = test_host();
  for (const [path, bytes] of host.files) next.files.set(path, bytes.slice());
  return next;
}

const text = (host: test_rumpuser, path: string): string =>
  new TextDecoder().decode(host.files.get(path));

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
    const host = host_with_image(10);
    host.files.get(IMAGE)!.fill(0x11);
    const { mtd } = open(host, { size: SIZE });
    const buf = new Uint8Array(4);
    mtd.read(8, 4, buf, 0);
    expect([...buf]).to.deep.equal([0x11, 0x11, 0xff, 0xff]);
    mtd.erase({ addr: ERASE_SIZE, len: ERASE_SIZE, fail_addr: 0 });
    expect(host.files.get(IMAGE)!.length).to.equal(10);
    mtd.write(ERASE_SIZE, 1, Uint8Array.of(0x22), 0);
    const file = host.files.get(IMAGE)!;
    expect(file.length).to.equal(ERASE_SIZE + 1);
    expect(file.subarray(10, ERASE_SIZE).every((byte) => byte === 0xff)).to.equal(true);
    expect(file[ERASE_SIZE]).to.equal(0x22);
  });

  it('an offset opens a window', () => {
    const host = host_with_image(SIZE + 100);
    const image = open(host, { offset: 100, size: 2 * ERASE_SIZE });
    image.mtd.write(0, 1, Uint8Array.of(7), 0);
    expect(host.files.get(IMAGE)![100]).to.equal(7);
    expect(host.files.get(IMAGE)!.length).to.equal(SIZE + 100);
    expect(image.sidecarPath).to.equal(`${IMAGE}@100.chip`);
    expect(image.mtd.size).to.equal(2 * ERASE_SIZE);
  });

  it('create makes an erased chip', () => {
    const host = test_host();
    expect(message(() => open(host, { create: true }))).to.contain('give its size');
    const { mtd, paddingBytes } = open(host, { create: true, size: SIZE });
    expect([mtd.size, paddingBytes]).to.deep.equal([SIZE, SIZE]);
  });

  it('says what is wrong', () => {
    const cases: [string, string, string, mtd_open_options][] = [
      ['ENOENT', 'none.bin', 'no such file', {}],
      ['EISDIR', 'images/', 'images/ is a directory', {}],
      ['EINVAL', IMAGE, 'offset 20000 is past the end of the file (16384 bytes)', { offset: 20000 }],
      ['EINVAL', IMAGE, 'offset -1 is no offset', { offset: -1 }],
      ['EINVAL', IMAGE, 'the file holds 16384 bytes, asked for are 4096', { size: ERASE_SIZE }],
      ['EINVAL', IMAGE, '5000 bytes are no whole number of erase blocks of 4096', { size: 5000 }],
      ['EINVAL', IMAGE, 'erase size 0', { erasesize: 0 }],
      ['EINVAL', 'empty.bin', 'the file is empty; give a size', {}],
    ];
    for (const [code, path, words, options] of cases) {
      const host = host_with_image();
      host.files.set('empty.bin', new Uint8Array(0));
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
    expect(() => open(host, { readOnly: true })).to.throw('process 4711');
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
    host.changes.length = 0;
    erase(image, 0);
    expect(host.changes).to.deep.equal([`write ${SIDECAR}`, `write ${IMAGE}`]);
  });

  it('read-only changes no file, and still knows the wear', () => {
    const host = host_with_image();
    const image = open(host);
    erase(image, 2);
    const crashed = after_crash(host);
    const reader = mtd_open_image(crashed, IMAGE, { readOnly: true });
    reader.mtd.read(0, 1, new Uint8Array(1), 0);
    expect(reader.mtd.wear.eraseCount[2]).to.equal(1);
    reader.mtd.sync();
    reader.close();
    expect(crashed.changes).to.deep.equal([]);
    const bare = host_with_image();
    open(bare, { readOnly: true }).close();
    expect(bare.changes).to.deep.equal([]);
  });

  it('is not made when it is not wanted', () => {
    const host = host_with_image();
    const image = open(host, { sidecar: false });
    erase(image, 0);
    image.close();
    expect([...host.files.keys()]).to.deep.equal([IMAGE]);
  });

  randomized('cut off at any byte of the journal, the counts are those of the whole lines', 10,
    (random) => {
      const host = host_with_image();
      const image = open(host);
      const start = host.files.get(SIDECAR)!.length;
      const counts: number[] = [];
      const ends: number[] = [start];
      for (let i = 0; i < 6; i++) {
        const eb = random.below(BLOCKS);
        erase(image, eb);
        counts.push(eb);
        ends.push(host.files.get(SIDECAR)!.length);
      }
      for (let cut = start; cut <= ends.at(-1)!; cut++) {
        const crashed = after_crash(host);
        crashed.files.set(SIDECAR, crashed.files.get(SIDECAR)!.slice(0, cut));
        const whole = ends.filter((end) => end <= cut).length - 1;
        const expected = new Uint32Array(BLOCKS);
        for (const eb of counts.slice(0, whole)) expected[eb]!++;
        const next = open(crashed);
        expect(next.mtd.wear.eraseCount, `cut at ${cut}`).to.deep.equal(expected);
        expect(crashed.lines).to.deep.equal([]);
        erase(next, 0);
        expected[0]!++;
        const last = open(after_crash(crashed)).mtd.wear.eraseCount;
        expect(last, `cut at ${cut}, then an erase`).to.deep.equal(expected);
      }
    });

  it('damage is reported, set aside, and counted as far as it goes', () => {
    const host = host_with_image();
    const image = open(host);
    for (const eb of [0, 1, 2]) erase(image, eb);
    const lines = text(host, SIDECAR).split('\n');
    lines[2] = '{"erase":[9,9]}';
    const damaged = lines.join('\n');
    const crashed = after_crash(host);
    crashed.files.set(SIDECAR, new TextEncoder().encode(damaged));
    crashed.files.set(`${SIDECAR}.bad`, Uint8Array.of(1));

    const reader = after_crash(crashed);
    open(reader, { readOnly: true });
    expect(reader.changes).to.deep.equal([]);
    expect(reader.lines[0]).to.contain('left alone');

    const next = open(crashed);
    expect([...next.mtd.wear.eraseCount]).to.deep.equal([1, 0, 1, 0]);
    expect(crashed.lines).to.deep.equal([
      `mtd: ${SIDECAR} is damaged (line 3): some counts are lost; ` +
        `the file is kept as ${SIDECAR}.bad.1`,
    ]);
    expect(text(crashed, `${SIDECAR}.bad.1`)).to.equal(damaged);
    next.close();
    expect([...open(crashed).mtd.wear.eraseCount]).to.deep.equal([1, 0, 1, 0]);
  });

  it('without its first line the journal still counts', () => {
    const host = host_with_image();
    const image = open(host);
    erase(image, 3);
    const crashed = after_crash(host);
    const bytes = crashed.files.get(SIDECAR)!;
    bytes[5] = 0xff;
    expect([...open(crashed).mtd.wear.eraseCount]).to.deep.equal([0, 0, 0, 1]);
    expect(crashed.lines[0]).to.contain('its counters are lost');
  });

  it('of a later version is an error and stays as it is', () => {
    const host = host_with_image();
    host.files.set(SIDECAR, new TextEncoder().encode('{"format":"lump-chip","version":2}\n'));
    expect(() => open(host)).to.throw('later version');
    expect(host.changes).to.deep.equal([]);
  });

  it('contradicting what is asked for is an error', () => {
    const host = host_with_image();
    open(host).close();
    expect(() => open(host, { erasesize: 2 * ERASE_SIZE })).to.throw(
      `${IMAGE}: erase size 8192 is asked for, but ${SIDECAR} describes a chip of erase size 4096`,
    );
    expect(() => open(host, { type: 'ram' })).to.throw('kind ram is asked for');
    expect(() => open(host, { size: 2 * SIZE })).to.throw(`size ${2 * SIZE} is asked for`);
    host.files.set(IMAGE, new Uint8Array(2 * SIZE));
    expect(() => open(host)).to.throw(`the file holds ${2 * SIZE} bytes, ${SIDECAR} says ${SIZE}`);
  });

  it('folds a long journal into a snapshot', () => {
    const host = host_with_image();
    const image = open(host);
    for (let i = 0; i < 20_000; i++) erase(image, 2);
    expect(host.files.get(SIDECAR)!.length).to.be.lessThan(20_000 * '{"erase":[2,1]}'.length);
    expect(open(after_crash(host)).mtd.wear.eraseCount[2]).to.equal(20_000);
  });
});
