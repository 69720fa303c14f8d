/**
 * The judge: Linux itself. Jobs (a shell script, input files) run inside the kernel that Debian
 * ships, started under qemu's software emulation, so no privilege, no KVM and no module of the
 * host's kernel is needed. A boot costs about seven seconds, therefore many jobs share one.
 *
 * The guest sees a folder of the host over virtio-9p; a job's inputs, outputs, log, kernel messages
 * and exit status travel as files there, so that the console serves as evidence only.
 */
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildInitramfs, findKernel, findProgram, missingParts } from './initramfs.js';

export interface KernelJob {
  /** For messages and as the key of the result; unique in its batch. */
  readonly name: string;
  /** BusyBox shell; the functions and variables of guest.sh are there. */
  readonly script: string;
  /** Files that the script finds in $IN: their bytes, or a file of the host to copy. */
  readonly files?: Readonly<Record<string, Uint8Array | { readonly hostPath: string }>>;
  /** The script is killed after that long. Default two minutes. */
  readonly timeoutMs?: number;
}

export interface KernelJobResult {
  /** Exit status of the script; 137 when it was killed for taking too long. */
  readonly status: number;
  /** The script's standard output and error. */
  readonly log: string;
  /** What the kernel said during the job. */
  readonly dmesg: string;
  /** The files that the script left in $OUT. */
  readonly outputs: ReadonlyMap<string, Buffer>;
}

export interface BootOptions {
  /** Guest memory; the flash of mtdram and nandsim lives in it. Default 512. */
  readonly memoryMb?: number;
  /** For the kernel to boot and to power off, beside the jobs' own times. Default 60 s. */
  readonly bootTimeoutMs?: number;
  /**
   * The guest's clock goes by the instructions that it executes: each takes 2^n ns of its time.
   * What it measures does not depend on this machine then, and a guest that waits busily for a slow
   * chip has its time cheaply. Default: the clock is the host's.
   */
  readonly icountShift?: number;
}

/** The guest did not finish its jobs: a panic, a hang, a qemu that cannot start. */
export class JudgeError extends Error {
  /** Everything that the guest printed. */
  readonly console: string;
  constructor(message: string, console: string) {
    super(`${message}\n--- end of the guest's console ---\n${consoleTail(console)}`);
    this.name = 'JudgeError';
    this.console = console;
  }
}

const DEFAULT_JOB_TIMEOUT_MS = 120_000;
const CONSOLE_TAIL_LINES = 80;

/** Why the judge cannot run here, as one line, or undefined when it can. */
export function judgeUnavailable(): string | undefined {
  const missing = missingParts();
  return missing.length === 0
    ? undefined
    : `missing: ${missing.join(', ')} (install with: npm run judge:setup)`;
}

/**
 * Runs one job in a kernel of its own.
 * @throws JudgeError the guest died, or the script's status is not 0.
 */
export async function runInKernel(
  job: KernelJob,
  options: BootOptions = {},
): Promise<KernelJobResult> {
  const result = (await runBatch([job], options)).get(job.name) as KernelJobResult;
  if (result.status !== 0) {
    throw new JudgeError(`job ${job.name} ended with ${result.status}`, result.log + result.dmesg);
  }
  return result;
}

/**
 * Runs jobs one after the other in as few boots as it takes: one, unless a job kills the kernel or
 * leaves it in a state that the next job cannot start from. Jobs whose script fails have a result
 * with its status.
 * @throws JudgeError when a job takes the kernel down, naming it: a filesystem image that panics
 *   the kernel is a finding that no test expects.
 */
export async function runBatch(
  jobs: readonly KernelJob[],
  options: BootOptions = {},
): Promise<Map<string, KernelJobResult>> {
  const results = new Map<string, KernelJobResult>();
  if (new Set(jobs.map((job) => job.name)).size !== jobs.length) {
    throw new Error('two jobs of one batch have the same name');
  }
  let pending = jobs;
  while (pending.length > 0) {
    const before = results.size;
    const console = await bootOnce(pending, options, results);
    pending = jobs.filter((job) => !results.has(job.name));
    if (results.size === before) {
      const name = pending[0]?.name;
      throw new JudgeError(`the kernel did not survive job ${name}`, console);
    }
  }
  return results;
}

/** One boot: runs what it can, adds the results of finished jobs, returns the console's text. */
async function bootOnce(
  jobs: readonly KernelJob[],
  options: BootOptions,
  results: Map<string, KernelJobResult>,
): Promise<string> {
  const kernel = findKernel();
  const qemu = findProgram('qemu-system-x86_64');
  if (kernel === undefined || qemu === undefined) throw new Error(judgeUnavailable());
  const folder = mkdtempSync(join(tmpdir(), 'lump-judge-'));
  try {
    const share = join(folder, 'share');
    const initramfs = join(folder, 'initramfs.cpio');
    writeFileSync(initramfs, buildInitramfs(kernel));
    for (const [index, job] of jobs.entries()) writeJob(share, String(index), job);
    writeFileSync(join(share, 'jobs'), `${jobs.map((_, index) => index).join('\n')}\n`);
    const jobsMs = jobs.reduce((sum, job) => sum + (job.timeoutMs ?? DEFAULT_JOB_TIMEOUT_MS), 0);
    const console = await runQemu(
      qemu,
      [
        '-machine',
        'pc,accel=tcg',
        '-cpu',
        'max',
        '-m',
        String(options.memoryMb ?? 512),
        ...(options.icountShift === undefined ? [] : ['-icount', `shift=${options.icountShift}`]),
        '-nodefaults',
        '-display',
        'none',
        '-no-reboot',
        '-serial',
        'stdio',
        '-rtc',
        'base=2024-05-06T07:08:09',
        '-kernel',
        kernel.image,
        '-initrd',
        initramfs,
        '-append',
        'console=ttyS0 loglevel=4 panic=-1 mitigations=off nokaslr rdinit=/init',
        '-fsdev',
        `local,id=share,path=${share.replaceAll(',', ',,')},security_model=none`,
        '-device',
        'virtio-9p-pci,fsdev=share,mount_tag=share',
      ],
      (options.bootTimeoutMs ?? 60_000) + jobsMs,
    );
    jobs.forEach((job, index) => {
      const result = readResult(join(share, String(index)));
      if (result !== undefined) results.set(job.name, result);
    });
    return console;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeJob(share: string, id: string, job: KernelJob): void {
  const folder = join(share, id);
  mkdirSync(join(folder, 'in'), { recursive: true });
  mkdirSync(join(folder, 'out'));
  writeFileSync(join(folder, 'script.sh'), job.script);
  const timeoutMs = job.timeoutMs ?? DEFAULT_JOB_TIMEOUT_MS;
  writeFileSync(join(folder, 'seconds'), `${Math.ceil(timeoutMs / 1000)}\n`);
  for (const [name, content] of Object.entries(job.files ?? {})) {
    const target = join(folder, 'in', name);
    if (content instanceof Uint8Array) writeFileSync(target, content);
    else copyFileSync(content.hostPath, target);
  }
}

function readResult(folder: string): KernelJobResult | undefined {
  if (!existsSync(join(folder, 'status'))) return undefined;
  const out = join(folder, 'out');
  return {
    status: Number(readFileSync(join(folder, 'status'), 'utf8')),
    log: readFileSync(join(folder, 'log'), 'utf8'),
    dmesg: readFileSync(join(folder, 'dmesg'), 'utf8'),
    outputs: new Map(readdirSync(out).map((name) => [name, readFileSync(join(out, name))])),
  };
}

function runQemu(qemu: string, args: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(qemu, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let console = '';
    child.stdout.on('data', (bytes: Buffer) => (console += bytes.toString('latin1')));
    child.stderr.on('data', (bytes: Buffer) => (console += bytes.toString('latin1')));
    const timer = setTimeout(() => {
      console += `\nqemu was stopped after ${timeoutMs / 1000} s\n`;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new JudgeError(`qemu cannot start: ${error.message}`, console));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code !== 0) console += `\nqemu ended with status ${code}\n`;
      resolve(console);
    });
  });
}

function consoleTail(console: string): string {
  return console.replaceAll('\r', '').trimEnd().split('\n').slice(-CONSOLE_TAIL_LINES).join('\n');
}
