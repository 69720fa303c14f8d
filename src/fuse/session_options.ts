/** Parsed mount options → what a session and the kernel take. */
import type { ParsedMountOptions, TransportName } from './mount_options.js';
import { mountedBy } from './mount.js';
import type { MountRequest } from './transport.js';

export function sessionOptions({ session }: ParsedMountOptions): MountRequest['session'] {
  const options: Record<string, unknown> = {};
  const take = (word: string, field: keyof MountRequest['session']): void => {
    if (session[word] !== undefined) options[field] = session[word];
  };
  take('sync', 'sync');
  take('entry_timeout', 'entryTimeoutSeconds');
  take('attr_timeout', 'attrTimeoutSeconds');
  take('negative_timeout', 'negativeTimeoutSeconds');
  take('request_timeout', 'requestTimeoutSeconds');
  take('writeback_cache', 'writebackCache');
  if (session.no_writeback_cache === true) options.writebackCache = false;
  return options as MountRequest['session'];
}

/** The kernel's own protocol wherever there is such a kernel. */
export const transportName = ({ session }: ParsedMountOptions): TransportName =>
  (session.transport as TransportName | undefined) ??
  (process.platform === 'darwin' ? 'fuse-native' : 'kernel');

/**
 * The words for the kernel. As libfuse does, a mount is nosuid and nodev unless root says
 * otherwise, since an image may come from anywhere. A mount made by root is everybody's, as with
 * mount(8); the permission bits rule.
 */
export function kernelWords({ kernel }: ParsedMountOptions): string[] {
  const words = [...kernel];
  if (!words.includes('suid')) words.push('nosuid');
  if (!words.includes('dev')) words.push('nodev');
  if (mountedBy() === 'mount') words.push('allow_other');
  return [...new Set(words)];
}
