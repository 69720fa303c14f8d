/** Values of options that are numbers, sizes and short texts. */
import { crc32_le } from '../lump/crc32.js';
import { nameToBytes, textToName } from '../puffs/name.js';
import type { MakeOptionValues } from './filesystem_type.js';
import { type FsNode, MakefsError, walkTree } from './fsnode.js';

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 512, k: 1024, m: 1024 ** 2 };

/** A decimal number, or 0x and hexadecimal; b, k and m are 512, 1024 and 1024². @throws MakefsError */
export function numberOption(
  options: MakeOptionValues,
  name: string,
  otherwise: number,
  least = 0,
  most = 2 ** 32 - 1,
): number {
  const text = options[name];
  if (text === undefined) return otherwise;
  const match = /^(0x[0-9a-f]{1,8}|\d{1,10})([bkm]?)$/i.exec(String(text));
  const value = match === null ? Number.NaN : Number(match[1]) * UNITS[match[2]!.toLowerCase()]!;
  if (!(value >= least && value <= most)) {
    throw new MakefsError(`option ${name}: ${text}: expected a number from ${least} to ${most}`);
  }
  return value;
}

/** One of a few numbers. @throws MakefsError */
export function choiceOption<T extends number>(
  options: MakeOptionValues,
  name: string,
  otherwise: T,
  choices: readonly T[],
): T {
  const value = numberOption(options, name, otherwise);
  const choice = choices.find((each) => each === value);
  if (choice === undefined) {
    throw new MakefsError(`option ${name}: ${value}: expected one of ${choices.join(', ')}`);
  }
  return choice;
}

/** Bytes, one character each. @throws MakefsError it is longer than `most` */
export function textOption(options: MakeOptionValues, name: string, most: number): string {
  const text = textToName(String(options[name] ?? ''));
  if (text.length > most) {
    throw new MakefsError(`option ${name}: ${text.length} bytes; there is room for ${most}`);
  }
  return text;
}

/** Four bytes that another tree has not, and the same tree always. */
export function treeDigest(tree: FsNode, seed: number): number {
  let digest = ~seed;
  for (const { path, inode } of walkTree(tree)) {
    const { mode, uid, gid, mtimeSec, target, contents } = inode;
    const facts = [path, mode, uid, gid, mtimeSec, target, contents?.sizeBytes].join('\0');
    const bytes = nameToBytes(facts);
    digest = crc32_le(digest, bytes, 0, bytes.length);
  }
  return digest >>> 0;
}
