/**
 * jffs2's codecs on pages, both ways, beside C and beside what npm and Node offer.
 *
 *     node dist/bench/codecs.bench.js [rounds]
 *
 * Data: 2 MiB each of text (this repository's own sources), random bytes, and a mixture in runs of
 * 512 bytes, cut into pages of 4 KiB. All contenders run once per round, and the fastest round
 * counts (other programs on the machine only ever make a round slower); in MB of plain data per
 * second, with the share that the compressed data is of the plain. Pages that do not get smaller
 * count when compressing and are left out when decompressing.
 *
 * C: zlib and liblzma as Python's modules call them, a state made for every page, and liblzo2
 * through ctypes. Prints a table and, as its last line, JSON.
 */
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { deflateSync, inflateSync } from 'node:zlib';
import { jffs2_compressors } from '../src/jffs2/compr.js';
import type { compr_lengths, jffs2_compressor } from '../src/jffs2/compr.js';
import { jffs2_zlib_comp } from '../src/jffs2/compr_zlib.js';
import { nodeZlib } from '../src/rumpuser/node_zlib.js';
import { PortableZlib } from '../src/rumpuser/portable_zlib.js';
import { Prng } from '../src/rumpuser/prng.js';

const PAGE = 4096;
const PAGES = 512;
const RUN = 512;
const SEED = 1;
const rounds = Number(process.argv[2] ?? 15);

/** Milliseconds for all pages, per direction, and the compressed size. */
interface measurement {
  compressMs: number;
  decompressMs: number;
  compressedBytes: number;
  /** Pages that got smaller. */
  pages: number;
}

interface contender {
  readonly name: string;
  /** Runs once over the data; null when the machine has not what it takes. */
  run(data: Uint8Array): measurement | null;
}

// ---- data ---------------------------------------------------------------------------------------

function text(): Uint8Array {
  const sources = fs
    .readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => fs.readFileSync(path.join('src', name)));
  const all = Buffer.concat(sources);
  const bytes = new Uint8Array(PAGE * PAGES);
  for (let at = 0; at < bytes.length; at += all.length) {
    bytes.set(all.subarray(0, bytes.length - at), at);
  }
  return bytes;
}

function random(): Uint8Array {
  const bytes = new Uint8Array(PAGE * PAGES);
  new Prng(SEED).fill(bytes);
  return bytes;
}

function mixed(): Uint8Array {
  const bytes = text();
  const noise = random();
  for (let at = 0; at < bytes.length; at += 2 * RUN) bytes.set(noise.subarray(at, at + RUN), at);
  return bytes;
}

// ---- contenders ---------------------------------------------------------------------------------

function ours(name: string, codec: jffs2_compressor): contender {
  const packed = new Uint8Array(PAGE * PAGES);
  const sizes = new Int32Array(PAGES);
  const back = new Uint8Array(PAGE);
  const lengths: compr_lengths = { srclen: 0, dstlen: 0 };
  return {
    name,
    run(data) {
      let compressedBytes = 0;
      let pages = 0;
      const start = performance.now();
      for (let i = 0; i < PAGES; i++) {
        lengths.srclen = lengths.dstlen = PAGE;
        const smaller = codec.compress(data, i * PAGE, packed, i * PAGE, lengths);
        sizes[i] = smaller ? lengths.dstlen : 0;
        compressedBytes += smaller ? lengths.dstlen : PAGE;
        if (smaller) pages++;
      }
      const between = performance.now();
      for (let i = 0; i < PAGES; i++) {
        if (sizes[i] === 0) continue;
        const good = codec.decompress(packed, i * PAGE, sizes[i]!, back, 0, PAGE);
        if (!good) throw new Error(`${name}: page ${i} does not come back`);
      }
      const end = performance.now();
      return { compressMs: between - start, decompressMs: end - between, compressedBytes, pages };
    },
  };
}

const nodeCalls: contender = {
  name: 'Node deflateSync, inflateSync',
  run(data) {
    const packed: Uint8Array[] = [];
    const start = performance.now();
    for (let at = 0; at < data.length; at += PAGE) {
      packed.push(deflateSync(data.subarray(at, at + PAGE), { level: 3 }));
    }
    const between = performance.now();
    for (const page of packed) inflateSync(page);
    const end = performance.now();
    return {
      compressMs: between - start,
      decompressMs: end - between,
      compressedBytes: packed.reduce((sum, page) => sum + page.length, 0),
      pages: PAGES,
    };
  },
};

/** A module of Python's that wraps a C library. `pack` and `unpack` are expressions over `page`. */
function python(name: string, setup: string, pack: string, unpack: string): contender {
  const script = `
import json, sys, time
${setup}
data = sys.stdin.buffer.read()
pages = [data[at:at + ${PAGE}] for at in range(0, len(data), ${PAGE})]
start = time.perf_counter()
packed = [${pack} for page in pages]
between = time.perf_counter()
for page in packed: ${unpack}
end = time.perf_counter()
print(json.dumps({'compressMs': 1e3 * (between - start), 'decompressMs': 1e3 * (end - between),
  'compressedBytes': sum(len(page) for page in packed), 'pages': len(packed)}))`;
  return {
    name,
    run(data) {
      const done = spawnSync('python3', ['-c', script], { input: data });
      return done.status === 0 ? (JSON.parse(done.stdout.toString()) as measurement) : null;
    },
  };
}

/** liblzo2, called in place: what a call costs is about a microsecond of the page's ten. */
const LZO_SETUP = `import ctypes
lib = ctypes.CDLL('liblzo2.so.2')
work = ctypes.create_string_buffer(1 << 17)
room = ctypes.create_string_buffer(${2 * PAGE})
size = ctypes.c_ulong()
def compress(page):
  lib.lzo1x_1_compress(page, len(page), room, ctypes.byref(size), work)
  return room[:size.value]
def decompress(page):
  size.value = ${PAGE}
  lib.lzo1x_decompress_safe(page, len(page), room, ctypes.byref(size), None)`;

const LZMA_SETUP = `import lzma
filters = [{'id': lzma.FILTER_LZMA1, 'preset': 9, 'lc': 0, 'lp': 0, 'pb': 0, 'dict_size': 8192}]`;

/**
 * The table as a mount has it: the probe, then zlib, then rtime. Only writing is of interest;
 * reading is that of the codec.
 */
function mounted(table: jffs2_compressors): contender {
  const dst = new Uint8Array(PAGE);
  const lengths: compr_lengths = { srclen: 0, dstlen: 0 };
  return {
    name: 'all, as mounted',
    run(data) {
      let compressedBytes = 0;
      const start = performance.now();
      for (let i = 0; i < PAGES; i++) {
        lengths.srclen = lengths.dstlen = PAGE;
        table.compress(data, i * PAGE, lengths, dst, 0);
        compressedBytes += lengths.dstlen;
      }
      return {
        compressMs: performance.now() - start,
        decompressMs: 0,
        compressedBytes,
        pages: 0,
      };
    },
  };
}

function contenders(): contender[] {
  const table = new jffs2_compressors({ zlib: nodeZlib() });
  const codecs = new Map(table.list().map(({ codec }) => [codec.name, codec] as const));
  return [
    mounted(table),
    ours('zlib', codecs.get('zlib')!),
    ours('zlib on fflate', new jffs2_zlib_comp(new PortableZlib())),
    nodeCalls,
    python('C zlib', 'import zlib', 'zlib.compress(page, 3)', 'zlib.decompress(page)'),
    ours('lzo', codecs.get('lzo')!),
    python('C liblzo2', LZO_SETUP, 'compress(page)', 'decompress(page)'),
    ours('lzma', codecs.get('lzma')!),
    python(
      'C liblzma',
      LZMA_SETUP,
      'lzma.compress(page, lzma.FORMAT_RAW, filters=filters)',
      'lzma.decompress(page, lzma.FORMAT_RAW, filters=filters)',
    ),
    ours('rtime', codecs.get('rtime')!),
    ours('dynrubin', codecs.get('dynrubin')!),
  ];
}

// ---- report -------------------------------------------------------------------------------------

const results: Record<string, Record<string, Record<string, number | null>>> = {};
console.log(`${PAGES} pages of ${PAGE} bytes, ${rounds} rounds; MB/s in / out, size in %`);
for (const [kind, data] of [
  ['text', text()],
  ['mixed', mixed()],
  ['random', random()],
] as const) {
  console.log(`\n${kind}`);
  const table = contenders();
  const seen = table.map(() => [] as measurement[]);
  for (let round = 0; round < rounds; round++) {
    table.forEach((contender, i) => {
      const measured = contender.run(data);
      if (measured) seen[i]!.push(measured);
    });
  }
  results[kind] = {};
  table.forEach(({ name }, i) => {
    const all = seen[i]!;
    if (all.length === 0) {
      console.log(`${name.padEnd(32)} not on this machine`);
      return;
    }
    const { pages, compressedBytes } = all[0]!;
    const compress = data.length / 1e3 / Math.min(...all.map((m) => m.compressMs));
    // Nothing got smaller: nothing to decompress.
    const decompress =
      pages === 0 ? null : (pages * PAGE) / 1e3 / Math.min(...all.map((m) => m.decompressMs));
    const percent = (100 * compressedBytes) / data.length;
    results[kind]![name] = { compress, decompress, percent };
    console.log(
      name.padEnd(32) +
        compress.toFixed(0).padStart(8) +
        (decompress === null ? '–' : decompress.toFixed(0)).padStart(8) +
        `${percent.toFixed(1)}`.padStart(8),
    );
  });
}
console.log(JSON.stringify({ pageBytes: PAGE, pages: PAGES, rounds, results }));
