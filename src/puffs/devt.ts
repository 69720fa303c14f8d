/**
 * NetBSD's dev_t in its 32-bit form, as va_rdev carries it: major in bits 8–19 (12 bits), minor in
 * bits 0–7 and 20–31 (20 bits). The positions are those of Linux's "new_encode" form.
 *
 * Source: reference rump.md §1.16. Majors mean different devices on each system and are never
 * interpreted here.
 */

export const makedev = (major: number, minor: number): number =>
  (((major & 0xfff) << 8) | (minor & 0xff) | ((minor & 0xfff00) << 12)) >>> 0;

/** Major number of a NetBSD dev_t: 12 bits. */
export const major = (dev: number): number => (dev >>> 8) & 0xfff;

/** Minor number of a NetBSD dev_t: 20 bits. */
export const minor = (dev: number): number => (dev & 0xff) | ((dev >>> 12) & 0xfff00);
