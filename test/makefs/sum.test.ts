/** sumtool's work: the same tree, with summaries; nothing that was deleted comes back. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { D_TYPE, LITTLE_ENDIAN } from '../../src/jffs2/medium.js';
import { crc32_le } from '../../src/lump/crc32.js';
import { MakefsError } from '../../src/makefs/fsnode.js';
import { scanNodes } from '../../src/makefs/jffs2_scan.js';
import { addSummaries, type SumRequest } from '../../src/makefs/jffs2_sum.js';
import { GrowableBytes } from '../../src/rumpuser/growable_bytes.js';
import { FLASH_IMAGES_FOLDER, readFlashImages } from '../images/flash_images.js';
import { noise, text } from '../images/material.js';
import { projectRoot } from '../images/project.js';
import { assertSameTree } from '../images/tree.js';
import { make, treeIn } from './maker.js';

const ERASE_BYTES = 8192;
const OPTIONS = { eraseblock: '8KiB' };
const MOUNT = { eraseSizeBytes: ERASE_BYTES };

describe('makefs: summaries for an image that is there', () => {
  let folder: string;
  let source: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-sum-'));
    source = join(folder, 'source');
    mkdirSync(source);
    for (let i = 0; i < 40; i++) writeFileSync(join(source, `${i}`), text(i * 300, i));
    writeFileSync(join(source, 'noise'), noise(30_000));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const sum = (image: Uint8Array, request: Partial<SumRequest> = {}) => {
    const out = new GrowableBytes(new Uint8Array(0));
    const report = addSummaries(image, out, {
      endian: LITTLE_ENDIAN,
      eraseSizeBytes: ERASE_BYTES,
      cleanmarkerBytes: undefined,
      pad: false,
      ...request,
    });
    return { bytes: out.view(), report };
  };
  /** Blocks that end with a summary's magic. */
  const summaries = (bytes: Uint8Array): number => {
    let count = 0;
    for (let at = ERASE_BYTES; at <= bytes.length; at += ERASE_BYTES) {
      if (LITTLE_ENDIAN.u32(bytes, at - 4) === 0x02851885) count++;
    }
    return count;
  };

  it('holds the same tree, and every full block has one', () => {
    const plain = make([source], { options: OPTIONS }).bytes;
    expect(summaries(plain)).to.equal(0);
    const { bytes, report } = sum(plain, { pad: true });
    expect(summaries(bytes)).to.equal(bytes.length / ERASE_BYTES - 1);
    expect(report).to.deep.include({ damaged: 0, unknown: 0, sizeBytes: bytes.length });
    assertSameTree('with summaries', treeIn(plain, MOUNT), treeIn(bytes, MOUNT));
    // What has them already is put into the same order again.
    expect(Buffer.compare(sum(bytes, { pad: true }).bytes, bytes)).to.equal(0);
  });

  it('brings nothing back that was made obsolete in place, and no damage', () => {
    const plain = make([source], { options: OPTIONS }).bytes.slice();
    const dirents = [...scanNodes(plain, LITTLE_ENDIAN, ERASE_BYTES)].filter(
      ({ type }) => type === 0xe001,
    );
    const [gone, hurt] = [dirents[3]!, dirents[5]!];
    LITTLE_ENDIAN.put16(plain, gone.at + 2, 0xc001);
    plain[hurt.at + D_TYPE]! ^= 1;
    const { bytes, report } = sum(plain);
    expect(report.damaged).to.equal(1);
    const found = treeIn(bytes, MOUNT);
    assertSameTree('as before', treeIn(plain, MOUNT), found);
    expect(found).to.have.lengthOf(41 + 1 - 2);
  });

  it('does not look into files, whole or obsolete', () => {
    const inner = make([source], { options: OPTIONS }).bytes;
    const outer = join(folder, 'outer');
    mkdirSync(outer);
    writeFileSync(join(outer, 'image'), inner);
    const options = { ...OPTIONS, 'compression-mode': 'none' };
    const plain = make([outer], { options }).bytes;
    const { bytes } = sum(plain);
    expect(treeIn(bytes, MOUNT).map(({ path }) => path)).to.deep.equal(['.', 'image']);
  });

  it('refuses what it must not leave out, and what is no image', () => {
    const plain = make([source], { options: OPTIONS }).bytes;
    const zeros = new Uint8Array(ERASE_BYTES);
    expect(() => sum(zeros)).to.throw(MakefsError, 'there are no little-endian jffs2 nodes');
    const odd = new Uint8Array(ERASE_BYTES).fill(0xff);
    odd.set([0x85, 0x19, 0x77, 0xe0, 12, 0, 0, 0]);
    LITTLE_ENDIAN.put32(odd, 8, crc32_le(0, odd, 0, 8));
    expect(() => sum(Buffer.concat([odd, plain]))).to.throw(MakefsError, 'type 0xe077 at 0x0');
    odd[3] = 0x20;
    LITTLE_ENDIAN.put32(odd, 8, crc32_le(0, odd, 0, 8));
    expect(sum(Buffer.concat([odd, plain])).report.unknown).to.equal(1);
  });

  it('sumtool: finds byte order and erase size by itself', () => {
    const [image] = readFlashImages().images.filter(({ file }) => file === 'big-endian.jffs2');
    const output = join(folder, 'summed');
    const program = join(projectRoot(), 'bin/sumtool');
    const input = join(FLASH_IMAGES_FOLDER, image!.file);
    const run = spawnSync(process.execPath, [program, '-i', input, '-o', output, '-p', '-v']);
    expect(run.stderr.toString()).to.match(/big-endian, erase blocks of 8192 bytes\n/);
    const { eraseSizeBytes, byteOrder } = image!;
    const options = { eraseSizeBytes, byteOrder };
    const before = treeIn(readFileSync(input), options);
    assertSameTree('summed', before, treeIn(readFileSync(output), options));
    const bad = spawnSync(process.execPath, [program, '-i', 'none', '-o', output]);
    expect(bad.stderr.toString()).to.match(/^sumtool: ENOENT/);
    expect(bad.status).to.equal(1);
  });
});
