/** The volume that a file system lies on: what is wrong with it is told here, and nowhere else. */
import { KERN_ERR, ratelimit_state } from '../lump/printk.js';
import type { Lump } from '../lump/lump.js';
import type { bufcache } from './buf.js';
import type { disk } from './disk/disk.js';
import { NetbsdErrno } from './errno.js';

/** A disk, its blocks in memory, and the reports of damage. */
export abstract class genfs_volume {
  readonly lump: Lump;
  readonly disk: disk;
  /** Its blocks. */
  abstract readonly cache: bufcache;
  /** What was found broken, for the report. */
  damaged = 0;
  private readonly vfs_name: string;
  private readonly complaints = new ratelimit_state();

  constructor(vfs_name: string, lump: Lump, disk: disk) {
    this.vfs_name = vfs_name;
    this.lump = lump;
    this.disk = disk;
  }

  /** Every refusal of the medium goes through here. */
  damage(what: string): void {
    this.damaged++;
    const text = `${this.vfs_name}: ${this.disk.name}: ${what}`;
    this.lump.printk_ratelimited(this.complaints, KERN_ERR, text);
  }

  /** The error to throw for damage that stops an operation. */
  eio(what: string): NetbsdErrno {
    this.damage(what);
    return new NetbsdErrno('EIO', what);
  }
}

/** Detection: is the disk one that `read` does not refuse? */
export const genfs_probe =
  (read: (disk: disk) => unknown) =>
  (disk: disk): boolean => {
    try {
      read(disk);
      return true;
    } catch (error) {
      if (error instanceof NetbsdErrno) return false;
      throw error;
    }
  };
