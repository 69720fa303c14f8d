/** Dumps of NAND: taken apart, corrected, and put together again as the kernel wrote them. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '../../src/inspect/check.js';
import { oobBlocks, withOob } from '../../src/inspect/oob.js';
import { LITTLE_ENDIAN } from '../../src/jffs2/medium.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { FLASH_IMAGES_FOLDER, readFlashImages } from '../images/flash_images.js';
import { assertSameTree } from '../images/tree.js';
import { ERASE_BYTES } from '../hostile/bases.js';
import { nandBases } from '../hostile/nand.js';
import { openState, treeOfState } from './inspect_tree.js';

describe('dumps of NAND with OOB', () => {
  const image = readFlashImages().images.find(({ nand }) => nand !== undefined)!;
  const dump = new Uint8Array(readFileSync(join(FLASH_IMAGES_FOLDER, image.file)));
  const record = 512 + 16;

  it('the kernel wrote: without OOB, and with ours, it is the same again byte for byte', () => {
    const { flash } = openState(dump);
    expect(flash.nand).to.include({ writesize: 512, oobsize: 16, ecc: 'hamming', layout: 'raw' });
    const again = withOob(flash.bytes, flash.nand!, flash.erasesize, LITTLE_ENDIAN);
    expect(Buffer.compare(again, dump)).to.equal(0);
    const stripped = openState(flash.bytes.slice(), { erasesize: 16_384, offset: 0, nand: false });
    assertSameTree('without OOB', image.tree, treeOfState(stripped));
  });

  it('one wrong bit in every page is corrected, two in one step are reported', () => {
    const prng = new Prng(3);
    const flipped = dump.slice();
    let pages = 0;
    for (let at = 0; at < flipped.length; at += record) {
      if (flipped.subarray(at, at + 512).every((byte) => byte === 0xff)) continue;
      flipped[at + prng.below(512)]! ^= 1 << prng.below(8);
      pages++;
    }
    const state = openState(flipped, { erasesize: 16_384 });
    // Detection goes by right pages, of which there is none.
    const told = openState(flipped, {
      erasesize: 16_384,
      nand: { writesize: 512, oobsize: 16, ecc: 'hamming', layout: 'raw' },
    });
    expect(state.flash.nand?.correctedBits ?? 0).to.be.at.most(pages);
    expect(told.flash.nand).to.include({ correctedBits: pages, programmedPages: pages });
    assertSameTree('corrected', image.tree, treeOfState(told));
    expect(check(told).problems.map(({ text }) => text)).to.deep.equal([
      `${pages} wrong bits corrected`,
    ]);

    const twice = dump.slice();
    const first = [...Array(dump.length / record).keys()].find((n) => twice[n * record] !== 0xff)!;
    twice[first * record]! ^= 1;
    twice[first * record + 9]! ^= 4;
    const { nand } = openState(twice).flash;
    expect(nand!.uncorrectablePages).to.deep.equal([first]);
  });

  it('a summary that ends in a page with a wrong bit is not believed, as no mount does', () => {
    const { cells, pages, order } = nandBases().find(({ pages: { page } }) => page === 2048)!;
    const nand = { writesize: pages.page, oobsize: pages.oob };
    const options = { erasesize: ERASE_BYTES, endian: order, offset: 0, nand };
    const blocksOf = (dump: Uint8Array): { valid: number[]; bad: number[]; said: string[] } => {
      const state = openState(dump, options);
      const numbers = (wanted: string): number[] =>
        state.walk.blocks.flatMap(({ summary }, n) => (summary === wanted ? [n] : []));
      const said = check(state).problems.filter(({ kind }) => kind === 'summary');
      return { valid: numbers('valid'), bad: numbers('bad'), said: said.map(({ text }) => text) };
    };
    const before = blocksOf(cells);
    expect(before.valid).to.not.be.empty;
    expect(before.bad).to.be.empty;

    const block = before.valid[0]!;
    const spoilt = cells.slice();
    const pagesOfBlock = ERASE_BYTES / pages.page;
    const lastPage = (block + 1) * pagesOfBlock - 1;
    spoilt[lastPage * (pages.page + pages.oob)]! ^= 1;
    const after = blocksOf(spoilt);
    expect(after.bad).to.deep.equal([block]);
    expect(after.valid).to.deep.equal(before.valid.slice(1));
    expect(after.said).to.have.lengthOf(1);
    expect(after.said[0]).to.match(/bits are wrong in the page that it ends in/);
  });

  it('marks of bad blocks and cleanmarkers are read', () => {
    const marked = dump.slice();
    marked[2 * 32 * record + 512 + 5] = 0;
    const { flash } = openState(marked);
    const blocks = oobBlocks(marked, 0, flash.nand!, flash.erasesize);
    expect(blocks.filter(({ isBad }) => isBad).map(({ block }) => block)).to.deep.equal([2]);
    expect(blocks.every(({ hasCleanmarker }) => hasCleanmarker)).to.equal(true);
  });

  it('pages of every size that Linux has a layout for are recognized and the same again', () => {
    const { bytes } = openState(readFileSync(join(FLASH_IMAGES_FOLDER, 'kernel.jffs2'))).flash;
    for (const [writesize, oobsize] of [
      [256, 8],
      [512, 16],
      [2048, 64],
      [4096, 128],
    ] as const) {
      const erasesize = Math.max(8192, writesize * 16);
      const made = withOob(bytes, { writesize, oobsize }, erasesize, LITTLE_ENDIAN);
      const { flash } = openState(made);
      expect(flash.nand, `${writesize}`).to.include({ writesize, oobsize, ecc: 'hamming' });
      expect(Buffer.compare(flash.bytes, bytes)).to.equal(0);
    }
  });
});
