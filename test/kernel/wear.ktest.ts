/**
 * Wear against Linux's own: the same workload on the kernel's jffs2 and on ours. Erases are counted
 * in the kernel by a probe on mtd_erase, by address, and bytes by one where the chip is programmed.
 * nandsim takes the time that a chip takes. mtdram takes none: programs of BPF on its functions
 * wait as long as serial NOR would take (workloads/serial_nor.pl), in a guest whose clock goes by
 * the instructions that it executes, so that waiting is cheap and the host's speed does not matter.
 *
 * LUMP_WEAR=large: chips and lengths of wear-experiments/linux-*.yaml; that takes hours.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { SERIAL_NOR_TIMING } from '../../src/mtd/timing.js';
import { checkExperiment } from '../../src/wearlab/experiment.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { TRACE_ROOT, type TraceOperation } from '../../src/wearlab/replay.js';
import { wearStatistics } from '../../src/wearlab/statistics.js';
import { noise } from '../images/material.js';
import { KERNEL_TEST_FOLDER } from './initramfs.js';
import type { BootOptions, KernelJob, KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import { BATCH_TIMEOUT_MS, needsJudge } from './suite.js';

const LARGE = process.env.LUMP_WEAR === 'large';
const SEEDS = process.env.LUMP_SEED === undefined ? [1, 2, 3] : [Number(process.env.LUMP_SEED)];
const TIMEOUT_MS = LARGE ? 12 * 3_600_000 : BATCH_TIMEOUT_MS;

interface Chip {
  readonly kind: 'nand' | 'nor';
  readonly size: number;
  readonly erasesize: number;
  readonly writesize?: number;
  readonly oobsize?: number;
  /** How the guest comes to it. */
  readonly make: string;
}

const nor = (size: number, erasesize: number): Chip => ({
  kind: 'nor',
  size,
  erasesize,
  make: `nor_new ${size >> 10} ${erasesize >> 10}`,
});
const SMALL_NAND: Chip = {
  kind: 'nand',
  size: 2 << 20,
  erasesize: 16 << 10,
  writesize: 512,
  oobsize: 16,
  make: 'nand_new id_bytes=0x20,0x33 overridesize=7 do_delays=1',
};
const NAND_64_MIB: Chip = {
  kind: 'nand',
  size: 64 << 20,
  erasesize: 128 << 10,
  writesize: 2048,
  oobsize: 64,
  make: 'nand_new id_bytes=0x20,0xa2,0x00,0x15 do_delays=1',
};

interface WearCase {
  readonly name: string;
  readonly chip: Chip;
  /** Share of the chip. */
  readonly cold: number;
  readonly workload: 'overwrite' | 'log';
  /** Files that are written over, a page at a time, and bytes of each; or bytes of a record. */
  readonly size: number;
  readonly filesize?: number;
  readonly operations: number;
  /**
   * The collector runs whenever it is woken, as with a driver that sleeps while the chip is busy:
   * otherwise the scheduler counts the busy waiting against a thread that is nice. The guest's
   * clock counts instructions then.
   */
  readonly eager?: true;
}

const PAGE = 4096;
const nand = (cold: number, size: number): WearCase =>
  LARGE
    ? {
        name: `NAND of 64 MiB, ${100 * cold} % cold`,
        chip: NAND_64_MIB,
        cold,
        workload: 'overwrite',
        size: 200,
        filesize: 64 << 10,
        operations: 65_536,
        eager: true,
      }
    : {
        name: `NAND, ${100 * cold} % cold`,
        chip: SMALL_NAND,
        cold,
        workload: 'overwrite',
        size,
        operations: 4000,
      };

const CASES: readonly WearCase[] = [
  nand(0.1, 200),
  nand(0.6, 40),
  LARGE
    ? {
        name: 'NOR of 16 MiB, a log of synced records',
        chip: nor(16 << 20, 64 << 10),
        cold: 0.4,
        workload: 'log',
        size: 256,
        operations: 262_144,
        eager: true,
      }
    : {
        name: 'NAND, a log of synced records',
        chip: SMALL_NAND,
        cold: 0.4,
        workload: 'log',
        size: 256,
        operations: 6000,
        eager: true,
      },
  {
    name: 'NOR, 60 % cold',
    chip: LARGE ? nor(16 << 20, 64 << 10) : nor(4 << 20, 64 << 10),
    cold: 0.6,
    workload: 'overwrite',
    size: LARGE ? 200 : 50,
    operations: LARGE ? 32_768 : 6000,
    eager: true,
  },
];

/** Of a guest whose collector is eager: an instruction takes 32 ns, as on a small router. */
const EAGER_BOOT: BootOptions = { icountShift: 5 };

const COLD_FILE_BYTES = 32 << 10;
/** Beside the one that is written; each is renamed to the next, and the last one is replaced. */
const LOGS_KEPT = 4;
/** Of the rotated log. */
const LOG_BYTES = 64 << 10;
const SERIAL_NOR = 'serial_nor.pl';

const coldFiles = ({ cold, chip }: WearCase): number =>
  Math.floor((chip.size * cold) / COLD_FILE_BYTES);

function lcg(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}

/**
 * A log begins, and on NOR a block's worth of overwrites ends, with a pause of up to so many
 * hundredths of a second, about as long as 128 ticks take. Without them the clock's ticks and the
 * collections, all alike, keep in step for a whole run, and what comes out hangs on microseconds.
 */
const PAUSES = 52;
const OVERWRITES_A_PAUSE = 16;

const SUBROUTINES = `
        $s = $seed;
        sub r { $s = ($s * 1103515245 + 12345) & 0x7fffffff; ($s >> 8) % $_[0] }
        sub uptime { open(U, "<", "/proc/uptime"); my ($now) = split / /, <U>; $now }
        sub pause {
          my $until = uptime() + r(${PAUSES}) / 100; 1 while uptime() < $until;
        }`;

const WORKLOADS = {
  overwrite: `
    for my $n (1..$count) {
      pause() if $pauses && $n % ${OVERWRITES_A_PAUSE} == 0;
      open(F, "+<", "/mnt/hot-" . r($size)) or die;
      sysseek(F, 4096 * r($pages), 0) if $pages > 1;
      syswrite(F, $page, 4096) == 4096 or die; close F;
    }`,
  log: `
    for (1..$count) {
      if (!$at || $at + $size > ${LOG_BYTES}) {
        close L; $at = 0;
        pause();
        for (my $n = 3; $n > 0; $n--) { rename "/mnt/log.$n", "/mnt/log." . ($n + 1) }
        rename "/mnt/log", "/mnt/log.1"; open(L, ">", "/mnt/log") or die;
      }
      syswrite(L, $page, $size) == $size or die; syscall(74, fileno(L)) == 0 or die; $at += $size;
    }`,
};

/** Makes mtdram take the times of our model of serial NOR. */
function slowDown(): string {
  const { readByteUs, programUnitUs, programByteUs, eraseBlockUs } = SERIAL_NOR_TIMING;
  const ns = [readByteUs, programUnitUs, programByteUs, eraseBlockUs].map((us) => us * 1000);
  return `
      perl $IN/${SERIAL_NOR} ${ns.join(' ')} > /tmp/ready &
      slow=$!
      while [ ! -s /tmp/ready ]; do
        kill -0 $slow || die 'the chip does not get slow'
        usleep 100000
      done`;
}

function jobOf(one: WearCase, seed: number): KernelJob {
  const { workload, size, operations, chip } = one;
  const pages = (one.filesize ?? PAGE) / PAGE;
  const isNor = chip.kind === 'nor';
  const programs = isNor ? 'mtdram:ram_write' : 'mtd_write';
  return {
    name: `${one.name}, seed ${seed}`,
    files: {
      noise: noise(PAGE, 1),
      [SERIAL_NOR]: readFileSync(join(KERNEL_TEST_FOLDER, 'workloads', SERIAL_NOR)),
    },
    timeoutMs: LARGE ? 4 * 3_600_000 : 600_000,
    script: `
      mount -t tracefs tracefs /sys/kernel/tracing || die tracefs
      ${chip.make}
      cd /sys/kernel/tracing || die tracing
      echo 'p:wear_erase mtd_erase addr=+0(%si):u64' >> kprobe_events || die probe
      echo 'p:wear_write ${programs} bytes=%dx:u64' >> kprobe_events || die probe
      echo 'hist:keys=addr:size=8192' > events/kprobes/wear_erase/trigger || die trigger
      flash_mount compr=none || die mount
      # What was blank is erased in the background, and is no part of the wear.
      until grep -q 'Entries: ${chip.size / chip.erasesize}$' events/kprobes/wear_erase/hist; do
        sleep 0.1
      done
      echo '!hist:keys=addr:size=8192' > events/kprobes/wear_erase/trigger
      cat > /tmp/prepare.pl <<'END'
        open(N, "<", "$ENV{IN}/noise"); sysread(N, $page, 4096);
        for my $n (0..${coldFiles(one) - 1}) {
          open(F, ">", "/mnt/cold-$n"); syswrite(F, $page, 4096) == 4096 or die for 1..8; close F;
        }
        for my $n (0..${workload === 'overwrite' ? size - 1 : -1}) {
          open(F, ">", "/mnt/hot-$n"); syswrite(F, $page, 4096) == 4096 or die for 1..${pages};
          close F;
        }
END
      cat > /tmp/work.pl <<'END'
        ($seed, $size, $count, $pages, $pauses) =
          (${seed}, ${size}, ${operations}, ${pages}, ${Number(isNor)});
        open(N, "<", "$ENV{IN}/noise"); sysread(N, $page, 4096);
        ${SUBROUTINES}
        ${WORKLOADS[workload]}
END
      perl /tmp/prepare.pl || die prepare
      sync
      ${isNor ? slowDown() : ''}
      ${one.eager ? "renice -n -20 -p $(pidof jffs2_gcd_mtd0) || die 'a nice collector'" : ''}
      echo 'hist:keys=addr:size=8192' > events/kprobes/wear_erase/trigger || die trigger
      echo 'hist:keys=common_type:vals=bytes' > events/kprobes/wear_write/trigger || die trigger
      read before rest < /proc/uptime
      perl /tmp/work.pl || die work
      sync
      read after rest < /proc/uptime
      cat events/kprobes/wear_erase/hist > $OUT/erases
      cat events/kprobes/wear_write/hist > $OUT/bytes
      echo "$before $after" > $OUT/uptime
      echo '!hist:keys=addr:size=8192' > events/kprobes/wear_erase/trigger
      echo '!hist:keys=common_type:vals=bytes' > events/kprobes/wear_write/trigger
      ${isNor ? 'kill $slow; wait $slow' : ''}
      echo > kprobe_events || die probes
      cd /
      umount /sys/kernel/tracing
      flash_umount
    `,
  };
}

interface Wear {
  readonly amplification: number;
  readonly variation: number;
  readonly mean: number;
  readonly seconds: number;
}

function wearOf(
  erases: readonly number[],
  bytes: number,
  hostBytes: number,
  seconds: number,
): Wear {
  const { mean, coefficientOfVariation } = wearStatistics(erases);
  return { amplification: bytes / hostBytes, variation: coefficientOfVariation, mean, seconds };
}

function wearOfKernel(one: WearCase, { outputs, log }: KernelJobResult): Wear {
  const text = (name: string): string => outputs.get(name)?.toString('latin1') ?? '';
  const { size, erasesize } = one.chip;
  const erases = new Array<number>(size / erasesize).fill(0);
  for (const [, addr, count] of text('erases').matchAll(/addr: +(\d+) +\} hitcount: +(\d+)/g)) {
    erases[Number(addr) / erasesize] = Number(count);
  }
  const bytes = Number(/bytes: +(\d+)/.exec(text('bytes'))?.[1] ?? 0);
  const [before, after] = text('uptime').split(' ').map(Number);
  expect(bytes, log).to.be.greaterThan(0);
  const hostBytes = one.operations * (one.workload === 'log' ? one.size : PAGE);
  return wearOf(erases, bytes, hostBytes, after! - before!);
}

const FILE = { dir: TRACE_ROOT, type: 'file', mode: 0o644 } as const;

/** What the guest's program does to its log. */
function* logOperations(one: WearCase, seed: number, pauseMs: number): Iterable<TraceOperation> {
  const random = lcg(seed);
  const nameOf = (k: number): string => (k === 0 ? 'log' : `log.${k}`);
  /** File numbers: of the log, and of those that came before it. */
  const nodes: number[] = [];
  let made = TRACE_ROOT;
  let at = LOG_BYTES;
  for (let n = 0; n < one.operations; n++) {
    if (at + one.size > LOG_BYTES) {
      yield { op: 'pause', ms: random(PAUSES) * 10 };
      for (let k = Math.min(nodes.length, LOGS_KEPT) - 1; k >= 0; k--) {
        const replaced = nodes[k + 1];
        const names = { name: nameOf(k), toName: nameOf(k + 1) };
        yield { op: 'rename', node: nodes[k]!, dir: TRACE_ROOT, toDir: TRACE_ROOT, ...names };
        if (replaced !== undefined) yield { op: 'gone', node: replaced };
        nodes[k + 1] = nodes[k]!;
      }
      nodes[0] = ++made;
      yield { op: 'create', ...FILE, name: 'log', node: made, bytes: 0 };
      at = 0;
    }
    yield { op: 'write', node: made, offset: at, bytes: one.size };
    yield { op: 'fsync', node: made };
    yield { op: 'pause', ms: pauseMs };
    at += one.size;
  }
}

/** What the guest's program does to its files. */
function* overwrites(one: WearCase, seed: number, pauseMs: number): Iterable<TraceOperation> {
  const random = lcg(seed);
  const { size, filesize = PAGE } = one;
  for (let n = 0; n < size; n++) {
    yield { op: 'found', ...FILE, name: `hot-${n}`, node: TRACE_ROOT + 1 + n, bytes: filesize };
  }
  for (let n = 1; n <= one.operations; n++) {
    if (one.chip.kind === 'nor' && n % OVERWRITES_A_PAUSE === 0) {
      yield { op: 'pause', ms: random(PAUSES) * 10 };
    }
    const node = TRACE_ROOT + 1 + random(size);
    const offset = filesize > PAGE ? PAGE * random(filesize / PAGE) : 0;
    yield { op: 'write', node, offset, bytes: PAGE };
    yield { op: 'pause', ms: pauseMs };
  }
}

/** @param pauseMs time for each operation that the chip does not take. */
function wearOfOurs(one: WearCase, seed: number, pauseMs: number): Wear {
  const { make, ...chip } = one.chip;
  const experiment = checkExperiment(
    {
      chip,
      filesystem: { linux_summary_quirk: true, linux_gc_trigger: one.eager === true },
      fill: { static: one.cold, filesize: COLD_FILE_BYTES },
      workload: [{ type: 'trace', trace: 'the same' }],
      stop: { operations: Number.MAX_SAFE_INTEGER },
    },
    'kernel',
  );
  const operations = one.workload === 'log' ? logOperations : overwrites;
  const traces = new Map([['the same', [...operations(one, seed, pauseMs)]]]);
  const { erases, chipBytes, hostBytes, deviceUs } = runExperiment(experiment, seed, { traces });
  return wearOf(erases, chipBytes, hostBytes, deviceUs / 1e6);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Of the mean; few erases a block differ by chance from run to run. 0 for a single run. */
const standardError = (values: readonly number[]): number =>
  values.length < 2 ? 0 : wearStatistics(values).deviation / Math.sqrt(values.length - 1);

/**
 * What the guest's processor takes for each operation: what a run without it lacks in time, when
 * the chip's part is as large as its part in bytes.
 */
function processorMs(one: WearCase, theirs: readonly Wear[]): number {
  const chipAlone = SEEDS.map((seed) => wearOfOurs(one, seed, 0));
  const meanOf = (runs: readonly Wear[], key: keyof Wear): number =>
    mean(runs.map((wear) => wear[key]));
  const part = meanOf(theirs, 'amplification') / meanOf(chipAlone, 'amplification');
  const seconds = meanOf(theirs, 'seconds') - part * meanOf(chipAlone, 'seconds');
  return (Math.max(0, seconds) / one.operations) * 1000;
}

describe("wear of flash that takes its time, beside Linux's jffs2", function () {
  this.timeout(TIMEOUT_MS);
  before(function () {
    needsJudge(this);
  });

  for (const one of CASES) {
    it(one.name, async () => {
      const jobs = SEEDS.map((seed) => jobOf(one, seed));
      const results = await runBatch(jobs, one.eager ? EAGER_BOOT : {});
      const theirs = jobs.map(({ name }) => {
        const result = results.get(name)!;
        expect(result.status, result.log + result.dmesg).to.equal(0);
        return wearOfKernel(one, result);
      });
      const pauseMs = processorMs(one, theirs);
      const ours = SEEDS.map((seed) => wearOfOurs(one, seed, pauseMs));
      const table = JSON.stringify({ pauseMs, theirs, ours }, null, 1);
      if (LARGE) console.log(table);
      for (const [key, tolerance] of [
        ['amplification', 0.1],
        ['variation', 0.2],
      ] as const) {
        const [linux, lump] = [theirs, ours].map((runs) => runs.map((wear) => wear[key]));
        const chance = 2 * Math.hypot(standardError(linux!), standardError(lump!));
        const within = tolerance * mean(linux!) + chance;
        expect(mean(lump!), `${key}: ${table}`).to.be.closeTo(mean(linux!), within);
      }
    });
  }
});
