/**
 * Device numbers: the Linux kernel's (major << 20 | minor) ↔ NetBSD's dev_t.
 *
 * Both have 12 bits of major and 20 of minor. Majors keep their value, although they mean other
 * devices on the other system: reference rump.md §1.16.
 */
import { MAJOR, MINOR, MKDEV } from '../lump/fs.js';
import { major, makedev, minor } from '../puffs/devt.js';

export const linux_to_netbsd_dev = (dev: number): number => makedev(MAJOR(dev), MINOR(dev));

export const netbsd_to_linux_dev = (dev: number): number => MKDEV(major(dev), minor(dev));
