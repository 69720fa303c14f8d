/**
 * What a person sees while runs go on: on a terminal one line with a bar and the time left, and a
 * line for each run that ended; elsewhere lines only, some for each run.
 */
import type { Job } from '../src/wearlab/sweep.js';
import { summarizeRun, type RunSummary } from '../src/wearlab/run_summary.js';
import type { Run } from '../src/wearlab/run_results.js';
import { Progress } from './progress.mjs';

/** Without a terminal, a run tells how far it is at each of these shares. */
const STEP = 0.1;
const MIB = 2 ** 20;

export class LiveView {
  private readonly isQuiet: boolean;
  private readonly isTerminal = process.stderr.isTTY === true;
  private readonly progress: Progress;
  private readonly jobs: number;
  private readonly shares = new Map<Job, number>();
  private readonly erases = new Map<Job, number>();
  /** What was done before this command: shares, erases. */
  private sharesBefore = 0;
  private erasesBefore = 0;
  private readonly startMs = performance.now();
  private ended = 0;

  /** @param jobs how many there are to be done */
  constructor(jobs: number, isQuiet: boolean) {
    this.jobs = jobs;
    this.isQuiet = isQuiet;
    const runs = jobs === 1 ? 'the run' : `${jobs} runs`;
    this.progress = new Progress('wear_lab', () => `of ${runs}, ${this.speed()}`);
  }

  private speed(): string {
    const seconds = (performance.now() - this.startMs) / 1000;
    let erases = -this.erasesBefore;
    for (const count of this.erases.values()) erases += count;
    return `${Math.round(erases / Math.max(seconds, 0.001)).toLocaleString('en')} erases/s`;
  }

  /** A run goes on where another command left it. */
  resumes(job: Job, share: number, erases: number): void {
    this.sharesBefore += share;
    this.erasesBefore += erases;
    this.shares.set(job, share);
    this.erases.set(job, erases);
    const { percent, count } = inWords(share, erases);
    this.say(`${job.id}: goes on from its checkpoint at ${percent} %, ${count} erases`);
  }

  at(job: Job, share: number, erases: number): void {
    const before = this.shares.get(job) ?? 0;
    this.shares.set(job, share);
    this.erases.set(job, erases);
    if (this.isQuiet) return;
    if (this.isTerminal) {
      this.bar();
    } else if (Math.floor(share / STEP) > Math.floor(before / STEP)) {
      const { percent, count } = inWords(share, erases);
      this.say(`${job.id}: ${percent} %, ${count} erases`);
    }
  }

  private bar(): void {
    let done = this.ended;
    for (const share of this.shares.values()) done += Math.min(1, share);
    this.progress.update(done, this.jobs, this.sharesBefore);
  }

  /** A run ended, well or not. */
  end(job: Job, text: string): void {
    this.shares.delete(job);
    this.ended++;
    this.say(`${job.id}: ${text}`);
    if (!this.isQuiet && this.isTerminal) this.bar();
  }

  /** A line of its own. */
  say(line: string): void {
    this.progress.clear();
    if (!this.isQuiet) process.stderr.write(`${line}\n`);
  }

  close(): void {
    this.progress.clear();
  }
}

const inWords = (share: number, erases: number) => ({
  percent: Math.floor(share * 100),
  count: erases.toLocaleString('en'),
});

/** "34 s", "12 min", "5.0 h", "2.5 days". */
function days(value: number): string {
  const seconds = value * 86_400;
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  if (seconds < 7200) return `${(seconds / 60).toFixed(0)} min`;
  return value < 2 ? `${(value * 24).toFixed(1)} h` : `${value.toFixed(1)} days`;
}

const written = (bytes: number): string =>
  bytes < MIB ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / MIB).toFixed(1)} MiB`;

/** One line on what came out. */
export function outcomeLine(run: Run): string {
  const summary = summarizeRun(run);
  if (summary === null) return 'ended before anything was sampled';
  const { hostBytes, wear, amplification, badBlocks, uncorrectable, reason } = summary;
  const message = run.end?.message ?? '';
  return [
    `${written(hostBytes)} written in ${days(summary.days)} of the device's time`,
    `write amplification ${amplification?.total.toFixed(3) ?? 'unknown'}`,
    `erases per block ${wear.min} to ${wear.max}, mean ${wear.mean.toFixed(1)}, ` +
      `variation ${wear.coefficientOfVariation.toFixed(3)}`,
    ...(badBlocks > 0 ? [`bad blocks ${badBlocks}`] : []),
    ...(uncorrectable > 0 ? [`uncorrectable reads ${uncorrectable.toLocaleString('en')}`] : []),
    ...lifetimeText(summary),
    `ended by ${reason.replaceAll('_', ' ')}${message === '' ? '' : ` (${message})`}`,
  ].join('; ');
}

function lifetimeText({ firstBadBlock, lifetime }: RunSummary): string[] {
  const mib = (bytes: number): string => `${Math.round(bytes / MIB).toLocaleString('en')} MiB`;
  if (firstBadBlock !== null) {
    return [`first bad block after ${mib(firstBadBlock.hostBytes)}, ${days(firstBadBlock.days)}`];
  }
  if (lifetime === null) return [];
  const { atLeast, atMost } = lifetime;
  return [
    `projected lifetime ${mib(atLeast.hostBytes)} to ${mib(atMost.hostBytes)}, ` +
      `${days(atLeast.days)} to ${days(atMost.days)}`,
  ];
}
