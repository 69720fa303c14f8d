/**
 * What FUSE costs: the in-memory reference file system mounted without any caching, as by default,
 * and the host's tmpfs beside them; also through the transport fuse-native where the package is.
 *
 *     node dist/bench/fuse.bench.js [rounds]
 *
 * Needs root and /dev/fuse. Clients are Node's synchronous calls, coreutils' ls and dd. The
 * settings take turns within a round; the fastest round counts (other programs on the machine only
 * ever make a round slower). Prints a table and, as its last line, JSON.
 */
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import {
  memfsCommand,
  mountInBackground,
  NO_FUSE_NATIVE,
  NO_MOUNTS,
  umount,
  Workspace,
} from '../test/fuse/server.js';

const rounds = Number(process.argv[2] ?? 3);
const FILES = 5000;
const READS = 5000;
const CLIENTS = 4;
const BIG_MB = 256;
const SMALL_MB = 32;

/** Unit and figure; of "MB/s" more is better, of "µs" less. */
type Unit = 'µs' | 'MB/s';

interface Task {
  readonly name: string;
  readonly unit: Unit;
  run(folder: string): number | Promise<number>;
}

const seconds = (start: bigint): number => Number(process.hrtime.bigint() - start) / 1e9;

/** Microseconds for each of `count` calls. */
function each(count: number, call: (i: number) => void): number {
  const start = process.hrtime.bigint();
  for (let i = 0; i < count; i++) call(i);
  return (seconds(start) / count) * 1e6;
}

function megabytesPerSecond(megabytes: number, ...dd: readonly string[]): number {
  const start = process.hrtime.bigint();
  execFileSync('dd', [...dd, 'status=none'], { stdio: 'ignore' });
  return (megabytes * 1.048576) / seconds(start);
}

/** Drops the pages of one file, and of that only. */
const forgetPages = (file: string): void => {
  execFileSync('dd', [`if=${file}`, 'of=/dev/null', 'iflag=nocache', 'count=0', 'status=none']);
};

/** A client that stats all files a few times, and says how long one took it. */
const STAT_CLIENT = `
const { statSync } = require('node:fs');
const start = process.hrtime.bigint();
for (let i = 0; i < ${FILES}; i++) statSync(process.argv[1] + '/file-' + i);
console.log(Number(process.hrtime.bigint() - start));`;

async function statClients(folder: string): Promise<number> {
  const clients = Array.from({ length: CLIENTS }, async () => {
    const child = spawn(process.execPath, ['-e', STAT_CLIENT, folder]);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
    await new Promise((resolve) => child.once('close', resolve));
    return Number(text) / 1000 / FILES;
  });
  // All clients together did CLIENTS calls in the time that one took it.
  return Math.max(...(await Promise.all(clients))) / CLIENTS;
}

const TASKS: readonly Task[] = [
  {
    name: 'create and close',
    unit: 'µs',
    run: (folder) => each(FILES, (i) => closeSync(openSync(`${folder}/file-${i}`, 'wx'))),
  },
  {
    name: 'stat',
    unit: 'µs',
    run: (folder) => each(FILES, (i) => statSync(`${folder}/file-${i}`)),
  },
  { name: `stat, ${CLIENTS} clients`, unit: 'µs', run: statClients },
  {
    name: 'ls -lU, an entry',
    unit: 'µs',
    run(folder) {
      const start = process.hrtime.bigint();
      execFileSync('ls', ['-lU', folder], { stdio: ['ignore', 'ignore', 'inherit'] });
      return (seconds(start) / FILES) * 1e6;
    },
  },
  {
    name: 'open, close',
    unit: 'µs',
    run: (folder) => each(FILES, (i) => closeSync(openSync(`${folder}/file-${i}`, 'r'))),
  },
  {
    name: 'unlink',
    unit: 'µs',
    run: (folder) => each(FILES, (i) => unlinkSync(`${folder}/file-${i}`)),
  },
  {
    name: `write ${BIG_MB} MB, bs=1M`,
    unit: 'MB/s',
    run: (folder) =>
      megabytesPerSecond(BIG_MB, 'if=/dev/zero', `of=${folder}/big`, 'bs=1M', `count=${BIG_MB}`),
  },
  {
    name: `read ${BIG_MB} MB, bs=1M`,
    unit: 'MB/s',
    run(folder) {
      forgetPages(`${folder}/big`);
      return megabytesPerSecond(BIG_MB, `if=${folder}/big`, 'of=/dev/null', 'bs=1M');
    },
  },
  {
    name: `read ${BIG_MB} MB, O_DIRECT`,
    unit: 'MB/s',
    run: (folder) =>
      megabytesPerSecond(BIG_MB, `if=${folder}/big`, 'of=/dev/null', 'bs=1M', 'iflag=direct'),
  },
  {
    name: 'read 4 KiB, O_DIRECT',
    unit: 'µs',
    run(folder) {
      const fd = openSync(`${folder}/big`, constants.O_RDONLY | constants.O_DIRECT);
      // tmpfs asks for an aligned buffer, which a large allocation is.
      const buffer = Buffer.alloc(1 << 20);
      let at = 1;
      const time = each(READS, () => {
        at = (at * 48271) % 0x7fffffff;
        readSync(fd, buffer, 0, 4096, (at % (BIG_MB << 8)) * 4096);
      });
      closeSync(fd);
      return time;
    },
  },
  {
    name: `write ${SMALL_MB} MB, bs=4k`,
    unit: 'MB/s',
    run: (folder) =>
      megabytesPerSecond(
        SMALL_MB,
        'if=/dev/zero',
        `of=${folder}/small`,
        'bs=4k',
        `count=${SMALL_MB << 8}`,
      ),
  },
];

interface Setting {
  readonly name: string;
  /** Mount options; null: no FUSE, the host's tmpfs. */
  readonly options: string | null;
}

const SETTINGS: readonly Setting[] = [
  { name: 'no cache', options: 'no_writeback_cache,entry_timeout=0,attr_timeout=0' },
  { name: 'default', options: 'writeback_cache' },
  ...(NO_FUSE_NATIVE === undefined
    ? [{ name: 'fuse-native', options: 'transport=fuse-native' }]
    : []),
  { name: 'tmpfs', options: null },
];

/** Fills one column: figures by task, the better of what is there and what comes. */
async function measure(setting: Setting, best: Map<string, number>): Promise<void> {
  const workspace = new Workspace();
  const mountpoint =
    setting.options === null ? mkdtempSync('/dev/shm/lump-') : workspace.directory('mnt');
  if (setting.options !== null) {
    mountInBackground(memfsCommand(mountpoint, '-o', setting.options));
  }
  const folder = `${mountpoint}/bench`;
  mkdirSync(folder);
  for (const { name, unit, run } of TASKS) {
    const figure = await run(folder);
    const before = best.get(name) ?? figure;
    best.set(name, unit === 'µs' ? Math.min(before, figure) : Math.max(before, figure));
  }
  if (setting.options === null) rmSync(mountpoint, { recursive: true });
  else umount(mountpoint);
  workspace.remove();
}

if (NO_MOUNTS !== undefined) {
  console.log(`nothing can be measured here: ${NO_MOUNTS}`);
} else {
  if (NO_FUSE_NATIVE !== undefined) console.log(`without fuse-native: ${NO_FUSE_NATIVE}`);
  const columns = SETTINGS.map((setting) => ({ setting, best: new Map<string, number>() }));
  for (let round = 0; round < rounds; round++) {
    for (const { setting, best } of columns) await measure(setting, best);
  }
  const cell = (value: number): string =>
    (value < 100 ? value.toFixed(1) : value.toFixed(0)).padStart(12);
  console.log(`${''.padEnd(30)}${SETTINGS.map(({ name }) => name.padStart(12)).join('')}`);
  for (const { name, unit } of TASKS) {
    const cells = columns.map(({ best }) => cell(best.get(name)!)).join('');
    console.log(`${`${name}, ${unit}`.padEnd(30)}${cells}`);
  }
  console.log(
    JSON.stringify({
      bench: 'fuse',
      rounds,
      rows: TASKS.map(({ name, unit }) => ({
        name,
        unit,
        ...Object.fromEntries(columns.map(({ setting, best }) => [setting.name, best.get(name)])),
      })),
    }),
  );
}
