/**
 * A file that appears whole or not at all: written under a name of its own beside the one it is to
 * get, and renamed at the end. What is there under that name stays until then.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';

/** File names are cut to this, so that ours, which are longer, are none too long for the host. */
const STEM_CHARACTERS = 60;

let made = 0;

const stemOf = (target: string): string => `.${path.basename(target).slice(0, STEM_CHARACTERS)}.`;

/** All calls throw what node:fs throws. */
export class NewFile {
  /** To write to; whoever writes keeps account of the position. */
  readonly fd: number;
  private readonly target: string;
  private readonly fresh: string;
  private isOpen = true;

  /** @param filePath a regular file, or nothing yet. Symbolic links are followed. */
  constructor(filePath: string) {
    const had = fs.statSync(filePath, { throwIfNoEntry: false });
    this.target = had === undefined ? filePath : fs.realpathSync(filePath);
    const name = `${stemOf(this.target)}${process.pid}.${made++}.new`;
    this.fresh = path.join(path.dirname(this.target), name);
    this.fd = fs.openSync(this.fresh, 'wx+', 0o666);
    try {
      if (had !== undefined) this.takeAfter(had);
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** @param durable the bytes are on stable storage when this returns, and so is the name */
  commit(durable: boolean): void {
    try {
      if (durable) fs.fsyncSync(this.fd);
      this.close();
      fs.renameSync(this.fresh, this.target);
    } catch (error) {
      this.abandon();
      throw error;
    }
    if (durable) syncDirectory(path.dirname(this.target));
  }

  abandon(): void {
    this.close();
    fs.rmSync(this.fresh, { force: true });
  }

  private close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    fs.closeSync(this.fd);
  }

  /** The owner stays the one of the file that is replaced, where we may give files away. */
  private takeAfter({ uid, gid, mode }: fs.Stats): void {
    const own = fs.fstatSync(this.fd);
    if (own.uid !== uid || own.gid !== gid) {
      try {
        fs.fchownSync(this.fd, uid, gid);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
      }
    }
    fs.fchmodSync(this.fd, mode & 0o777);
  }
}

/** Paths of what processes that were killed left of a file; or others are just writing. */
export function unfinished(filePath: string): string[] {
  const directory = path.dirname(filePath);
  const stem = stemOf(filePath);
  let names: string[];
  try {
    names = fs.readdirSync(directory);
  } catch {
    return [];
  }
  return names
    .filter((name) => name.startsWith(stem) && /^\d+\.\d+\.new$/.test(name.slice(stem.length)))
    .map((name) => path.join(directory, name));
}

/** Removes what processes that are gone left of a file. */
export function removeUnfinished(filePath: string): void {
  for (const left of unfinished(filePath)) {
    const [, pid] = /\.(\d+)\.\d+\.new$/.exec(left)!;
    if (!isAlive(Number(pid))) fs.rmSync(left, { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is somebody else's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** Makes a rename durable. Windows has no such call, and needs none. */
function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return;
  const fd = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
