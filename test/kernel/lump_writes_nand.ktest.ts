/**
 * NAND that lump wrote: nandwrite puts it on nandsim's chips, page by page with its OOB, and the
 * kernel mounts it, reads exactly what lump reads, without a single corrected bit, writes on, and
 * is read back. Both page sizes, with bad blocks, and after power cuts.
 */
import { expect } from 'chai';
import {
  HEADER_SIZE,
  H_TYPE,
  JFFS2_MAGIC_BITMASK,
  JFFS2_NODETYPE_XATTR,
  JFFS2_NODETYPE_XREF,
} from '../../src/jffs2/medium.js';
import {
  ref_obsolete,
  ref_offset,
  ref_totlen,
  type jffs2_sb_info,
} from '../../src/jffs2/nodelist.js';
import { PAGE_SIZE } from '../../src/lump/fs.js';
import { CowBacking } from '../../src/mtd/cow_backing.js';
import { nand_chip } from '../../src/mtd/nand.js';
import { RamBacking } from '../../src/mtd/ram_backing.js';
import {
  cell_recorder,
  format_power_cut,
  power_cut_states,
  power_cuts,
} from '../../src/mtd/recorder.js';
import { nodeZlib } from '../../src/rumpuser/node_zlib.js';
import { Prng } from '../../src/rumpuser/prng.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';
import { noise, text } from '../images/material.js';
import { mountChip, mountImage, type MountedImage } from '../images/mount.js';
import type { Tree, TreeEntry } from '../images/tree.js';
import { assertSameTree } from '../images/tree.js';
import { ukfsTree } from '../images/ukfs_tree.js';
import { parseListing } from './listing.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import { flashCommands, mountOptionsOf, SCENARIOS, workloadFile } from './scenarios.js';
import type { GuestFlash } from './scenarios.js';
import { BATCH_TIMEOUT_MS, needsJudge, treeOf } from './suite.js';
import { churn, populate } from './workloads.js';

type GuestNand = GuestFlash & { readonly kind: 'nand' };

const SEED = Number(process.env.LUMP_SEED ?? 7);
const CUTS = 12;

function nandOf(name: string): GuestNand {
  return SCENARIOS.find((scenario) => scenario.name === name)!.flash as GuestNand;
}
const SMALL = nandOf('populate nand 512/16');
const LARGE = nandOf('populate nand 2048/64');
/** nandsim's and ours; the large chip has 16 blocks in all. */
const BAD_BLOCKS = { small: [0, 3, 4, 11], large: [3, 11] };

interface Row {
  readonly name: string;
  readonly flash: GuestNand;
  readonly badBlocks?: readonly number[];
  readonly work: (mounted: Pick<MountedImage, 'ukfs' | 'host'>) => void;
}

const ROWS: readonly Row[] = [SMALL, LARGE].flatMap((flash): Row[] => {
  const pages = `${flash.pageSizeBytes}+${flash.oobSizeBytes}`;
  return [
    { name: `every kind of entry, ${pages}`, flash, work: (m) => populate(m) },
    {
      name: `collected many times, ${pages}`,
      flash,
      work: (m) => churn(m, { keepKib: 600, writeKib: 3000, seed: 1 }),
    },
    {
      name: `with bad blocks, ${pages}`,
      flash,
      badBlocks: flash === SMALL ? BAD_BLOCKS.small : BAD_BLOCKS.large,
      work: (m) => churn(m, { keepKib: 150, writeKib: 2500, seed: 2 }),
    },
  ];
});

const blockBytesOf = ({ eraseKib, pageSizeBytes, oobSizeBytes }: GuestNand): number =>
  eraseKib * 1024 + ((eraseKib * 1024) / pageSizeBytes) * oobSizeBytes;

/** Both chips have 2 MiB. */
const blocksOf = ({ eraseKib }: GuestNand): number => 2048 / eraseKib;

/** A blank chip; Linux marks a bad block in its first page, at byte 5 or 0 of the OOB. */
function blank(flash: GuestNand, badBlocks: readonly number[] = []): Uint8Array {
  const cells = new Uint8Array(blocksOf(flash) * blockBytesOf(flash)).fill(0xff);
  const marker = flash.pageSizeBytes > 512 ? 0 : 5;
  for (const block of badBlocks) {
    cells[block * blockBytesOf(flash) + flash.pageSizeBytes + marker] = 0;
  }
  return cells;
}

/** In memory an inode knows things that no node tells. */
const FORGOTTEN = {
  ignore: ['atime', 'ctime'],
  ignoreAtRoot: ['mtime', 'ctime', 'atime'],
} as const;

const ECC_STATS = 'cat /sys/class/mtd/mtd0/corrected_bits /sys/class/mtd/mtd0/ecc_failures';
/** What nandwrite says of erased pages that are written as such. */
const BLANK_PAGES =
  /Written \d+ blocks containing only 0xff bytes\nThose block may be incorrectly treated as empty!\n/g;
const COMPLAINT = /jffs2:.*(error|warning|not found|crc|corrupt|eep|wrong|run over|argh|odd)/i;
const NO_COMPLAINT = /complete building xattr subsystem/;

function loadLines(flash: GuestNand, badBlocks: readonly number[], image: string): string {
  const bad = badBlocks.length === 0 ? '' : ` badblocks=${badBlocks.join(',')}`;
  const { create, load } = flashCommands(flash);
  return `${create}${bad}\n${load} "${image}"`;
}

function continueJob({ name, flash, badBlocks = [] }: Row, image: Uint8Array): KernelJob {
  const { dump } = flashCommands(flash);
  return {
    name,
    timeoutMs: 300_000,
    files: {
      image,
      noise: noise(1 << 20),
      text: text(1 << 20),
      'common.sh': workloadFile('common.sh'),
      'continue.sh': workloadFile('continue.sh'),
    },
    script: [
      loadLines(flash, badBlocks, '$IN/image'),
      "flash_mount ro || die 'the kernel refuses the image'",
      'free_space first',
      'list_tree /mnt first',
      'flash_umount',
      `${ECC_STATS} > "$OUT/first.ecc"`,
      "flash_mount || die 'the kernel refuses to write on the image'",
      'WRITE_KIB=1500',
      '. "$IN/continue.sh"',
      'flash_umount',
      `${ECC_STATS} > "$OUT/second.ecc"`,
      `${dump} "$OUT/second.image"`,
      loadLines(flash, badBlocks, '$OUT/second.image'),
      "flash_mount ro || die 'the kernel refuses what it wrote'",
      'list_tree /mnt second',
    ].join('\n'),
  };
}

/** f_bfree as the kernel has it: what is out of date of attributes counts as used there. */
function freeForTheKernel(c: jffs2_sb_info): number {
  let avail = c.dirty_size + c.free_size - c.sector_size * c.resv_blocks_write;
  for (const jeb of c.blocks) {
    if (jeb === c.nextblock || jeb.dirty_size === 0) continue;
    for (let ref = jeb.first_node; ref !== 0; ref = c.refs.next_phys[ref]!) {
      if (!ref_obsolete(c, ref)) continue;
      const { buf, off } = c.view(ref_offset(c, ref), HEADER_SIZE);
      const type = c.e.u16(buf, off + H_TYPE);
      if (c.e.u16(buf, off) !== JFFS2_MAGIC_BITMASK) continue;
      if (type === JFFS2_NODETYPE_XATTR || type === JFFS2_NODETYPE_XREF) {
        avail -= ref_totlen(c, ref);
      }
    }
  }
  return Math.floor(avail / PAGE_SIZE);
}

describe('NAND that lump wrote is read and written on by the Linux kernel', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const written = new Map<string, { bytes: Uint8Array; tree: Tree; freeBlocks: number }>();
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    for (const { name, flash, badBlocks, work } of ROWS) {
      const options = mountOptionsOf(flash);
      const mounted = mountImage(blank(flash, badBlocks), options);
      work(mounted);
      const live = ukfsTree(mounted.ukfs);
      mounted.ukfs.unmount();
      const bytes = mounted.image();
      const tree = treeOf(bytes, options);
      assertSameTree('mounted again', live, tree, FORGOTTEN);
      const again = mountImage(bytes, { ...options, readOnly: true });
      written.set(name, { bytes, tree, freeBlocks: freeForTheKernel(again.c) });
    }
    results = await runBatch(ROWS.map((row) => continueJob(row, written.get(row.name)!.bytes)));
  });

  for (const row of ROWS) {
    const result = (): KernelJobResult => results.get(row.name)!;

    it(`${row.name}: is the same for the kernel, without a corrected bit`, () => {
      expect(result().log.replaceAll(BLANK_PAGES, '')).to.equal('');
      const { tree, freeBlocks } = written.get(row.name)!;
      assertSameTree('by the kernel', tree, parseListing('first', result().outputs));
      expect(String(result().outputs.get('first.ecc'))).to.equal('0\n0\n');
      const [, , free] = String(result().outputs.get('first.statfs')).split(' ');
      expect(Number(free)).to.equal(freeBlocks);
      const lines = result().dmesg.split('\n');
      const complaints = lines.filter((line) => COMPLAINT.test(line) && !NO_COMPLAINT.test(line));
      expect(complaints).to.deep.equal([]);
    });

    it(`${row.name}: is left as it was where the kernel wrote elsewhere, and read by lump`, () => {
      expect(String(result().outputs.get('second.ecc'))).to.equal('0\n0\n');
      const second = parseListing('second', result().outputs);
      const isTheirs = ({ path }: TreeEntry): boolean => /^by the kernel(\/|$)/.test(path);
      expect(second.filter(isTheirs).length).to.be.greaterThan(5);
      assertSameTree(
        'after the kernel collected it',
        written.get(row.name)!.tree,
        second.filter((entry) => !isTheirs(entry)),
        { ignoreAtRoot: ['mtime', 'ctime', 'nlink'] },
      );
      const dump = result().outputs.get('second.image') as Buffer;
      assertSameTree('by lump', second, treeOf(dump, mountOptionsOf(row.flash)));
    });
  }
});

describe('after a power cut on NAND the kernel finds what lump finds', function () {
  this.timeout(BATCH_TIMEOUT_MS);
  const images = new Map<string, { flash: GuestNand; bytes: Uint8Array }>();
  let results: Map<string, KernelJobResult>;

  before(async function () {
    needsJudge(this);
    for (const flash of [SMALL, LARGE]) {
      for (const [cut, bytes] of cutImages(flash)) {
        images.set(`${flash.pageSizeBytes}+${flash.oobSizeBytes}, ${cut}`, { flash, bytes });
      }
    }
    results = await runBatch(
      [...images].map(([name, { flash, bytes }]) => ({
        name,
        files: { image: bytes },
        script: [
          loadLines(flash, [], '$IN/image'),
          'flash_mount ro || exit 3',
          'list_tree /mnt tree',
        ].join('\n'),
      })),
    );
  });

  it(`${2 * CUTS} moments of runs of seed ${SEED}`, () => {
    expect(images.size).to.equal(2 * CUTS);
    for (const [name, { flash, bytes }] of images) {
      const tree = parseListing('tree', results.get(name)!.outputs);
      const mounted = mountImage(bytes, { ...mountOptionsOf(flash), readOnly: true });
      assertSameTree(`${name}, by lump`, tree, ukfsTree(mounted.ukfs));
    }
  });
});

/** Some of the moments of a run that collects every erase block. */
function* cutImages(flash: GuestNand): Generator<[string, Uint8Array]> {
  const host = new SimulatedHost({ seed: SEED, codecs: nodeZlib() });
  const base = new CowBacking(new RamBacking(blank(flash)), blockBytesOf(flash));
  const recorder = new cell_recorder(base.fork());
  const chip = new nand_chip(host, recorder, {
    name: 'cut',
    erasesize: flash.eraseKib * 1024,
    writesize: flash.pageSizeBytes,
    oobsize: flash.oobSizeBytes,
  });
  churn(mountChip(host, chip, { seed: SEED }), { seed: SEED, keepKib: 300, writeKib: 4000 });
  const random = new Prng(SEED);
  // Of a page that was programmed in part the kernel believes more than lump: see DIFFERENCES.md.
  const moments = [...power_cuts(recorder.ops, 'linear')].filter(({ op, bytes, seed }) => {
    return recorder.ops[op]?.kind === 'erase' || (bytes === 0 && seed === undefined);
  });
  const picked = new Set<number>();
  while (picked.size < CUTS) picked.add(random.below(moments.length));
  const cuts = [...picked].sort((a, b) => a - b).map((index) => moments[index]!);
  for (const { cut, state } of power_cut_states(base, recorder.ops, cuts)) {
    const bytes = new Uint8Array(state.sizeBytes);
    state.read(0, bytes.length, bytes, 0);
    yield [format_power_cut(cut), bytes];
  }
}
