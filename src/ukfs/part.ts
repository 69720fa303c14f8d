/**
 * Part selection in the name of an image, after NetBSD's ukfs: `flash.bin%OFFSET:start,size%` is a
 * window of the file, `flash.bin%PART:rootfs%` one of the partitions that mtdparts= declares.
 * Without the closing percent sign it is an ordinary name.
 *
 * Against NetBSD (reference rump.md §3.2): the second number is a size, in code and comment and
 * here; it may be left out; numbers are decimal, 0x… or with a suffix k, m, g; PART, an old form
 * there, names an MTD partition or one of a disk. DISKLABEL is for disks: see mount_disk.ts.
 */

export interface ImagePart {
  /** The name without the suffix. */
  readonly image: string;
  /** Bytes. */
  readonly offset?: number;
  /** Bytes. */
  readonly size?: number;
  readonly part?: string;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** @throws RangeError for a suffix that says nothing usable; its message is for a person. */
export function parseImagePart(text: string): ImagePart {
  const found = /^(.+)%([A-Z]+):([^%]*)%$/.exec(text);
  if (found === null) return { image: text };
  const [, image, kind, value] = found as unknown as [string, string, string, string];
  if (kind === 'PART' && value !== '') return { image, part: value };
  if (kind !== 'OFFSET') {
    throw new RangeError(
      `${text}: %${kind}:${value}% selects nothing; there are %OFFSET:start,size% and %PART:name%`,
    );
  }
  const [start, size, ...more] = value.split(',').map((number) => parseBytes(number, text));
  if (more.length > 0) throw new RangeError(`${text}: OFFSET takes a start and a size`);
  if (size === 0) throw new RangeError(`${text}: the part has no bytes`);
  return { image, offset: start!, ...(size !== undefined && { size }) };
}

function parseBytes(text: string, whole: string): number {
  const found = /^(0x[0-9a-f]+|\d+)([kmg]?)$/i.exec(text.trim());
  const bytes = found ? Number(found[1]) * UNITS[found[2]!.toLowerCase()]! : Number.NaN;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new RangeError(`${whole}: "${text}" is no number of bytes (4096, 0x1000, 4k)`);
}
