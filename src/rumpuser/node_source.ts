/** {@link HostSource} on Node. Extended attributes come from getfattr(1): Node has no call. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { parseGetfattr } from './getfattr.js';
import { hostMode } from './host_name.js';
import type { HostSource, HostSourceFile, HostSourceStat } from './host_source.js';
import { HostError } from './rumpuser.js';

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const OPEN_FLAGS = O_RDONLY | (O_NOFOLLOW ?? 0) | (O_NONBLOCK ?? 0);
/** getfattr prints values in hexadecimal; a tree with more than this is not one to put on flash. */
const GETFATTR_BYTES_MAX = 1 << 30;

const bytes = (path: string): Buffer => Buffer.from(path, 'latin1');

function failed(path: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? new HostError(code, message, path) : error;
}

/** A file with one name needs no exact number: nothing is compared with it but itself. */
function statOf(stat: fs.Stats, exact: () => fs.BigIntStats): HostSourceStat {
  const identity =
    stat.nlink > 1 && !stat.isDirectory()
      ? ((big) => `${big.dev}:${big.ino}`)(exact())
      : `${stat.dev}:${stat.ino}`;
  return {
    mode: hostMode(stat.mode),
    uid: stat.uid,
    gid: stat.gid,
    sizeBytes: stat.size,
    mtimeSec: Math.floor(stat.mtimeMs / 1000),
    mtimeMs: stat.mtimeMs,
    nlink: stat.nlink,
    identity,
    rdevMajor: (stat.rdev >>> 8) & 0xfff,
    rdevMinor: (stat.rdev & 0xff) | ((stat.rdev >>> 12) & 0xfff00),
  };
}

class NodeSourceFile implements HostSourceFile {
  private readonly path: string;
  private readonly fd: number;

  constructor(path: string) {
    this.path = path;
    this.fd = fs.openSync(bytes(path), OPEN_FLAGS);
  }

  read(buffer: Uint8Array, bufferOffset: number, length: number, position: number): number {
    let done = 0;
    try {
      while (done < length) {
        const got = fs.readSync(
          this.fd,
          buffer,
          bufferOffset + done,
          length - done,
          position + done,
        );
        if (got === 0) break;
        done += got;
      }
    } catch (error) {
      throw failed(this.path, error);
    }
    return done;
  }

  stat(): HostSourceStat {
    return statOf(fs.fstatSync(this.fd), () => fs.fstatSync(this.fd, { bigint: true }));
  }

  close(): void {
    fs.closeSync(this.fd);
  }
}

export const nodeSource: HostSource = {
  list(path) {
    try {
      return fs.readdirSync(bytes(path), { encoding: 'latin1' });
    } catch (error) {
      throw failed(path, error);
    }
  },

  lstat(path) {
    const at = bytes(path);
    try {
      return statOf(fs.lstatSync(at), () => fs.lstatSync(at, { bigint: true }));
    } catch (error) {
      throw failed(path, error);
    }
  },

  stat(path) {
    const at = bytes(path);
    try {
      return statOf(fs.statSync(at), () => fs.statSync(at, { bigint: true }));
    } catch (error) {
      throw failed(path, error);
    }
  },

  readlink(path) {
    try {
      return fs.readlinkSync(bytes(path), { encoding: 'latin1' });
    } catch (error) {
      throw failed(path, error);
    }
  },

  open(path) {
    try {
      return new NodeSourceFile(path);
    } catch (error) {
      throw failed(path, error);
    }
  },

  xattrs(root) {
    let text: string;
    try {
      const args = ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '--', '.'];
      text = execFileSync('getfattr', args, {
        cwd: bytes(root).toString(),
        encoding: 'latin1',
        maxBuffer: GETFATTR_BYTES_MAX,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
    } catch (error) {
      const { code, stderr } = error as { code?: string; stderr?: string };
      const why =
        code === 'ENOENT'
          ? 'reading extended attributes needs the program getfattr (Debian: package attr)'
          : `getfattr failed: ${stderr?.trim().split('\n')[0] || (error as Error).message}`;
      throw new HostError('ENOSYS', why, root);
    }
    return parseGetfattr(text);
  },
};
