/** Bytes to write: the same for every run, some that compress and some that do not. */
import { createHash } from 'node:crypto';

/** Bytes that no codec makes smaller. */
export function noise(length: number, seed = 1): Buffer {
  const parts: Buffer[] = [];
  for (let bytes = 0, block = 0; bytes < length; bytes += 32, block++) {
    parts.push(createHash('sha256').update(`${seed}/${block}`).digest());
  }
  return Buffer.concat(parts).subarray(0, length);
}

const WORDS = (
  'the flash holds a log of nodes and every node names its inode version and offset so that a ' +
  'mount can replay what was written erased collected and written again by power cuts and people'
).split(' ');

/** Text that every codec makes smaller, without long repetitions. */
export function text(length: number, seed = 1): Buffer {
  const picks = noise(Math.ceil(length / 2), seed + 1000);
  let result = '';
  for (let i = 0; result.length < length; i++) {
    const pick = picks[i % picks.length] as number;
    result += WORDS[pick % WORDS.length] + (pick % 11 === 0 ? '.\n' : ' ');
  }
  return Buffer.from(result.slice(0, length), 'latin1');
}
