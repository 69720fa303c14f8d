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
import { CowBacking } from '../src/mtd/cow_backing.js';
import type { mtd_info, mtd_point } from '../src/mtd/mtd.js';
import { nor_chip } from '../src/mtd/nor.js';
import { mtd_new_ram, mtd_open_image } from '../src/mtd/open.js';
import { RamBacking } from '../src/mtd/ram_backing.js';
import { NodeHost } from '../src/rumpuser/node.js';

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

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;

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
  const rows = [...ramCases(), ...file.cases].map(run);
  file.close();
  console.log(JSON.stringify({ bench: 'mtd', sizeBytes: SIZE, eraseBytes: ERASE_SIZE, rows, sum }));
} finally {
  fs.rmSync(directory, { recursive: true });
}
