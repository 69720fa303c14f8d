/**
 * Whether a file is a dump of NAND, and of which: told by ECC, by nodes, by cleanmarkers in OOB.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { jffs2_detect_nand, jffs2_page_hint } from '../../src/jffs2/detect_nand.js';
import type { dump_bytes } from '../../src/mtd/nand_detect.js';
import { without_oob } from '../../src/mtd/nand_detect.js';
import { projectRoot } from '../images/project.js';
import { sameBytes } from '../mtd/util.js';

const folder = join(projectRoot(), 'flash-images');

function file(bytes: Uint8Array): dump_bytes {
  return {
    sizeBytes: bytes.length,
    read(buffer, bufferOffset, length, position) {
      const piece = bytes.subarray(position, position + length);
      buffer.set(piece, bufferOffset);
      return piece.length;
    },
  };
}

describe('detection of NAND dumps', () => {
  const kernel = readFileSync(join(folder, 'kernel-nand.bin'));

  /** Changes the OOB of every page of the kernel's dump. */
  function withOob(change: (oob: Uint8Array) => void): Uint8Array {
    const bytes = Uint8Array.from(kernel);
    for (let at = 512; at < bytes.length; at += 528) change(bytes.subarray(at, at + 16));
    return bytes;
  }

  it('what the kernel wrote, by its ECC and cleanmarkers', () => {
    const found = jffs2_detect_nand(file(kernel))!;
    expect(found).to.deep.include({
      writesize: 512,
      oobsize: 16,
      erasesize: 16384,
      ecc: 'hamming',
      layout: 'raw',
    });
    expect(found.evidence).to.have.length(2);
    expect(found.evidence[0]).to.match(/pages of 512\+16 bytes .* ECC of (\d+) of \1 pages/);
    expect(found.evidence[1]).to.equal('erase size 16 KiB: the distance of 8 cleanmarkers in OOB');
  });

  it('the same with an ECC that nobody knows, by its nodes', () => {
    const bytes = withOob((oob) => {
      for (const i of [0, 1, 2, 3, 6, 7]) oob[i]! ^= oob[i] === 0xff ? 0 : 0x5a;
    });
    expect(jffs2_detect_nand(file(bytes))).to.deep.include({
      writesize: 512,
      oobsize: 16,
      erasesize: 16384,
      ecc: 'none',
      layout: 'raw',
    });
  });

  it('the same autoplaced', () => {
    const bytes = withOob((oob) => {
      oob.copyWithin(0, 8, 16);
      oob.fill(0xff, 8);
    });
    expect(jffs2_detect_nand(file(bytes))).to.deep.include({
      writesize: 512,
      oobsize: 16,
      erasesize: 16384,
      ecc: 'hamming',
      layout: 'auto',
    });
  });

  it('no image of NOR flash, nor a dump without OOB, is taken for one', () => {
    const data = new Uint8Array((kernel.length / 528) * 512);
    without_oob(file(kernel), { writesize: 512, oobsize: 16 }).read(data, 0, data.length, 0);
    expect(jffs2_detect_nand(file(data))).to.equal(null);
    for (const name of ['demo', 'kernel', 'kernel-xattrs', 'big-endian', 'lzo', 'summary']) {
      const bytes = readFileSync(join(folder, `${name}.jffs2`));
      expect(jffs2_detect_nand(file(bytes)), name).to.equal(null);
      expect(jffs2_page_hint(file(bytes), 0), name).to.equal(null);
    }
    for (const blank of [0, 100, 135168]) {
      expect(jffs2_detect_nand(file(new Uint8Array(blank).fill(0xff)))).to.equal(null);
    }
  });

  it('taking OOB out gives the pages, from any place', () => {
    const plain = without_oob(file(kernel), { writesize: 512, oobsize: 16 });
    expect(plain.sizeBytes).to.equal(131072);
    for (const [position, length] of [
      [0, 131072],
      [511, 2],
      [1000, 5000],
      [131000, 72],
      [131000, 500],
    ] as const) {
      const buf = new Uint8Array(length + 1).fill(0x77);
      const got = plain.read(buf, 1, length, position);
      expect(got).to.equal(Math.min(length, 131072 - position));
      const wanted = new Uint8Array(got);
      for (let i = 0; i < got; i++) {
        const page = Math.floor((position + i) / 512);
        wanted[i] = kernel[page * 528 + ((position + i) % 512)]!;
      }
      expect(sameBytes(buf.subarray(1, 1 + got), wanted)).to.equal(true);
    }
  });
});
