/** Commands of the host. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Outcome {
  readonly status: number;
  /** Why it could not be run. */
  readonly message?: string;
}

/** As a shell has it: 128 and the signal, 127 when it is missing, 126 when it cannot be run. */
function outcomeOf(command: string, run: ReturnType<typeof spawnSync>): Outcome {
  const { error, signal, status } = run;
  if (error !== undefined) {
    const { code } = error as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT';
    return {
      status: isMissing ? 127 : 126,
      message: `${command}: ${isMissing ? 'command not found' : code}`,
    };
  }
  return { status: signal === null ? status! : 128 + constants.signals[signal] };
}

/** Runs with the process's own streams; Ctrl-C is the command's affair while it runs. */
function runInForeground(command: string, args: readonly string[]): Outcome {
  const ignore = (): void => {};
  process.on('SIGINT', ignore);
  process.on('SIGQUIT', ignore);
  try {
    return outcomeOf(command, spawnSync(command, args, { stdio: 'inherit' }));
  } finally {
    process.off('SIGINT', ignore);
    process.off('SIGQUIT', ignore);
  }
}

/**
 * Runs a command whose last argument is the path of a copy.
 * @param content undefined: there is no file, yet
 * @returns what the copy holds then; undefined when it is gone
 */
export function runOnCopy(
  command: string,
  args: readonly string[],
  name: string,
  content: Uint8Array | undefined,
): Outcome & { readonly after: Buffer | undefined } {
  const folder = mkdtempSync(join(tmpdir(), 'fsu_exec-'));
  try {
    const copy = join(folder, name);
    if (content !== undefined) writeFileSync(copy, content, { mode: 0o600 });
    const outcome = runInForeground(command, [...args, copy]);
    return { ...outcome, after: existsSync(copy) ? readFileSync(copy) : undefined };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A line for the shell; with `input`, that is its standard input. */
export function runShell(line: string, input?: Uint8Array): Outcome {
  const shell = 'sh';
  if (input === undefined) return runInForeground(shell, ['-c', line]);
  const run = spawnSync(shell, ['-c', line], { input, stdio: ['pipe', 'inherit', 'inherit'] });
  // A pager that was left before it had read all is no failure.
  if ((run.error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE')
    return { status: run.status ?? 0 };
  return outcomeOf(shell, run);
}
