/**
 * What makefs writes, the Linux kernel mounts and lists: every option, on NOR and NAND flash. ECC
 * and OOB are what the kernel's own driver makes of the same pages.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { LITTLE_ENDIAN } from '../../src/jffs2/medium.js';
import { addSummaries } from '../../src/makefs/jffs2_sum.js';
import { GrowableBytes } from '../../src/rumpuser/growable_bytes.js';
import { hostTree } from '../images/host_tree.js';
import { assertSameTree, type Tree } from '../images/tree.js';
import { make } from '../makefs/maker.js';
import { expectedTree, MAKE_ROWS, type MakeRow, makeSource } from '../makefs/rows.js';
import { NO_ROUND_TRIPS, ROUND_TRIPS, roundTrip, roundTripTree } from '../makefs/round_trip.js';
import { parseListing } from './listing.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import { type GuestFlash, LARGE_PAGE, listImageJob, SMALL_PAGE } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, norOf } from './suite.js';

const SUMMED = 'summed';
/** Layout → how nandwrite puts such an image on the flash. */
const NANDWRITE = { auto: 'nandwrite -q -o -a', data: 'nandwrite -q' } as const;

const NO_ECC_ERRORS =
  'cd /sys/class/mtd/mtd0; [ "$(cat ecc_failures corrected_bits | tr -d "\\n")" = 00 ] || exit 4';

describe('makefs: what the kernel finds in its images', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  // Linux of this machine is little-endian, and its cleanmarkers on NOR flash have 12 bytes.
  const rows = MAKE_ROWS.filter(({ byteOrder }) => byteOrder === 'le');
  const raw = new Map<string, Uint8Array>();
  let tree: Tree;
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    const folder = mkdtempSync(join(tmpdir(), 'lump-makefs-'));
    const source = join(folder, 'source');
    mkdirSync(source);
    const { xattrs } = makeSource(source);
    tree = hostTree(source, { xattrs });
    const jobs = rows.map((row) => {
      const { bytes } = make([source], { options: row.options });
      const flash = flashOf(row, bytes);
      const job = listImageJob(row.name, flash, bytes);
      return flash.kind === 'nor' ? job : { ...job, script: `${job.script}\n${NO_ECC_ERRORS}` };
    });
    for (const row of rows.filter(({ nand }) => nand !== undefined)) {
      raw.set(row.name, make([source], { options: row.options }).bytes);
      for (const [layout, command] of Object.entries(NANDWRITE)) {
        const options = { ...row.options, 'nand-layout': layout };
        const { bytes } = make([source], { options });
        jobs.push(writtenJob(`${row.name} ${layout}`, row, bytes, command));
      }
    }
    const [plain] = rows as [MakeRow];
    const summed = new GrowableBytes(new Uint8Array(0));
    addSummaries(make([source], { options: plain.options }).bytes, summed, {
      endian: LITTLE_ENDIAN,
      eraseSizeBytes: plain.eraseKib * 1024,
      cleanmarkerBytes: undefined,
      pad: true,
    });
    const view = summed.view();
    jobs.push(listImageJob(SUMMED, norOf(view, plain.eraseKib), view));
    if (NO_ROUND_TRIPS === undefined) {
      for (const image of ROUND_TRIPS) {
        const bytes = roundTrip(image);
        jobs.push(listImageJob(image.file, norOf(bytes, image.eraseSizeBytes / 1024), bytes));
      }
    }
    rmSync(folder, { recursive: true });
    results = await runBatch(jobs);
  });

  for (const row of rows) {
    it(row.name, () => {
      const found = parseListing('tree', (results.get(row.name) as KernelJobResult).outputs);
      assertSameTree('listed by the kernel', expectedTree(tree, row), found);
    });
  }

  it('an image that got its summaries later', () => {
    const { outputs } = results.get(SUMMED) as KernelJobResult;
    const expected = expectedTree(tree, rows[0] as MakeRow);
    assertSameTree('listed by the kernel', expected, parseListing('tree', outputs));
  });

  for (const image of ROUND_TRIPS) {
    it(`${image.file}: what the kernel wrote, extracted and made again`, function () {
      if (NO_ROUND_TRIPS !== undefined) {
        console.log(`      skipped: ${NO_ROUND_TRIPS}`);
        this.skip();
      }
      const { outputs } = results.get(image.file) as KernelJobResult;
      assertSameTree('listed by the kernel', roundTripTree(image), parseListing('tree', outputs));
    });
  }

  for (const row of rows.filter(({ nand }) => nand !== undefined)) {
    for (const layout of Object.keys(NANDWRITE)) {
      it(`${row.name}, layout ${layout}: nandwrite makes of it what layout raw has`, () => {
        const result = results.get(`${row.name} ${layout}`) as KernelJobResult;
        expect(result.status, result.log).to.equal(0);
        const image = raw.get(row.name) as Uint8Array;
        const pages = [(result.outputs.get('dump') as Buffer).subarray(0, image.length), image];
        // Layout "data" has nothing in OOB but ECC.
        if (layout === 'data') for (const bytes of pages) wipeMarkers(bytes, row);
        expect(Buffer.compare(pages[0]!, pages[1]!)).to.equal(0);
      });
    }
  }
});

function flashOf(row: MakeRow, image: Uint8Array): GuestFlash {
  if (row.nand === undefined) return norOf(image, row.eraseKib);
  return row.nand.pageSizeBytes === SMALL_PAGE.pageSizeBytes ? SMALL_PAGE : LARGE_PAGE;
}

function writtenJob(name: string, row: MakeRow, bytes: Uint8Array, command: string): KernelJob {
  const flash = flashOf(row, bytes);
  if (flash.kind !== 'nand') throw new Error(`${row.name} is no NAND`);
  return {
    name,
    files: { image: bytes },
    script: `nand_new ${flash.parameters}\n${command} /dev/mtd0 "$IN/image" || exit 5\nnand_dump "$OUT/dump"`,
  };
}

/** Sets the bytes that jffs2's marker has in the OOB of each block's first page to 0xFF. */
function wipeMarkers(bytes: Uint8Array, row: MakeRow): void {
  const { pageSizeBytes, oobSizeBytes } = row.nand!;
  const record = pageSizeBytes + oobSizeBytes;
  const pages = (row.eraseKib * 1024) / pageSizeBytes;
  const first = pageSizeBytes === 512 ? 8 : 2;
  for (let at = 0; at < bytes.length; at += pages * record) {
    bytes.fill(0xff, at + pageSizeBytes + first, at + pageSizeBytes + first + 8);
  }
}
