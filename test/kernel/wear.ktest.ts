/**
 * Wear against Linux's own: the same workload on the kernel's jffs2 and on ours. Erases are counted
 * in the kernel by a probe on mtd_erase, by address, and bytes by one on mtd_write; so the counters
 * are those of its MTD layer, whatever chip is below. nandsim takes the time that a chip takes.
 */
import { expect } from 'chai';
import { checkExperiment } from '../../src/wearlab/experiment.js';
import { runExperiment } from '../../src/wearlab/run.js';
import { wearStatistics } from '../../src/wearlab/statistics.js';
import { noise } from '../images/material.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { runBatch } from './qemu.js';
import { BATCH_TIMEOUT_MS, needsJudge } from './suite.js';

const SEEDS = [1, 2, 3];

interface WearCase {
  readonly name: string;
  /** Share of the chip. */
  readonly cold: number;
  readonly workload: 'overwrite' | 'log';
  /** Files of a page that are written over; or bytes of a record. */
  readonly size: number;
  readonly operations: number;
}

const CASES: readonly WearCase[] = [
  { name: '10 % cold', cold: 0.1, workload: 'overwrite', size: 200, operations: 4000 },
  { name: '60 % cold', cold: 0.6, workload: 'overwrite', size: 40, operations: 4000 },
  { name: 'a log of synced records', cold: 0.4, workload: 'log', size: 256, operations: 6000 },
];

const BLOCKS = 128;
const ERASE_BYTES = 16 << 10;
/** The chip, which takes the time of a real one: of nandsim, and here. */
const NANDSIM = 'id_bytes=0x20,0x33 overridesize=7 do_delays=1';
const CHIP = {
  kind: 'nand',
  size: BLOCKS * ERASE_BYTES,
  erasesize: ERASE_BYTES,
  writesize: 512,
  oobsize: 16,
};

const COLD_FILE_BYTES = 32 << 10;
const PAGE = 4096;
/** Of the rotated log. */
const LOG_BYTES = 64 << 10;

const coldFiles = ({ cold }: WearCase): number => Math.floor((CHIP.size * cold) / COLD_FILE_BYTES);

const WORKLOADS = {
  overwrite: `
    $s = $seed; sub r { $s = ($s * 1103515245 + 12345) & 0x7fffffff; ($s >> 8) % $_[0] }
    for (1..$count) {
      open(F, "+<", "/mnt/hot-" . r($size)) or die;
      syswrite(F, $page, 4096) == 4096 or die; close F;
    }`,
  log: `
    for (1..$count) {
      if (!$at || $at + $size > ${LOG_BYTES}) {
        close L; $at = 0;
        for (my $n = 3; $n > 0; $n--) { rename "/mnt/log.$n", "/mnt/log." . ($n + 1) }
        rename "/mnt/log", "/mnt/log.1"; open(L, ">", "/mnt/log") or die;
      }
      syswrite(L, $page, $size) == $size or die; syscall(74, fileno(L)) == 0 or die; $at += $size;
    }`,
};

function jobOf(one: WearCase, seed: number): KernelJob {
  const { workload, size, operations } = one;
  return {
    name: `${one.name}, seed ${seed}`,
    files: { noise: noise(PAGE, 1) },
    timeoutMs: 600_000,
    script: `
      mount -t tracefs tracefs /sys/kernel/tracing || die tracefs
      nand_new ${NANDSIM}
      flash_mount compr=none || die mount
      cat > /tmp/prepare.pl <<'END'
        open(N, "<", "$ENV{IN}/noise"); sysread(N, $page, 4096);
        for my $n (0..${coldFiles(one) - 1}) {
          open(F, ">", "/mnt/cold-$n"); syswrite(F, $page, 4096) == 4096 or die for 1..8; close F;
        }
        for my $n (0..${workload === 'overwrite' ? size - 1 : -1}) {
          open(F, ">", "/mnt/hot-$n"); syswrite(F, $page, 4096) == 4096 or die; close F;
        }
END
      cat > /tmp/work.pl <<'END'
        ($seed, $size, $count) = (${seed}, ${size}, ${operations});
        open(N, "<", "$ENV{IN}/noise"); sysread(N, $page, 4096);
        ${WORKLOADS[workload]}
END
      perl /tmp/prepare.pl || die prepare
      sync
      cd /sys/kernel/tracing || die tracing
      echo 'p:wear_erase mtd_erase addr=+0(%si):u64' > kprobe_events || die probe
      echo 'p:wear_write mtd_write bytes=%dx:u64' >> kprobe_events || die probe
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
      echo > kprobe_events
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
  const erases = new Array<number>(BLOCKS).fill(0);
  for (const [, addr, count] of text('erases').matchAll(/addr: +(\d+) +\} hitcount: +(\d+)/g)) {
    erases[Number(addr) / ERASE_BYTES] = Number(count);
  }
  const bytes = Number(/bytes: +(\d+)/.exec(text('bytes'))?.[1] ?? 0);
  const [before, after] = text('uptime').split(' ').map(Number);
  expect(bytes, log).to.be.greaterThan(0);
  const hostBytes = one.operations * (one.workload === 'log' ? one.size : PAGE);
  return wearOf(erases, bytes, hostBytes, after! - before!);
}

/** @param pauseMs time for each operation that the chip does not take. */
function wearOfOurs(one: WearCase, seed: number, pauseMs: number): Wear {
  const workload =
    one.workload === 'log'
      ? { type: 'rotate', io: one.size, filesize: LOG_BYTES, keep: 4, fsync_every: 1 }
      : { type: 'overwrite', files: one.size, filesize: PAGE, io: PAGE };
  const experiment = checkExperiment(
    {
      chip: CHIP,
      filesystem: { linux_summary_quirk: true },
      fill: { static: one.cold, filesize: COLD_FILE_BYTES },
      workload: [{ ...workload, pause_ms: pauseMs }],
      stop: { operations: one.operations },
    },
    'kernel',
  );
  const { erases, chipBytes, hostBytes, deviceUs } = runExperiment(experiment, seed);
  return wearOf(erases, chipBytes, hostBytes, deviceUs / 1e6);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe("wear of NAND that takes its time, beside Linux's jffs2", function () {
  this.timeout(BATCH_TIMEOUT_MS);
  before(function () {
    needsJudge(this);
  });

  for (const one of CASES) {
    it(one.name, async () => {
      const jobs = SEEDS.map((seed) => jobOf(one, seed));
      const results = await runBatch(jobs);
      const theirs = jobs.map(({ name }) => {
        const result = results.get(name)!;
        expect(result.status, result.log + result.dmesg).to.equal(0);
        return wearOfKernel(one, result);
      });
      const seconds = mean(theirs.map((wear) => wear.seconds));
      // What the guest's processor takes for itself.
      const chipSeconds = mean(SEEDS.map((seed) => wearOfOurs(one, seed, 0).seconds));
      const pauseMs = (Math.max(0, seconds - chipSeconds) / one.operations) * 1000;
      const ours = SEEDS.map((seed) => wearOfOurs(one, seed, pauseMs));
      const table = JSON.stringify({ theirs, ours }, null, 1);
      for (const [key, tolerance] of [
        ['amplification', 0.1],
        ['variation', 0.2],
      ] as const) {
        const [linux, lump] = [theirs, ours].map((runs) => mean(runs.map((wear) => wear[key])));
        expect(lump! / linux!, `${key}: ${table}`).to.be.within(1 - tolerance, 1 + tolerance);
      }
    });
  }
});
