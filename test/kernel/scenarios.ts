/**
 * Flash written by the Linux kernel: workloads in the judge, and what the kernel itself finds on
 * the flash afterwards. The images and listings are kept in .cache/ of the checkout, since they
 * cost a minute; the key is the kernel's release and the bytes of every script that takes part.
 */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { noise, text } from '../images/material.js';
import type { MountImageOptions } from '../images/mount.js';
import { projectRoot } from '../images/project.js';
import type { Tree } from '../images/tree.js';
import { KERNEL_TEST_FOLDER, findKernel } from './initramfs.js';
import { parseListing } from './listing.js';
import type { KernelJob, KernelJobResult } from './qemu.js';
import { JudgeError, runBatch } from './qemu.js';

/** A chip of the guest, in the words of guest.sh. */
export type GuestFlash =
  | { readonly kind: 'nor'; readonly totalKib: number; readonly eraseKib: number }
  | {
      readonly kind: 'nand';
      /** nandsim's parameters. */
      readonly parameters: string;
      readonly pageSizeBytes: number;
      readonly oobSizeBytes: number;
      readonly eraseKib: number;
    };

export interface Scenario {
  readonly name: string;
  readonly flash: GuestFlash;
  /** Script in workloads/. */
  readonly workload: 'populate' | 'churn' | 'fill' | 'replace' | 'small';
  readonly mountOptions?: string;
  /** Shell variables of the workload. */
  readonly variables?: Readonly<Record<string, number>>;
}

/** One state of a flash and the kernel's own view of it after mounting exactly these bytes. */
export interface KernelImage {
  /** For NAND: each page followed by its OOB bytes. */
  readonly bytes: Buffer;
  readonly tree: Tree;
}

export interface Recording {
  readonly scenario: Scenario;
  /** Copied while the file system was mounted, its collector ended and all synced. */
  readonly mounted: KernelImage;
  /** After umount. */
  readonly unmounted: KernelImage;
  readonly log: string;
}

export const SMALL_PAGE = {
  kind: 'nand',
  pageSizeBytes: 512,
  oobSizeBytes: 16,
  eraseKib: 16,
  parameters: 'first_id_byte=0x20 second_id_byte=0x33 overridesize=7',
} as const satisfies GuestFlash;
export const LARGE_PAGE = {
  kind: 'nand',
  pageSizeBytes: 2048,
  oobSizeBytes: 64,
  eraseKib: 128,
  parameters:
    'first_id_byte=0x20 second_id_byte=0xa2 third_id_byte=0x00 fourth_id_byte=0x15 ' +
    'overridesize=4',
} as const satisfies GuestFlash;

function nor(totalKib: number, eraseKib: number): GuestFlash {
  return { kind: 'nor', totalKib, eraseKib };
}

export const SCENARIOS: readonly Scenario[] = [
  ...(['none', 'zlib', 'lzo'] as const).map(
    (compr): Scenario => ({
      name: `populate nor 2048/64 ${compr}`,
      workload: 'populate',
      flash: nor(2048, 64),
      mountOptions: `compr=${compr}`,
    }),
  ),
  { name: 'populate nor 1024/16', workload: 'populate', flash: nor(1024, 16) },
  { name: 'populate nor 4096/128', workload: 'populate', flash: nor(4096, 128) },
  { name: 'populate nor 4096/256', workload: 'populate', flash: nor(4096, 256) },
  { name: 'populate nand 512/16', workload: 'populate', flash: SMALL_PAGE },
  { name: 'populate nand 2048/64', workload: 'populate', flash: LARGE_PAGE },
  ...(['none', 'zlib', 'lzo'] as const).map(
    (compr): Scenario => ({
      name: `churn nor 512/16 ${compr}`,
      workload: 'churn',
      flash: nor(512, 16),
      mountOptions: `compr=${compr}`,
      variables: { KEEP_KIB: 200, WRITE_KIB: 1600, SEED: 11 },
    }),
  ),
  {
    name: 'churn nor 1024/64',
    workload: 'churn',
    flash: nor(1024, 64),
    variables: { KEEP_KIB: 400, WRITE_KIB: 3000, SEED: 12 },
  },
  {
    name: 'churn nor 256/8',
    workload: 'churn',
    flash: nor(256, 8),
    variables: { KEEP_KIB: 40, WRITE_KIB: 900, SEED: 13 },
  },
  {
    name: 'churn nand 512/16',
    workload: 'churn',
    flash: SMALL_PAGE,
    variables: { KEEP_KIB: 1200, WRITE_KIB: 3000, SEED: 14 },
  },
  {
    name: 'churn nand 2048/64',
    workload: 'churn',
    flash: LARGE_PAGE,
    variables: { KEEP_KIB: 800, WRITE_KIB: 3000, SEED: 15 },
  },
  { name: 'fill nor 512/16', workload: 'fill', flash: nor(512, 16), variables: { SEED: 21 } },
  {
    name: 'fill nor 1024/64 none',
    workload: 'fill',
    flash: nor(1024, 64),
    mountOptions: 'compr=none',
    variables: { SEED: 22 },
  },
  { name: 'fill nand 512/16', workload: 'fill', flash: SMALL_PAGE, variables: { SEED: 23 } },
  { name: 'replace nor 128/8', workload: 'replace', flash: nor(128, 8) },
  { name: 'small nor 40/8', workload: 'small', flash: nor(40, 8) },
];

/** How lump mounts an image of such a chip. */
export function mountOptionsOf(
  flash: GuestFlash,
): Pick<MountImageOptions, 'eraseSizeBytes' | 'nand'> {
  const eraseSizeBytes = flash.eraseKib * 1024;
  return flash.kind === 'nand' ? { eraseSizeBytes, nand: flash } : { eraseSizeBytes };
}

/** Lines of a job that make a blank flash, load one from a file, dump it. */
export function flashCommands(flash: GuestFlash): {
  readonly create: string;
  readonly load: string;
  readonly dump: string;
} {
  return flash.kind === 'nor'
    ? { create: `nor_new ${flash.totalKib} ${flash.eraseKib}`, load: 'nor_load', dump: 'nor_dump' }
    : { create: `nand_new ${flash.parameters}`, load: 'nand_load', dump: 'nand_dump' };
}

/** A job that mounts an image read-only and lists it as "tree"; status 3 when it is refused. */
export function listImageJob(
  name: string,
  flash: GuestFlash,
  image: Uint8Array | { readonly hostPath: string },
): KernelJob {
  const { create, load } = flashCommands(flash);
  return {
    name,
    files: { image },
    script: `${create}\n${load} "$IN/image"\nflash_mount ro || exit 3\nlist_tree /mnt tree\n`,
  };
}

/** The recordings of all scenarios, from .cache/ or, where that has none, from the judge. */
export async function recordScenarios(
  scenarios: readonly Scenario[] = SCENARIOS,
): Promise<Recording[]> {
  const missing = scenarios.filter((scenario) => !existsSync(cacheFile(scenario)));
  if (missing.length > 0) {
    const results = await runBatch(missing.map(scenarioJob));
    for (const scenario of missing) {
      keep(scenario, results.get(scenario.name) as KernelJobResult);
    }
  }
  return scenarios.map(fromCache);
}

function scenarioJob(scenario: Scenario): KernelJob {
  const { create, load, dump } = flashCommands(scenario.flash);
  const variables = Object.entries(scenario.variables ?? {}).map(([key, n]) => `${key}=${n}`);
  return {
    name: scenario.name,
    timeoutMs: 300_000,
    files: {
      noise: noise(1 << 20),
      text: text(1 << 20),
      'common.sh': workloadFile('common.sh'),
      'workload.sh': workloadFile(`${scenario.workload}.sh`),
    },
    script: [
      create,
      `flash_mount ${scenario.mountOptions ?? ''} || die 'mount of a blank flash'`,
      ...variables,
      '. "$IN/workload.sh"',
      // A node that the collector is moving would lie half in the write buffer of a NAND chip.
      'collector_stop',
      `${dump} "$OUT/mounted.image"`,
      'flash_umount',
      `${dump} "$OUT/unmounted.image"`,
      ...['mounted', 'unmounted'].flatMap((state) => [
        create,
        `${load} "$OUT/${state}.image"`,
        `flash_mount ro || die 'mount of the ${state} image'`,
        `list_tree /mnt ${state}`,
        'flash_umount',
      ]),
    ].join('\n'),
  };
}

/** A script of workloads/, to be an input file of a job. */
export function workloadFile(name: string): Buffer {
  return readFileSync(join(KERNEL_TEST_FOLDER, 'workloads', name));
}

interface CacheRecord {
  readonly log: string;
  readonly mounted: { readonly image: string; readonly tree: Tree };
  readonly unmounted: { readonly image: string; readonly tree: Tree };
}

function cacheFile(scenario: Scenario): string {
  const hash = createHash('sha256').update(findKernel()?.release ?? '');
  const job = scenarioJob(scenario);
  hash.update(job.script);
  for (const content of Object.values(job.files ?? {})) hash.update(content as Uint8Array);
  for (const name of readdirSync(KERNEL_TEST_FOLDER).filter((file) => file.endsWith('.sh'))) {
    hash.update(readFileSync(join(KERNEL_TEST_FOLDER, name)));
  }
  const name = scenario.name.replace(/[^a-z0-9]+/g, '-');
  const folder = join(projectRoot(), '.cache', 'kernel');
  mkdirSync(folder, { recursive: true });
  return join(folder, `${name}.${hash.digest('hex').slice(0, 16)}.json.gz`);
}

function keep(scenario: Scenario, result: KernelJobResult): void {
  if (result.status !== 0) {
    throw new JudgeError(
      `scenario "${scenario.name}" ended with ${result.status}`,
      result.dmesg + result.log,
    );
  }
  const state = (name: 'mounted' | 'unmounted'): CacheRecord['mounted'] => ({
    image: (result.outputs.get(`${name}.image`) as Buffer).toString('base64'),
    tree: parseListing(name, result.outputs),
  });
  const record: CacheRecord = {
    log: result.log,
    mounted: state('mounted'),
    unmounted: state('unmounted'),
  };
  const file = cacheFile(scenario);
  writeFileSync(`${file}.new`, gzipSync(JSON.stringify(record)));
  renameSync(`${file}.new`, file);
}

function fromCache(scenario: Scenario): Recording {
  const text = gunzipSync(readFileSync(cacheFile(scenario))).toString('utf8');
  const record = JSON.parse(text) as CacheRecord;
  const state = (name: 'mounted' | 'unmounted'): KernelImage => ({
    bytes: Buffer.from(record[name].image, 'base64'),
    tree: record[name].tree,
  });
  return {
    scenario,
    log: record.log,
    mounted: state('mounted'),
    unmounted: state('unmounted'),
  };
}
