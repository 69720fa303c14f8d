/** Mount options that several of NetBSD's file systems have. */

/** "0", "1000": a user or group. */
export function parseId(text: string): number {
  if (!/^\d+$/.test(text) || Number(text) > 0xffff_fffe) throw new Error('expected a number');
  return Number(text);
}

/** "755", "01777": permission bits. */
export function parseMode(text: string): number {
  if (!/^[0-7]{1,5}$/.test(text) || Number.parseInt(text, 8) > 0o7777) {
    throw new Error('expected permission bits in octal, as 755');
  }
  return Number.parseInt(text, 8);
}

/** A count, as 10000. */
export function parseCount(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text))) {
    throw new Error('expected a number, as 10000');
  }
  return Number(text);
}
