/**
 * Wakes a server that is blocked in read(2) on /dev/fuse, from another thread of its process: asks
 * the kernel for zero bytes of some regular file's page cache, which it delivers as a request,
 * FUSE_NOTIFY_REPLY.
 *
 * Where the kernel knows no file, it is shown one: the session answers the lookup of a secret name,
 * which is in no listing, with a file that has nothing but a node id. (Any system call on the mount
 * point would wake the server, but makes the mount busy while it lasts, so that umount(8) fails
 * once in a while; this one is made once.)
 */
import { lstat, statfs, writeSync } from 'node:fs';
import { join } from 'node:path';
import { FUSE_NOTIFY_RETRIEVE, fuse_notify_retrieve_out, fuse_out_header } from './protocol.js';
import { BELL_NODEID } from './session.js';
import { WireBuffer } from './structure.js';

const MESSAGE_BYTES = fuse_out_header.bytes + fuse_notify_retrieve_out.bytes;

/**
 * Rings, without waiting for the server.
 * @param file node id of a regular file that the kernel knows; 0: none is known.
 * @param mountpoint '' when it is not known.
 * @param bellName the secret name in the root directory.
 */
export function ringDoorbell(fd: number, file: number, mountpoint: string, bellName: string): void {
  if (file !== 0 && askForPages(fd, file)) return;
  if (mountpoint === '') return;
  lstat(join(mountpoint, bellName), (error) => {
    if (!error && askForPages(fd, BELL_NODEID)) return;
    // We may not search the root directory. statfs is never answered from a cache, and an error
    // means that the mount is on its way out.
    statfs(mountpoint, () => {});
  });
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
