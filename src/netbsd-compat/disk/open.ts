/** Opens an image as a disk, and locks it: against everybody else, or, read-only, against writers. */
import type { Lump } from '../../lump/lump.js';
import { HostError, type HostFile } from '../../rumpuser/rumpuser.js';
import { NETBSD_ERRNO, type NetbsdErrnoName } from '../../puffs/errno.js';
import { NetbsdErrno } from '../errno.js';
import { disk_async } from './backend_async.js';
import { disk_sync } from './backend_sync.js';
import { disk_window } from './backend_window.js';
import type { disk } from './disk.js';

export type disk_backend = 'sync' | 'async' | 'window';

/**
 * @throws EBUSY the image is in use (the message says by whom, if the host knows); ENOENT, EACCES,
 *   EROFS, … as the host says; EISDIR it is a directory.
 */
export function disk_open(
  lump: Lump,
  path: string,
  readOnly: boolean,
  backend: disk_backend = 'sync',
): disk {
  const { host } = lump;
  let lock: { unlock(): void } | null = null;
  try {
    if (host.getfileinfo(path).type === 'directory') throw new NetbsdErrno('EISDIR', path);
    lock = host.lock(path, readOnly ? 'shared' : 'exclusive');
    const file = unlocking(host.open(path, readOnly ? 'read' : 'write'), lock);
    switch (backend) {
      case 'sync':
        return new disk_sync(file, readOnly);
      case 'async':
        return new disk_async(lump, file, readOnly);
      case 'window':
        return new disk_window(file, readOnly);
    }
  } catch (error) {
    lock?.unlock();
    throw openErrorOfHost(error);
  }
}

/** The file, whose end is the lock's. */
function unlocking(file: HostFile, lock: { unlock(): void }): HostFile {
  const close = file.close.bind(file);
  file.close = () => {
    close();
    lock.unlock();
  };
  return file;
}

/** What the host answers, by its name on the NetBSD side. */
export function openErrorOfHost(error: unknown): unknown {
  if (!(error instanceof HostError)) return error;
  if (error.code === 'EWOULDBLOCK' || error.code === 'EAGAIN') {
    return new NetbsdErrno('EBUSY', error.message);
  }
  const isKnown = Object.hasOwn(NETBSD_ERRNO, error.code);
  return new NetbsdErrno(isKnown ? (error.code as NetbsdErrnoName) : 'EIO', error.message);
}

/** What is on a disk's first bytes; for detection. Short at its end. */
export function disk_peek(disk: disk, position: number, length: number): Uint8Array {
  const count = Math.max(0, Math.min(length, disk.sizeBytes - position));
  const bytes = new Uint8Array(count);
  if (count > 0) disk.read(bytes, 0, count, position);
  return bytes;
}
