/**
 * A trace of real programs on a mount, replayed: does the simulated chip take what the mounted one
 * took? Compression is off on both sides, since contents are not recorded. What programs write is
 * the same to the byte, but for the times at which the kernel hands on what it has cached. What the
 * collector adds depends on the clock and on where garbage lies, as between two seeds:
 *
 * - the mount's flash begins as an earlier mount left it, the replay's as its files were written;
 * - background work goes by the host's time in the mount, by the chip's in the replay;
 * - NAND's fsync collects garbage to fill a page up, so there is some on an empty flash, too.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { decode_snapshot } from '../../src/mtd/chip_description.js';
import { runExperiment } from '../../src/wearlab/run.js';
import type { TraceOperation } from '../../src/wearlab/replay.js';
import type { EndRecord } from '../../src/wearlab/result.js';
import { parseTrace } from '../../src/wearlab/trace_files.js';
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

const BLOCK = 65_536;
const NAND = { kind: 'nand', writesize: 2048, oobsize: 64 };

const ROWS: readonly {
  readonly kind: string;
  readonly mebibytes: number;
  /** How far bytes programmed may be apart, by those of the mount; and erases. */
  readonly share: number;
  readonly erases: number;
}[] = [
  { kind: 'nor', mebibytes: 16, share: 0.005, erases: 3 },
  { kind: 'nand', mebibytes: 16, share: 0.03, erases: 25 },
  { kind: 'nor', mebibytes: 4, share: 0.15, erases: 25 },
  { kind: 'nand', mebibytes: 4, share: 0.15, erases: 25 },
];

describe('wearlab: the replay of a mount', function () {
  this.timeout(TIME_LIMIT_MS);

  before(function () {
    const why = obstacle(...PROGRAMS);
    if (why === undefined) return;
    console.log(`      ${why}: nothing is replayed`);
    this.skip();
  });

  for (const { kind, mebibytes, share, erases } of ROWS) {
    it(`${kind}, ${mebibytes} MiB: programs and erases as many bytes and blocks`, async () => {
      const geometry = kind === 'nand' ? NAND : { kind };
      const options = ['compr=none', `size=${mebibytes}M`, `chip=${kind}`];
      if (kind === 'nand') options.push('writesize=2048', 'oobsize=64', 'layout=raw');
      const flash = new Flash({ mebibytes: 0, options });
      try {
        flash.mount();
        flash.sh(flash.mountpoint, BEFORE);
        await until(() => erased(flash).size === (mebibytes << 20) / BLOCK);
        flash.umount();
        const before = countsOf(flash);
        const trace = flash.workspace.path('trace');
        flash.mount(`trace=${trace}`);
        flash.sh(flash.mountpoint, SESSION, SOURCES);
        flash.umount();
        const after = countsOf(flash);
        const operations = parseTrace(readFileSync(trace, 'utf8'), 'trace');
        const chip = { ...geometry, size: `${mebibytes} MiB`, erasesize: BLOCK };
        const full = replay(operations, chip, 'full');
        const fast = replay(operations, chip, 'fast');
        const bytes = after.bytes - before.bytes;
        expect(full.reason).to.equal('trace_end');
        expect(full.chipBytes).to.be.closeTo(bytes, share * bytes);
        expect(full.chipErases).to.be.closeTo(after.erases - before.erases, erases);
        expect(fast.erases).to.deep.equal(full.erases);
        expect(fast.chipBytes).to.equal(full.chipBytes);
      } finally {
        flash.remove();
      }
    });
  }
});

function replay(
  operations: readonly TraceOperation[],
  chip: object,
  fidelity: 'full' | 'fast',
): EndRecord {
  const experiment = experimentOf({
    chip,
    fidelity,
    filesystem: { compr: 'none' },
    workload: [{ type: 'trace', trace: 'x' }],
    stop: { host_bytes: '1 GiB' },
  });
  return runExperiment(experiment, 1, { traces: new Map([['x', operations]]) });
}
