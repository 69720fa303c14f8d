/**
 * What the simulated flash costs over the bare host: each case runs on a chip and, in the same
 * rounds, as plain typed-array or node:fs calls that move the same bytes.
 *
 *     node dist/bench/mtd.bench.js [image directory]
 *
 * Prints a table and, as its last line, JSON. Times are medians of the rounds.
 */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mount_fs } from '../src/dcache/mount.js';
import { jffs2_fs_type } from '../src/jffs2/super.js';
import { l2p } from '../src/l2p/l2p.js';
import { Lump } from '../src/lump/lump.js';
import { CowBacking } from '../src/mtd/cow_backing.js';
import { faulty_cells, mtd_faults } from '../src/mtd/fault.js';
import type { mtd_info, mtd_point } from '../src/mtd/mtd.js';
import { nor_chip } from '../src/mtd/nor.js';
import { mtd_new_ram, mtd_open_image, new_chip } from '../src/mtd/open.js';
import { RamBacking } from '../src/mtd/ram_backing.js';
import { mtd_shim } from '../src/mtd/shim.js';
import { mtd_timing, SERIAL_NOR_TIMING } from '../src/mtd/timing.js';
import { ascending_programs, write_order_checker } from '../src/mtd/write_order.js';
import { NodeHost } from '../src/rumpuser/node.js';
import { Ukfs } from '../src/ukfs/ukfs.js';
import { median } from './median.js';

const ROUNDS = 7;
const SIZE = 64 * 1024 * 1024;
const ERASE_SIZE = 64 * 1024;
const NODE = 4096;
const BLOCKS = SIZE / ERASE_SIZE;
const NODES = SIZE / NODE;

interface bench_case {
  readonly name: string;
  readonly operations: number;
  /** Brings both sides to their start; not timed. */
  before?(): void;
  chip(): void;
  bare(): void;
}

const host = new NodeHost();
const directory = fs.mkdtempSync(join(process.argv[2] ?? tmpdir(), 'lump-bench-'));
const data = new Uint8Array(NODE).fill(0x5a);
const target = new Uint8Array(ERASE_SIZE);
const erased = new Uint8Array(ERASE_SIZE).fill(0xff);
const out: mtd_point = { buf: target, off: 0 };
/** Keeps the JIT from dropping reads whose result nobody uses. */
let sum = 0;

function eraseAll(mtd: mtd_info): void {
  for (let eb = 0; eb < BLOCKS; eb++) {
    mtd.erase({ addr: eb * ERASE_SIZE, len: ERASE_SIZE, fail_addr: 0 });
  }
}

function programAll(mtd: mtd_info): void {
  for (let i = 0; i < NODES; i++) mtd.write(i * NODE, NODE, data, 0);
}

/** Every node once, in an order that jumps. */
const shuffled = Array.from({ length: NODES }, (_, i) => ((i * 7919) % NODES) * NODE);

function ramCases(): bench_case[] {
  const mtd = mtd_new_ram(host, { size: SIZE, erasesize: ERASE_SIZE });
  const bytes = new Uint8Array(SIZE);
  const base = new CowBacking(new RamBacking(SIZE), ERASE_SIZE);
  return [
    {
      name: 'RAM: erase 64 KiB',
      operations: BLOCKS,
      chip: () => eraseAll(mtd),
      bare: () => {
        for (let eb = 0; eb < BLOCKS; eb++) {
          bytes.fill(0xff, eb * ERASE_SIZE, (eb + 1) * ERASE_SIZE);
        }
      },
    },
    {
      name: 'RAM: program 4 KiB',
      operations: NODES,
      before: () => eraseAll(mtd),
      chip: () => programAll(mtd),
      bare: () => {
        for (let i = 0; i < NODES; i++) bytes.set(data, i * NODE);
      },
    },
    {
      name: 'RAM: clear a bit of a 12-byte header',
      operations: NODES,
      chip: () => {
        for (let i = 0; i < NODES; i++) mtd.write(i * NODE, 12, data, 0);
      },
      bare: () => {
        for (let i = 0; i < NODES; i++) bytes.set(data.subarray(0, 12), i * NODE);
      },
    },
    {
      name: 'RAM: read 4 KiB',
      operations: NODES,
      chip: () => {
        for (let i = 0; i < NODES; i++) mtd.read(i * NODE, NODE, target, 0);
      },
      bare: () => {
        for (let i = 0; i < NODES; i++) target.set(bytes.subarray(i * NODE, (i + 1) * NODE));
      },
    },
    {
      name: 'RAM: point 4 KiB, one byte looked at',
      operations: NODES,
      chip: () => {
        for (let i = 0; i < NODES; i++) {
          mtd.point(i * NODE, NODE, out);
          sum += out.buf[out.off]!;
        }
      },
      bare: () => {
        for (let i = 0; i < NODES; i++) sum += bytes[i * NODE]!;
      },
    },
    {
      name: 'fork: make one and program one node',
      operations: 1000,
      chip: () => {
        for (let i = 0; i < 1000; i++) {
          const chip = new nor_chip(host, base.fork(), { name: 'fork', erasesize: ERASE_SIZE });
          chip.write(i * ERASE_SIZE, NODE, data, 0);
        }
      },
      bare: () => {
        for (let i = 0; i < 1000; i++) {
          const copy = bytes.slice(i * ERASE_SIZE, (i + 1) * ERASE_SIZE);
          copy.set(data);
          sum += copy[0]!;
        }
      },
    },
  ];
}

/** The bare side is such a chip with nothing on it. */
function shimCases(): bench_case[] {
  const chip = mtd_new_ram(host, { size: SIZE, erasesize: ERASE_SIZE });
  const bare = mtd_new_ram(host, { size: SIZE, erasesize: ERASE_SIZE });
  const stacks: [string, mtd_info][] = [
    ['a shim that does nothing', new mtd_shim(chip)],
    ['faults, none asked for', new mtd_faults(chip, [])],
    ['device times', new mtd_timing(chip, SERIAL_NOR_TIMING)],
    [
      'write-order checker',
      new write_order_checker(chip, [ascending_programs({ rewrites: true })]),
    ],
    [
      'faults, times and checker',
      new mtd_faults(
        new mtd_timing(
          new write_order_checker(chip, [ascending_programs({ rewrites: true })]),
          SERIAL_NOR_TIMING,
        ),
        [],
      ),
    ],
  ];
  const cells = new RamBacking(SIZE);
  const description = { kind: 'nor', name: 'nor', size: SIZE, erasesize: ERASE_SIZE } as const;
  const nor = { ...description, writesize: 1, oobsize: 0 };
  const under = new_chip(host, new faulty_cells(cells, []), nor, {});
  return [...stacks, ['cell faults under the chip, none asked for', under] as const].flatMap(
    ([name, mtd]): bench_case[] => [
      {
        name: `${name}: program 4 KiB`,
        operations: NODES,
        before: () => {
          eraseAll(mtd);
          eraseAll(bare);
        },
        chip: () => programAll(mtd),
        bare: () => programAll(bare),
      },
      {
        name: `${name}: point 4 KiB`,
        operations: NODES,
        chip: () => {
          for (let i = 0; i < NODES; i++) mtd.point(i * NODE, NODE, out);
        },
        bare: () => {
          for (let i = 0; i < NODES; i++) bare.point(i * NODE, NODE, out);
        },
      },
    ],
  );
}

/** A whole file system at work on a chip, with shims and (bare) without. */
function fileSystemCase(): bench_case {
  const FILES = 200;
  const size = 8 * 1024 * 1024;
  const work = (wrap: (mtd: mtd_info) => mtd_info): void => {
    const lump = new Lump({ host, seed: 1 });
    lump.filesystems.register_filesystem(jffs2_fs_type);
    const chip = wrap(mtd_new_ram(host, { size, erasesize: ERASE_SIZE }));
    const sb = mount_fs(lump, 'jffs2', chip, 0, '');
    const fs = new Ukfs(new l2p(sb));
    for (let i = 0; i < FILES; i++) fs.writeFile(`/${i}`, data);
    for (let i = 0; i < FILES; i++) sum += fs.readFile(`/${i}`).length;
    fs.unmount();
  };
  return {
    name: 'jffs2 with faults and times on the chip: write, read a file',
    operations: FILES,
    chip: () => work((mtd) => new mtd_faults(new mtd_timing(mtd, SERIAL_NOR_TIMING), [])),
    bare: () => work((mtd) => mtd),
  };
}

/** Pages with ECC; the bare side moves the same bytes. */
function nandCases(): bench_case[] {
  const geometry = { type: 'nand', erasesize: 131072, writesize: 2048, oobsize: 64 } as const;
  const size = SIZE / 4;
  const mtd = mtd_new_ram(host, { ...geometry, size });
  const pages = size / 2048;
  const bytes = new Uint8Array(size);
  const page = new Uint8Array(2048).map((_, i) => (i * 31) & 0xff);
  return [
    {
      name: 'NAND: program a page of 2 KiB, ECC computed',
      operations: pages,
      before: () => mtd.erase({ addr: 0, len: size, fail_addr: 0 }),
      chip: () => {
        for (let i = 0; i < pages; i++) mtd.write(i * 2048, 2048, page, 0);
      },
      bare: () => {
        for (let i = 0; i < pages; i++) bytes.set(page, i * 2048);
      },
    },
    {
      name: 'NAND: read a page of 2 KiB, ECC checked',
      operations: pages,
      chip: () => {
        for (let i = 0; i < pages; i++) mtd.read(i * 2048, 2048, target, 0);
      },
      bare: () => {
        for (let i = 0; i < pages; i++) target.set(bytes.subarray(i * 2048, (i + 1) * 2048));
      },
    },
  ];
}

function fileCases(): { cases: bench_case[]; close(): void } {
  const path = join(directory, 'flash.bin');
  const barePath = join(directory, 'bare.bin');
  for (const file of [path, barePath]) fs.writeFileSync(file, new Uint8Array(SIZE).fill(0xff));
  const options = { erasesize: ERASE_SIZE };
  let image = mtd_open_image(host, path, options);
  const reopen = (more = {}): void => {
    image.close();
    image = mtd_open_image(host, path, { ...options, ...more });
  };
  const fd = fs.openSync(barePath, 'r+');
  const bareRead = (at: number, length: number): void => {
    sum += fs.readSync(fd, target, 0, length, at);
  };
  const bareProgram = (): void => {
    for (let i = 0; i < NODES; i++) fs.writeSync(fd, data, 0, NODE, i * NODE);
  };
  const bareErase = (): void => {
    for (let eb = 0; eb < BLOCKS; eb++) fs.writeSync(fd, erased, 0, ERASE_SIZE, eb * ERASE_SIZE);
  };
  const pointAll = (order: readonly number[]): void => {
    for (const at of order) {
      image.mtd.point(at, NODE, out);
      sum += out.buf[out.off]!;
    }
  };
  const inOrder = shuffled.map((_, i) => i * NODE);
  const fewBlocks = shuffled.map((at) => at % (8 * 1024 * 1024));
  const cases = [
    {
      name: 'file: erase 64 KiB, wear kept in the sidecar',
      operations: BLOCKS,
      before: () => reopen(),
      chip: () => eraseAll(image.mtd),
      bare: bareErase,
    },
    {
      name: 'file: erase 64 KiB, without sidecar',
      operations: BLOCKS,
      before: () => reopen({ sidecar: false }),
      chip: () => eraseAll(image.mtd),
      bare: bareErase,
    },
    {
      name: 'file: program 4 KiB, blocks erased by this chip',
      operations: NODES,
      before: () => {
        reopen();
        eraseAll(image.mtd);
      },
      chip: () => programAll(image.mtd),
      bare: bareProgram,
    },
    {
      name: 'file: program 4 KiB, blocks looked at first',
      operations: NODES,
      before: () => {
        eraseAll(image.mtd);
        reopen();
      },
      chip: () => programAll(image.mtd),
      bare: bareProgram,
    },
    {
      name: 'file: point whole blocks in order (a scan)',
      operations: BLOCKS,
      before: () => reopen(),
      chip: () => {
        for (let eb = 0; eb < BLOCKS; eb++) {
          image.mtd.point(eb * ERASE_SIZE, ERASE_SIZE, out);
          sum += out.buf[out.off]!;
        }
      },
      bare: () => {
        for (let eb = 0; eb < BLOCKS; eb++) bareRead(eb * ERASE_SIZE, ERASE_SIZE);
      },
    },
    {
      name: 'file: point 4 KiB in order',
      operations: NODES,
      before: () => reopen(),
      chip: () => pointAll(inOrder),
      bare: () => {
        for (const at of inOrder) bareRead(at, NODE);
      },
    },
    {
      name: 'file: point 4 KiB all over 64 MiB, 16 MiB of windows',
      operations: NODES,
      before: () => reopen(),
      chip: () => pointAll(shuffled),
      bare: () => {
        for (const at of shuffled) bareRead(at, NODE);
      },
    },
    {
      name: 'file: point 4 KiB all over 8 MiB',
      operations: NODES,
      before: () => {
        reopen();
        for (let i = 0; i < 4; i++) pointAll(fewBlocks);
      },
      chip: () => pointAll(fewBlocks),
      bare: () => {
        for (const at of fewBlocks) bareRead(at, NODE);
      },
    },
    {
      name: 'file: read 4 KiB all over 64 MiB, no windows',
      operations: NODES,
      before: () => reopen(),
      chip: () => {
        for (const at of shuffled) image.mtd.read(at, NODE, target, 0);
      },
      bare: () => {
        for (const at of shuffled) bareRead(at, NODE);
      },
    },
  ];
  const close = (): void => {
    image.close();
    fs.closeSync(fd);
  };
  return { cases, close };
}

function timed(action: () => void): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

function run({ name, operations, before, chip, bare }: bench_case): object {
  const chipMs: number[] = [];
  const bareMs: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    before?.();
    const ms = [timed(chip), timed(bare)] as const;
    // The first round warms the JIT.
    if (round < 0) continue;
    chipMs.push(ms[0]);
    bareMs.push(ms[1]);
  }
  const chipUs = (median(chipMs) * 1000) / operations;
  const bareUs = (median(bareMs) * 1000) / operations;
  const row = { name, chipUs, bareUs, overheadUs: chipUs - bareUs, ratio: chipUs / bareUs };
  const cells = [chipUs, bareUs, row.overheadUs].map((us) => us.toFixed(3).padStart(9));
  console.log(`${name.padEnd(56)}${cells.join(' ')} ${row.ratio.toFixed(2).padStart(7)}`);
  return row;
}

try {
  console.log(`${''.padEnd(56)}${'chip us'.padStart(9)} ${'bare us'.padStart(9)}  over us   ratio`);
  const file = fileCases();
  const rows = [...ramCases(), ...nandCases(), ...shimCases(), fileSystemCase(), ...file.cases].map(
    run,
  );
  file.close();
  console.log(JSON.stringify({ bench: 'mtd', sizeBytes: SIZE, eraseBytes: ERASE_SIZE, rows, sum }));
} finally {
  fs.rmSync(directory, { recursive: true });
}
