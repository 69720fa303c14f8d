/**
 * NAND chips against Linux's: nandsim, with the kernel's own ECC, and nandwrite and nanddump. Ids
 * are decoded as there, bad blocks marked where it marks them, every byte of OOB is the same, and
 * what is wrong on flash is corrected, and counted, alike.
 */
import { expect } from 'chai';
import { MTD_OPS_PLACE_OOB, type mtd_info } from '../../src/mtd/mtd.js';
import type { nand_dump_layout } from '../../src/mtd/nand_layout.js';
import { hamming_ecc } from '../../src/mtd/nand_ecc.js';
import { nand_decode_id } from '../../src/mtd/nand_ids.js';
import { nand_ooblayout_of } from '../../src/mtd/nand_oob.js';
import { mtd_new_ram, mtd_open_image } from '../../src/mtd/open.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { noise } from '../images/material.js';
import { errnoOf, sameBytes } from '../mtd/util.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import { BATCH_TIMEOUT_MS, needsJudge } from './suite.js';

const BLOCKS = 16;
/** Blocks that are written to. */
const USED = 3;

/** nandsim makes large chips small, but not those with more address cycles than it then expects. */
const IDS = [
  '2033',
  '9873',
  '206b',
  'ec75',
  '20a20015',
  '20a20025',
  '20a20005',
  '20a20026',
  'ecf1009540',
  '98f1801572f6',
  '98f180157216',
  'c2f1809502',
  '2cf1809502',
  'c8d1809542',
].map((hex) => [...hex.matchAll(/../g)].map(([byte]) => Number.parseInt(byte, 16)));

const hexOf = (id: readonly number[]): string => Buffer.from(id).toString('hex');
const parametersOf = (id: readonly number[]): string =>
  `id_bytes=${id.join(',')} overridesize=${Math.log2(BLOCKS)}`;

/** One of each page size that Linux's Hamming code has a layout for. */
const CHIPS = ['2033', '20a20015', '98f180157216', '20a20026'].map(
  (hex) => IDS.find((id) => hexOf(id) === hex)!,
);

const host = (): SimulatedHost => new SimulatedHost();

function chipOf(id: readonly number[], badblocks = ''): mtd_info {
  const { erasesize } = nand_decode_id(id);
  return mtd_new_ram(host(), { id, size: BLOCKS * erasesize, nandsim: { badblocks } });
}

/** Every page with its raw OOB. */
function rawOf(mtd: mtd_info, blocks = BLOCKS): Uint8Array {
  const recordBytes = mtd.writesize + mtd.oobsize;
  const pages = (blocks * mtd.erasesize) / mtd.writesize;
  const raw = new Uint8Array(pages * recordBytes);
  for (let page = 0; page < pages; page++) {
    const datbuf = raw.subarray(page * recordBytes, page * recordBytes + mtd.writesize);
    const oobbuf = new Uint8Array(mtd.oobsize);
    const len = mtd.writesize;
    const request = { len, retlen: 0, ooboffs: 0, ooblen: mtd.oobsize, oobretlen: 0 };
    mtd.read_oob(page * len, { mode: 2, datbuf, oobbuf, ...request });
    raw.set(oobbuf, page * recordBytes + len);
  }
  return raw;
}

interface Material {
  readonly id: readonly number[];
  readonly data: Uint8Array;
  /** The data as our chip stores them. */
  readonly raw: Uint8Array;
  /** The same with wrong bits. */
  readonly wrong: Uint8Array;
  /** Pages with OOB to be placed, and autoplaced. */
  readonly pages: Uint8Array;
}

function materialOf(id: readonly number[]): Material {
  const mtd = chipOf(id);
  const { erasesize, writesize, oobsize } = mtd;
  const data = noise(USED * erasesize).slice();
  // Erased pages among the others, an erased step in a page, and zeros.
  data.fill(0xff, writesize, 2 * writesize);
  data.fill(0xff, 3 * writesize, 3 * writesize + 256);
  data.fill(0, 4 * writesize, 5 * writesize);
  for (let at = 0; at < data.length; at += writesize) {
    // nandwrite and jffs2 leave erased pages alone.
    if (data.subarray(at, at + writesize).some((byte) => byte !== 0xff)) {
      mtd.write(at, writesize, data, at);
    }
  }
  const raw = rawOf(mtd, USED);
  const recordBytes = writesize + oobsize;
  const wrong = raw.slice();
  for (let page = 5; page * recordBytes < wrong.length; page++) {
    const at = page * recordBytes;
    const bit = (page * 1237) % (writesize * 8);
    const flip = (n: number): void => {
      wrong[at + (n >> 3)]! ^= 1 << (n & 7);
    };
    if (page % 3 === 0) flip(bit);
    if (page % 7 === 0) flip(bit ^ 64);
    // A bit of OOB: of ECC, of nothing.
    if (page % 4 === 1) flip(writesize * 8 + (bit % (oobsize * 8)));
  }
  const records = USED * (erasesize / writesize);
  const pages = new Uint8Array(records * recordBytes);
  for (let page = 0; page < records; page++) {
    const at = page * recordBytes;
    pages.set(data.subarray(page * writesize, (page + 1) * writesize), at);
    // No mark of a bad block, and nothing at the place of ECC either.
    for (let i = 8; i < Math.min(oobsize, 40); i++) pages[at + writesize + i] = page + i;
  }
  return { id, data, raw, wrong, pages };
}

function jobOf({ id, data, raw, wrong, pages }: Material): KernelJob {
  const make = `nand_new ${parametersOf(id)}`;
  const { erasesize } = nand_decode_id(id);
  const length = USED * erasesize;
  const stats =
    'echo $(cat /sys/class/mtd/mtd0/corrected_bits) $(cat /sys/class/mtd/mtd0/ecc_failures)';
  return {
    name: hexOf(id),
    files: { data, raw, wrong, pages },
    script: [
      make,
      'nandwrite -q -k /dev/mtd0 "$IN/data" || die nandwrite',
      `nanddump -q -n -o --bb=dumpbad -l ${length} -f "$OUT/written" /dev/mtd0`,
      make,
      'nandwrite -q -n -o /dev/mtd0 "$IN/raw" || die "nandwrite of raw pages"',
      `nanddump -q --bb=dumpbad -l ${length} -f "$OUT/read" /dev/mtd0`,
      `${stats} > "$OUT/read.stats"`,
      make,
      'nandwrite -q -n -o /dev/mtd0 "$IN/wrong" || die "nandwrite of wrong pages"',
      `nanddump -q --bb=dumpbad -l ${length} -f "$OUT/wrong" /dev/mtd0`,
      `${stats} > "$OUT/wrong.stats"`,
      make,
      'nandwrite -q -a -o /dev/mtd0 "$IN/pages" || die "nandwrite, autoplaced"',
      `nanddump -q -n -o --bb=dumpbad -l ${length} -f "$OUT/auto" /dev/mtd0`,
      make,
      'nandwrite -q -o /dev/mtd0 "$IN/pages" || die "nandwrite, placed"',
      `nanddump -q -n -o --bb=dumpbad -l ${length} -f "$OUT/placed" /dev/mtd0`,
    ].join('\n'),
  };
}

const idJobs: KernelJob[] = IDS.map((id) => ({
  name: `id ${hexOf(id)}`,
  script: [
    `nand_new ${parametersOf(id)} badblocks=1`,
    'cd /sys/class/mtd/mtd0',
    'for what in size erasesize writesize oobsize oobavail subpagesize ecc_strength ' +
      'ecc_step_size bitflip_threshold bad_blocks; do cat $what; done > "$OUT/facts"',
    'size=$(cat erasesize)',
    'nanddump -q -n -o --bb=dumpbad -s $size -l $size -f "$OUT/bad" /dev/mtd0',
  ].join('\n'),
}));

/** Small chips whose bad-block table is on flash, in either form. */
const TABLES = ['2033', '20a20015', '20a20026'].flatMap((hex) =>
  ([1, 2] as const).map((bbt) => ({ id: IDS.find((id) => hexOf(id) === hex)!, bbt })),
);
const tableJobs: KernelJob[] = TABLES.map(({ id, bbt }) => ({
  name: `table ${bbt} ${hexOf(id)}`,
  script: [
    `nand_new ${parametersOf(id)} badblocks=2,5 bbt=${bbt}`,
    'cat /sys/class/mtd/mtd0/bad_blocks /sys/class/mtd/mtd0/bbt_blocks > "$OUT/counts"',
    'nanddump -q -n -o --bb=dumpbad -f "$OUT/all" /dev/mtd0',
  ].join('\n'),
}));

/** Chips that Linux knows by their whole id; of some it has no layout for Hamming's code. */
const WHOLE_IDS = [
  '98d1901576140100',
  '98dc902676150108',
  '98dc902676160800',
  '98d3902676150208',
  '98dc911576',
  '98d3912676150208',
].map((hex) => [...hex.matchAll(/../g)].map(([byte]) => Number.parseInt(byte, 16)));
const wholeJobs: KernelJob[] = WHOLE_IDS.map((id) => ({
  name: `whole id ${hexOf(id)}`,
  script: `nand_new ${parametersOf(id)} || true`,
}));

describe('NAND chips as Linux has them', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  let results: Map<string, KernelJobResult>;
  const materials = new Map<string, Material>();

  before(async function () {
    needsJudge(this);
    for (const id of CHIPS) materials.set(hexOf(id), materialOf(id));
    results = await runBatch([
      ...idJobs,
      ...wholeJobs,
      ...tableJobs,
      ...[...materials.values()].map(jobOf),
    ]);
  });

  function outputsOf(name: string): ReadonlyMap<string, Buffer> {
    const { status, log, outputs } = results.get(name)!;
    expect(status, log).to.equal(0);
    return outputs;
  }

  for (const id of IDS) {
    it(`id ${hexOf(id)} (${nand_decode_id(id).name}) is decoded alike, and marked bad alike`, () => {
      const outputs = outputsOf(`id ${hexOf(id)}`);
      const mtd = chipOf(id, '1');
      const facts = outputs.get('facts')!.toString().trim().split('\n').map(Number);
      expect([
        mtd.size,
        mtd.erasesize,
        mtd.writesize,
        mtd.oobsize,
        mtd.oobavail,
        mtd.writesize >> mtd.subpage_sft,
        mtd.ecc_strength,
        mtd.ecc_step_size,
        mtd.bitflip_threshold,
        mtd.ecc_stats.badblocks,
      ]).to.deep.equal(facts);
      const blockBytes = outputs.get('bad')!.length;
      const ours = rawOf(mtd).subarray(blockBytes, 2 * blockBytes);
      expect(sameBytes(ours, outputs.get('bad')!)).to.equal(true);
    });
  }

  for (const id of WHOLE_IDS) {
    it(`id ${hexOf(id)} is known as a whole, and refused with Hamming alike`, () => {
      const { dmesg } = results.get(`whole id ${hexOf(id)}`)!;
      const { size, erasesize, writesize, oobsize } = nand_decode_id(id);
      const facts =
        `nand: ${size >> 20} MiB, SLC, erase size: ${erasesize >> 10} KiB, ` +
        `page size: ${writesize}, OOB size: ${oobsize}`;
      expect(dmesg).to.include(facts);
      const isRefused = dmesg.includes('Hamming ECC initialization failed');
      expect(nand_ooblayout_of(writesize, oobsize, hamming_ecc) === null).to.equal(isRefused);
    });
  }

  for (const { id, bbt } of TABLES) {
    it(`bad-block table ${bbt} of id ${hexOf(id)} is the same, and read`, () => {
      const outputs = outputsOf(`table ${bbt} ${hexOf(id)}`);
      const { erasesize, writesize, oobsize } = nand_decode_id(id);
      const size = BLOCKS * erasesize;
      const made = mtd_new_ram(host(), { id, size, bbt, nandsim: { badblocks: '2,5' } });
      expect(sameBytes(rawOf(made), outputs.get('all')!)).to.equal(true);
      const files = host();
      files.replaceFile('dump', outputs.get('all')!);
      const pages = { type: 'nand', erasesize, writesize, oobsize } as const;
      const { mtd } = mtd_open_image(files, 'dump', { ...pages, readOnly: true });
      const { badblocks, bbtblocks } = mtd.ecc_stats;
      expect(`${badblocks}\n${bbtblocks}\n`).to.equal(outputs.get('counts')!.toString());
      const bad = Array.from({ length: BLOCKS }, (_, eb) => eb).filter((eb) =>
        mtd.block_isbad(eb * erasesize),
      );
      expect(bad).to.deep.equal([2, 5, 12, 13, 14, 15]);
    });
  }

  for (const id of CHIPS) {
    const { writesize, oobsize, erasesize } = nand_decode_id(id);
    const pages = { type: 'nand', writesize, oobsize, erasesize } as const;
    const open = (bytes: Uint8Array, layout: nand_dump_layout): mtd_info => {
      const files = host();
      files.replaceFile('dump', bytes);
      return mtd_open_image(files, 'dump', { ...pages, layout, readOnly: true }).mtd;
    };

    describe(`pages of ${writesize}+${oobsize}`, () => {
      const material = (): Material => materials.get(hexOf(id))!;

      it('the same data have the same ECC, byte for byte', () => {
        expect(sameBytes(outputsOf(hexOf(id)).get('written')!, material().raw)).to.equal(true);
      });

      it('what lump wrote the kernel reads without a correction, and the reverse', () => {
        const outputs = outputsOf(hexOf(id));
        expect(sameBytes(outputs.get('read')!, material().data)).to.equal(true);
        expect(outputs.get('read.stats')!.toString()).to.equal('0 0\n');
        const mtd = open(outputs.get('written')!, 'raw');
        const all = new Uint8Array(mtd.size);
        mtd.read(0, mtd.size, all, 0);
        expect(sameBytes(all, material().data)).to.equal(true);
        expect(mtd.ecc_stats).to.deep.include({ corrected: 0, failed: 0 });
      });

      it('wrong bits are corrected, given up and counted alike', () => {
        const outputs = outputsOf(hexOf(id));
        const mtd = open(material().wrong, 'raw');
        const all = new Uint8Array(mtd.size);
        for (let at = 0; at < mtd.size; at += writesize) {
          errnoOf(() => mtd.read(at, writesize, all, at));
        }
        const { corrected, failed } = mtd.ecc_stats;
        expect(outputs.get('wrong.stats')!.toString()).to.equal(`${corrected} ${failed}\n`);
        expect(corrected).to.be.greaterThan(10);
        expect(failed).to.be.greaterThan(3);
        expect(sameBytes(outputs.get('wrong')!, all)).to.equal(true);
      });

      it('a dump of any layout becomes the same cells', () => {
        const outputs = outputsOf(hexOf(id));
        const placed = chipOf(id);
        const recordBytes = writesize + oobsize;
        const source = material().pages;
        for (let at = 0; at < source.length; at += recordBytes) {
          placed.write_oob((at / recordBytes) * writesize, {
            mode: MTD_OPS_PLACE_OOB,
            datbuf: source.subarray(at, at + writesize),
            len: writesize,
            retlen: 0,
            oobbuf: source.subarray(at + writesize, at + recordBytes),
            ooboffs: 0,
            ooblen: oobsize,
            oobretlen: 0,
          });
        }
        const wholeBlocks = source.length / recordBytes / (erasesize / writesize);
        expect(sameBytes(rawOf(placed, wholeBlocks), outputs.get('placed')!)).to.equal(true);
        const auto = open(source, 'auto');
        expect(sameBytes(rawOf(auto, USED), outputs.get('auto')!)).to.equal(true);
        const data = open(material().data, 'data');
        expect(sameBytes(rawOf(data, USED), outputs.get('written')!)).to.equal(true);
      });
    });
  }
});
