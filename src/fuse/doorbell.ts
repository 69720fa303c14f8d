/**
 * Wakes a server that is blocked in read(2) on /dev/fuse, from another thread of its process: asks
 * the kernel for zero bytes of a file's page cache, which it delivers as a request,
 * FUSE_NOTIFY_REPLY.
 *
 * The file is one that the kernel is shown for the purpose: the session answers the lookup of a
 * secret name, which is in no listing, with a file that has nothing but a node id. (Any system call
 * on the mount point would wake the server, but makes the mount busy while it lasts, so that
 * umount(8) fails once in a while, and does not reach it after umount -l.)
 */
import { writeSync } from 'node:fs';
import { lstat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { FUSE_NOTIFY_RETRIEVE, fuse_notify_retrieve_out, fuse_out_header } from './protocol.js';
import { BELL_NODEID } from './session.js';
import { WireBuffer } from './structure.js';

const MESSAGE_BYTES = fuse_out_header.bytes + fuse_notify_retrieve_out.bytes;

/**
 * Shows the kernel the file.
 * @param mountpoint '' when it is not known: then there is no doorbell.
 * @param bellName the secret name in the root directory.
 * @returns false when that cannot be: we may not search the root directory, or the mount is on its
 *   way out.
 */
export async function hangDoorbell(mountpoint: string, bellName: string): Promise<boolean> {
  if (mountpoint === '') return false;
  return lstat(join(mountpoint, bellName)).then(
    () => true,
    () => false,
  );
}

/** Rings, without waiting for the server. Parameters as of {@link hangDoorbell}. */
export async function ringDoorbell(
  fd: number,
  mountpoint: string,
  bellName: string,
): Promise<void> {
  if (askForPages(fd)) return;
  if ((await hangDoorbell(mountpoint, bellName)) && askForPages(fd)) return;
  // statfs is never answered from a cache.
  if (mountpoint !== '') await statfs(mountpoint).catch(() => {});
}

/** @returns false when the kernel has forgotten the file. */
function askForPages(fd: number): boolean {
  const wire = new WireBuffer(new Uint8Array(MESSAGE_BYTES));
  wire.putU32(fuse_out_header.at.len, MESSAGE_BYTES);
  wire.putU32(fuse_out_header.at.error, FUSE_NOTIFY_RETRIEVE);
  wire.putU64(fuse_out_header.bytes + fuse_notify_retrieve_out.at.nodeid, BELL_NODEID);
  try {
    writeSync(fd, wire.bytes);
    return true;
  } catch {
    return false;
  }
}
