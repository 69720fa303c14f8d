/** Records what is done to a mount into a file of the host: see src/puffs/trace.ts. */
import { KERN_ERR } from '../lump/printk.js';
import type { puffs_ops } from '../puffs/puffs.js';
import { puffs_trace } from '../puffs/trace.js';
import { HostError, type Rumpuser } from '../rumpuser/rumpuser.js';
import { MountError } from './mount_error.js';

const BUFFER_CHARACTERS = 1 << 16;

/**
 * Makes the file; it must not be there, or be empty.
 * @throws MountError; nothing is recorded then.
 */
export function createTrace(host: Rumpuser, path: string): void {
  try {
    host.appendFile(path, new Uint8Array(0));
    if (host.getfileinfo(path).sizeBytes === 0) return;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    throw new MountError(error.code, `trace=${path}: ${error.message}`);
  }
  throw new MountError('EEXIST', `trace=${path}: the file has something in it; choose a new one`);
}

/**
 * The same file system, recorded into a file of {@link createTrace}; `sync`: it was mounted so that
 * every write is on stable storage when it returns. What is recorded reaches the file when
 * something is synchronised, at the end of the mount, and whenever enough has gathered. A trace
 * that cannot be written ends, and says so; the mount goes on.
 */
export function traceMount(host: Rumpuser, path: string, fs: puffs_ops, sync: boolean): puffs_ops {
  const encoder = new TextEncoder();
  let gathered: string[] = [];
  let length = 0;
  let broken = false;
  const flush = (): void => {
    if (length === 0 || broken) return;
    try {
      host.appendFile(path, encoder.encode(`${gathered.join('\n')}\n`));
    } catch (error) {
      broken = true;
      host.console(KERN_ERR, `trace=${path} ends here: ${(error as Error).message}`);
    }
    gathered = [];
    length = 0;
  };
  return puffs_trace(fs, {
    now: () => host.monotonicMs() / 1000,
    started: new Date(host.wallClockMs()),
    sync,
    line(text) {
      if (broken) return;
      gathered.push(text);
      length += text.length;
      if (length >= BUFFER_CHARACTERS) flush();
    },
    flush,
  });
}
