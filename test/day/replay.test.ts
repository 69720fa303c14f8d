/**
 * A trace of real programs on a mount, replayed: does the simulated chip take what the mounted one
 * took? Compression is off on both sides, since contents are not recorded.
 *
 * Where the background thread has nothing to do it does, but for some bytes; on NAND, whose fsync
 * collects to fill a page up, but for some pages. Erase blocks of 2 MiB are there for that: fewer
 * are filled than wake the thread.
 *
 * Where the collector works, the clock's tick says from which list it takes the next block, modulo
 * 128: from "dirty" and "clean" 18 times, which means some 60 KB to copy instead of less than one.
 * On 4 MiB of NOR the session makes about 70 choices, so that the mount itself takes 8.00 to 9.15
 * MB and 67 to 86 erases, by the tick at which its first choice falls. So it is replayed at all of
 * the 128 ticks at which the recording may have begun, and one of them has to agree. That needs the
 * mount's chip, which takes no time, and its rule, the policy "lump". What remains is that programs
 * and collector do not meet at the same millisecond.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { decode_snapshot } from '../../src/mtd/chip_description.js';
import { runExperiment } from '../../src/wearlab/run.js';
import type { TraceOperation } from '../../src/wearlab/replay.js';
import type { EndRecord } from '../../src/wearlab/result.js';
import { parseTrace } from '../../src/wearlab/trace_files.js';
import { wasThere } from '../../src/wearlab/trace_script.js';
import { Flash, obstacle, TIME_LIMIT_MS } from './rig.js';
import { until } from '../fuse/server.js';
import { experimentOf } from '../wearlab/material.js';

const PROGRAMS = ['git', 'rsync', 'setfacl', 'setfattr', 'sqlite3', 'tar', 'truncate'];

/** What is there before the recording. */
const BEFORE = `
  mkdir -p old/deep && seq 40000 > old/deep/numbers && ln old/deep/numbers old/linked
  setfattr -n user.old -v value old/linked
  seq 9000 > old/append`;

const SESSION = `
  tar -cf - -C "$1" jffs2 puffs | tar -xf -
  cp -a puffs copied && rsync -a --inplace copied/ old/rsynced && touch -d @1000000000 copied/*.ts
  rsync -a --delete jffs2/ old/rsynced
  git init -q repository && cd repository && cp ../puffs/*.ts . && git add . &&
    git -c user.name=n -c user.email=e commit -qm first && git gc -q && cd ..
  sqlite3 base.db "create table t(a integer primary key, b text);
    with recursive n(i) as (select 1 union all select i + 1 from n where i < 800)
      insert into t select i, hex(randomblob(100)) from n;"
  for n in 1 2 3 4 5 6; do
    sqlite3 base.db "update t set b = hex(randomblob(100)) where a % 7 = $n"
    dd if=/dev/urandom of=block bs=16k count=12 conv=fsync 2>/dev/null
    dd if=/dev/urandom of=old/append bs=3000 seek=$n count=9 conv=notrunc,fdatasync 2>/dev/null
    cat block block > renamed.new && mv renamed.new renamed
    truncate -s 70000 renamed && truncate -s 200000 renamed
  done
  mkfifo pipe && mknod device c 5 1 && ln -s somewhere/else symlink && ln -f block hard
  chmod -R go-w puffs && chown -R 12:34 copied && chmod 600 old/linked && chgrp 7 symlink -h
  for n in 1 2 3; do setfattr -n user.tag -v "value $n" copied/*.ts; done
  setfattr -n user.note -v "$(seq 300)" old && setfattr -x user.old old/linked
  setfacl -m u:5:rw copied/*.ts && setfacl -d -m g:9:rx old
  mkdir old/inherits && : > old/inherits/f
  setfacl -b copied/*.ts && chmod 640 old/inherits/f
  cat old/deep/numbers old/rsynced/*.ts > /dev/null
  exec 3> nameless && rm nameless && seq 20000 >&3 && exec 3>&-
  mv repository/*.ts old && rm -r repository puffs old/deep && sync`;

const SOURCES = fileURLToPath(new URL('../../../src', import.meta.url));

interface Counts {
  readonly bytes: number;
  readonly erases: number;
}

function countsOf(flash: Flash): Counts {
  flash.waitForServer();
  const [line] = readFileSync(`${flash.image}.chip`, 'utf8').split('\n');
  const { wear } = decode_snapshot(JSON.parse(line!))!;
  const erases = wear.eraseCount.reduce((sum, count) => sum + count, 0);
  return { bytes: wear.bytesProgrammed, erases };
}

/** Blocks that were erased since the flash was mounted, in the background, as a blank flash's are. */
function erased(flash: Flash): Set<string> {
  const journal = readFileSync(`${flash.image}.chip`, 'utf8');
  return new Set(Array.from(journal.matchAll(/"erase":\[(\d+)/g), ([, block]) => block!));
}

const NAND = { kind: 'nand', writesize: 2048, oobsize: 64 };

/** Of a chip as simulated ones are. */
const NO_TIME = {
  read_unit_us: 0,
  read_byte_us: 0,
  program_unit_us: 0,
  program_byte_us: 0,
  erase_block_us: 0,
};

const TICKS = 128;
const TICK_MS = 1000 / 250;
/** Has no divisor in common with {@link TICKS}: one that fits is found the sooner. */
const TICK_STRIDE = 37;

interface Row {
  readonly kind: string;
  readonly mebibytes: number;
  readonly eraseSizeKiB: number;
  /** How far bytes programmed may be apart, by those of the mount; and erases. */
  readonly share: number;
  readonly erases: number;
}

const UNCOLLECTED: readonly Row[] = [
  { kind: 'nor', mebibytes: 32, eraseSizeKiB: 2048, share: 0.00005, erases: 0 },
  { kind: 'nand', mebibytes: 32, eraseSizeKiB: 2048, share: 0.001, erases: 0 },
];

const COLLECTED: readonly Row[] = [
  { kind: 'nor', mebibytes: 4, eraseSizeKiB: 64, share: 0.03, erases: 10 },
  { kind: 'nand', mebibytes: 4, eraseSizeKiB: 64, share: 0.03, erases: 10 },
];

/** What the session took on a mount, its trace, and the chip for a replay. */
interface Recorded extends Counts {
  readonly operations: readonly TraceOperation[];
  readonly chip: object;
}

async function record({ kind, mebibytes, eraseSizeKiB }: Row): Promise<Recorded> {
  const options = ['compr=none', `size=${mebibytes}M`, `chip=${kind}`];
  if (kind === 'nand') options.push('writesize=2048', 'oobsize=64', 'layout=raw');
  const flash = new Flash({ mebibytes: 0, eraseSizeKiB, options });
  try {
    flash.mount();
    flash.sh(flash.mountpoint, BEFORE);
    await until(() => erased(flash).size === (mebibytes * 1024) / eraseSizeKiB);
    flash.umount();
    const before = countsOf(flash);
    const trace = flash.workspace.path('trace');
    flash.mount(`trace=${trace}`);
    flash.sh(flash.mountpoint, SESSION, SOURCES);
    flash.umount();
    const after = countsOf(flash);
    const geometry = kind === 'nand' ? NAND : { kind };
    return {
      bytes: after.bytes - before.bytes,
      erases: after.erases - before.erases,
      operations: parseTrace(readFileSync(trace, 'utf8'), 'trace'),
      chip: { ...geometry, size: `${mebibytes} MiB`, erasesize: eraseSizeKiB * 1024 },
    };
  } finally {
    flash.remove();
  }
}

/** The same, begun so much later. */
function later(operations: readonly TraceOperation[], ms: number): readonly TraceOperation[] {
  const begin = operations.findIndex((one) => !wasThere(one));
  return [...operations.slice(0, begin), { op: 'pause', ms }, ...operations.slice(begin)];
}

describe('wearlab: the replay of a mount', function () {
  this.timeout(TIME_LIMIT_MS);

  before(function () {
    const why = obstacle(...PROGRAMS);
    if (why === undefined) return;
    console.log(`      ${why}: nothing is replayed`);
    this.skip();
  });

  for (const row of UNCOLLECTED) {
    it(`${row.kind}, ${row.mebibytes} MiB: programs the same, as the thread sleeps`, async () => {
      const { operations, chip, bytes, erases } = await record(row);
      const full = replayBoth(operations, chip);
      expect(full.chipBytes).to.be.closeTo(bytes, row.share * bytes);
      expect(full.chipErases).to.equal(erases);
    });
  }

  for (const row of COLLECTED) {
    const { kind, mebibytes, share, erases } = row;
    it(`${kind}, ${mebibytes} MiB: programs and erases as much, at some tick`, async () => {
      const mount = await record(row);
      const { operations, chip } = mount;
      replayBoth(operations, chip);
      const timeless = { chip: { ...chip, timing: NO_TIME }, policy: { name: 'lump' } };
      const seen: string[] = [];
      for (let n = 0; n < TICKS; n++) {
        const ms = ((n * TICK_STRIDE) % TICKS) * TICK_MS;
        const { chipBytes, chipErases } = replay(later(operations, ms), timeless);
        const isNear = Math.abs(chipBytes - mount.bytes) <= share * mount.bytes;
        if (isNear && Math.abs(chipErases - mount.erases) <= erases) return;
        seen.push(`${chipBytes}/${chipErases}`);
      }
      expect.fail(`the mount: ${mount.bytes}/${mount.erases}; replays: ${seen.join(' ')}`);
    });
  }
});

/** In both fidelities, on a chip with its data sheet's times; they must agree. */
function replayBoth(operations: readonly TraceOperation[], chip: object): EndRecord {
  const full = replay(operations, { chip, fidelity: 'full' });
  const fast = replay(operations, { chip });
  expect(full.reason).to.equal('trace_end');
  expect(fast.erases).to.deep.equal(full.erases);
  expect(fast.chipBytes).to.equal(full.chipBytes);
  return full;
}

function replay(operations: readonly TraceOperation[], changes: object): EndRecord {
  const experiment = experimentOf({
    filesystem: { compr: 'none', linux_gc_trigger: false },
    workload: [{ type: 'trace', trace: 'x' }],
    stop: { host_bytes: '1 GiB' },
    ...changes,
  });
  return runExperiment(experiment, 1, { traces: new Map([['x', operations]]) });
}
