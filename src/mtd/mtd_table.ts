/** The devices of one emulated machine, by number and name; Linux's mtdcore. */
import { Errno } from '../lump/errno.js';
import type { mtd_info } from './mtd.js';

/** The devices of a running system, by number, as /proc/mtd lists them. */
export class mtd_table {
  readonly #devices: ({ mtd: mtd_info; usecount: number } | undefined)[] = [];

  /**
   * Gives the device the lowest free number, which becomes its `index`.
   * @throws EEXIST it is registered already.
   */
  add_mtd_device(mtd: mtd_info & { index: number }): number {
    if (this.#devices.some((entry) => entry?.mtd === mtd)) throw new Errno('EEXIST', mtd.name);
    let index = this.#devices.indexOf(undefined);
    if (index < 0) index = this.#devices.length;
    this.#devices[index] = { mtd, usecount: 0 };
    mtd.index = index;
    return index;
  }

  /** Does not close it. @throws ENODEV it is not registered, EBUSY it is in use. */
  del_mtd_device(mtd: mtd_info & { index: number }): void {
    const entry = this.#entry(mtd);
    if (entry.usecount > 0) throw new Errno('EBUSY', `${mtd.name} is in use`);
    this.#devices[mtd.index] = undefined;
    while (this.#devices.length > 0 && this.#devices.at(-1) === undefined) this.#devices.pop();
    mtd.index = -1;
  }

  #entry(mtd: mtd_info): { mtd: mtd_info; usecount: number } {
    const entry = this.#devices[mtd.index];
    if (entry?.mtd !== mtd) throw new Errno('ENODEV', `${mtd.name} is not registered`);
    return entry;
  }

  /** The device of a number, counted as in use until put_mtd_device. @throws ENODEV */
  get_mtd_device(index: number): mtd_info {
    const entry = this.#devices[index];
    if (entry === undefined) throw new Errno('ENODEV', `mtd${index}`);
    entry.usecount++;
    return entry.mtd;
  }

  /** The first device of a name, counted as in use. @throws ENODEV */
  get_mtd_device_nm(name: string): mtd_info {
    const index = this.#devices.findIndex((entry) => entry?.mtd.name === name);
    if (index < 0) throw new Errno('ENODEV', `mtd:${name}`);
    return this.get_mtd_device(index);
  }

  /**
   * The device that a mount names, counted as in use: "mtd0" or "mtd:name".
   * @throws EINVAL it is neither, ENODEV.
   */
  get_mtd_device_for_mount(source: string): mtd_info {
    const match = /^mtd(?:([0-9]+)|:(.+))$/s.exec(source);
    if (match === null) throw new Errno('EINVAL', `"${source}" is neither "mtdN" nor "mtd:name"`);
    return match[1] === undefined
      ? this.get_mtd_device_nm(match[2]!)
      : this.get_mtd_device(Number(match[1]));
  }

  /** @throws ENODEV it is not registered, EINVAL it is not in use. */
  put_mtd_device(mtd: mtd_info): void {
    const entry = this.#entry(mtd);
    if (entry.usecount === 0) throw new Errno('EINVAL', `${mtd.name} is not in use`);
    entry.usecount--;
  }

  /** The registered devices in the order of their numbers. */
  *[Symbol.iterator](): Iterator<mtd_info> {
    for (const entry of this.#devices) if (entry !== undefined) yield entry.mtd;
  }

  /** The text of /proc/mtd. */
  proc_mtd(): string {
    let text = 'dev:    size   erasesize  name\n';
    for (const { index, size, erasesize, name } of this) {
      text += `mtd${index}: ${hex8(size)} ${hex8(erasesize)} "${name}"\n`;
    }
    return text;
  }
}

const hex8 = (value: number): string => value.toString(16).padStart(8, '0');
