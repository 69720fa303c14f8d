/**
 * Wakes a server that is blocked in read(2) on /dev/fuse, from another thread of its process: asks
 * the kernel for zero bytes of some file's page cache, which it delivers as a request,
 * FUSE_NOTIFY_REPLY.
 *
 * A system call on the mount point would do as well, and does where no file is known; but it makes
 * the mount busy while it lasts, so that umount(8) fails once in a while, and it needs the mount to
 * be in sight, which after umount -l it is not.
 */
import { statfs, writeSync } from 'node:fs';
import { FUSE_NOTIFY_RETRIEVE, fuse_notify_retrieve_out, fuse_out_header } from './protocol.js';
import { WireBuffer } from './structure.js';

const MESSAGE_BYTES = fuse_out_header.bytes + fuse_notify_retrieve_out.bytes;

/**
 * Rings, without waiting for the server.
 * @param file node id of a regular file that the kernel knows; 0: none is known.
 * @param mountpoint '' when it is not known.
 */
export function ringDoorbell(fd: number, file: number, mountpoint: string): void {
  if (file !== 0 && askForPages(fd, file)) return;
  // statfs is never answered from a cache. An error means that the mount is on its way out.
  if (mountpoint !== '') statfs(mountpoint, () => {});
}

/** @returns false when the kernel has forgotten the file. */
function askForPages(fd: number, file: number): boolean {
  const wire = new WireBuffer(new Uint8Array(MESSAGE_BYTES));
  wire.putU32(fuse_out_header.at.len, MESSAGE_BYTES);
  wire.putU32(fuse_out_header.at.error, FUSE_NOTIFY_RETRIEVE);
  wire.putU64(fuse_out_header.bytes + fuse_notify_retrieve_out.at.nodeid, file);
  try {
    writeSync(fd, wire.bytes);
    return true;
  } catch {
    return false;
  }
}
