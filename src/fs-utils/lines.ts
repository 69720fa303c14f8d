/**
 * The shortest way from one text to another, line by line: Myers's algorithm in linear space (An
 * O(ND) Difference Algorithm and Its Variations, Algorithmica 1, 1986). Where that would take long,
 * lines that both texts have once divide them first; the answer is right then, but may not be the
 * shortest.
 */
import type { ByteText } from './bytes.js';

/** Lines [oldStart, oldEnd) become [newStart, newEnd). */
export interface Change {
  readonly oldStart: number;
  readonly oldEnd: number;
  readonly newStart: number;
  readonly newEnd: number;
}

/** Changes that stand close together, with the lines around them. */
export interface Hunk extends Change {
  readonly changes: readonly Change[];
}

/** Edits after which the search for the shortest way is given up. */
const EDITS_MAX = 1000;

/** Lines as numbers: equal ones are equal. */
function numbered(texts: readonly (readonly ByteText[])[]): Int32Array[] {
  const numbers = new Map<ByteText, number>();
  return texts.map((lines) =>
    Int32Array.from(lines, (line) => {
      const known = numbers.get(line);
      if (known !== undefined) return known;
      numbers.set(line, numbers.size);
      return numbers.size - 1;
    }),
  );
}

/** @returns the changes in order, those with at most 2 × `context` lines between them together. */
export function diffLines(
  old: readonly ByteText[],
  fresh: readonly ByteText[],
  context: number,
): Hunk[] {
  const [a, b] = numbered([old, fresh]) as [Int32Array, Int32Array];
  const removed = new Uint8Array(a.length);
  const added = new Uint8Array(b.length);
  compare(a, 0, a.length, b, 0, b.length, removed, added);
  const changes: Change[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    const [oldStart, newStart] = [i, j];
    while (i < a.length && removed[i] === 1) i++;
    while (j < b.length && added[j] === 1) j++;
    if (i > oldStart || j > newStart) changes.push({ oldStart, oldEnd: i, newStart, newEnd: j });
    else {
      i++;
      j++;
    }
  }
  const groups: Change[][] = [];
  for (const change of changes) {
    const last = groups.at(-1);
    if (last !== undefined && context > 0 && change.oldStart - last.at(-1)!.oldEnd <= 2 * context)
      last.push(change);
    else groups.push([change]);
  }
  return groups.map((group) => {
    const [first, last] = [group[0]!, group.at(-1)!];
    const before = Math.min(context, first.oldStart);
    const after = Math.min(context, a.length - last.oldEnd);
    return {
      changes: group,
      oldStart: first.oldStart - before,
      newStart: first.newStart - before,
      oldEnd: last.oldEnd + after,
      newEnd: last.newEnd + after,
    };
  });
}

function compare(
  a: Int32Array,
  aStart: number,
  aEnd: number,
  b: Int32Array,
  bStart: number,
  bEnd: number,
  removed: Uint8Array,
  added: Uint8Array,
): void {
  let [i, j, m, n] = [aStart, bStart, aEnd, bEnd];
  while (i < m && j < n && a[i] === b[j]) {
    i++;
    j++;
  }
  while (i < m && j < n && a[m - 1] === b[n - 1]) {
    m--;
    n--;
  }
  const middle = i === m || j === n ? undefined : middleOf(a, i, m, b, j, n);
  if (middle === undefined) {
    let [x, y] = [i, j];
    for (const anchor of i === m || j === n ? [] : anchorsOf(a, i, m, b, j, n)) {
      // The one before may have taken it with what it had in common.
      if (anchor.x < x || anchor.y < y) continue;
      compare(a, x, anchor.x, b, y, anchor.y, removed, added);
      [x, y] = [anchor.x + 1, anchor.y + 1];
    }
    if (x > i) compare(a, x, m, b, y, n, removed, added);
    else {
      removed.fill(1, i, m);
      added.fill(1, j, n);
    }
    return;
  }
  compare(a, i, middle.x, b, j, middle.y, removed, added);
  compare(a, middle.x, m, b, middle.y, n, removed, added);
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Lines that both stretches have exactly once, as many as stand in the same order in both. */
function anchorsOf(
  a: Int32Array,
  aStart: number,
  aEnd: number,
  b: Int32Array,
  bStart: number,
  bEnd: number,
): Point[] {
  /** Of a line, its only place; −1: there are several. */
  const placesOf = (lines: Int32Array, start: number, end: number): Map<number, number> => {
    const places = new Map<number, number>();
    for (let i = start; i < end; i++) places.set(lines[i]!, places.has(lines[i]!) ? -1 : i);
    return places;
  };
  const [ours, theirs] = [placesOf(a, aStart, aEnd), placesOf(b, bStart, bEnd)];
  // The longest increasing sequence, by patience sorting: the last of each pile, and who it stands on.
  const piles: number[] = [];
  const points: Point[] = [];
  const below: number[] = [];
  for (const [line, x] of ours) {
    const y = theirs.get(line);
    if (x < 0 || y === undefined || y < 0) continue;
    let low = 0;
    for (let high = piles.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (points[piles[middle]!]!.y < y) low = middle + 1;
      else high = middle;
    }
    points.push({ x, y });
    below.push(low > 0 ? piles[low - 1]! : -1);
    piles[low] = points.length - 1;
  }
  const chosen: Point[] = [];
  for (let i = piles.at(-1) ?? -1; i >= 0; i = below[i]!) chosen.push(points[i]!);
  return chosen.reverse();
}

/** A point on the shortest way, about half of its edits from each end. */
function middleOf(
  a: Int32Array,
  aStart: number,
  aEnd: number,
  b: Int32Array,
  bStart: number,
  bEnd: number,
): Point | undefined {
  const [m, n] = [aEnd - aStart, bEnd - bStart];
  const delta = m - n;
  const max = Math.min(Math.ceil((m + n) / 2), EDITS_MAX);
  const size = 2 * max + 2;
  const forward = new Int32Array(size);
  const backward = new Int32Array(size);
  const at = (k: number): number => (((k + max) % size) + size) % size;
  for (let d = 0; d <= max; d++) {
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && forward[at(k - 1)]! < forward[at(k + 1)]!);
      let x = d === 0 ? 0 : down ? forward[at(k + 1)]! : forward[at(k - 1)]! + 1;
      let y = x - k;
      while (x < m && y < n && x >= 0 && y >= 0 && a[aStart + x] === b[bStart + y]) {
        x++;
        y++;
      }
      forward[at(k)] = x;
      const other = delta - k;
      if (delta % 2 !== 0 && Math.abs(other) <= d - 1 && x + backward[at(other)]! >= m) {
        return inside(aStart, bStart, x, y, m, n);
      }
    }
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && backward[at(k - 1)]! < backward[at(k + 1)]!);
      let x = d === 0 ? 0 : down ? backward[at(k + 1)]! : backward[at(k - 1)]! + 1;
      let y = x - k;
      while (x < m && y < n && x >= 0 && y >= 0 && a[aEnd - 1 - x] === b[bEnd - 1 - y]) {
        x++;
        y++;
      }
      backward[at(k)] = x;
      const other = delta - k;
      if (delta % 2 === 0 && Math.abs(other) <= d && x + forward[at(other)]! >= m) {
        return inside(aStart, bStart, m - x, n - y, m, n);
      }
    }
  }
  return undefined;
}

/** undefined at a corner, or outside: there is nothing to divide. */
function inside(
  aStart: number,
  bStart: number,
  x: number,
  y: number,
  m: number,
  n: number,
): Point | undefined {
  if (x < 0 || y < 0 || x > m || y > n || (x === 0 && y === 0) || (x === m && y === n))
    return undefined;
  return { x: aStart + x, y: bStart + y };
}
