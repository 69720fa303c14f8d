/** Which of many overlapping ranges rules where: O(n log n), whatever the ranges are. */

export interface Run<T> {
  readonly from: number;
  readonly end: number;
  readonly node: T;
}

/**
 * @param nodes ascending by precedence: the last one rules where it reaches.
 * @returns runs, ascending, disjoint; neighbours of one node are one run.
 */
export function sweep<T>(
  nodes: readonly T[],
  fromOf: (node: T) => number,
  endOf: (node: T) => number,
): Run<T>[] {
  const order = nodes.map((_, n) => n);
  order.sort((a, b) => fromOf(nodes[a]!) - fromOf(nodes[b]!) || a - b);
  const runs: Run<T>[] = [];
  if (
    isDisjoint(
      order.map((n) => nodes[n]!),
      fromOf,
      endOf,
    )
  ) {
    for (const n of order)
      runs.push({ from: fromOf(nodes[n]!), end: endOf(nodes[n]!), node: nodes[n]! });
    return runs;
  }
  const heap = new MaxHeap();
  let position = 0;
  let next = 0;
  while (next < order.length || heap.top >= 0) {
    while (heap.top >= 0 && endOf(nodes[heap.top]!) <= position) heap.pop();
    if (heap.top < 0) {
      if (next === order.length) break;
      position = fromOf(nodes[order[next]!]!);
    }
    while (next < order.length && fromOf(nodes[order[next]!]!) <= position) {
      heap.push(order[next++]!);
    }
    const node = nodes[heap.top]!;
    let end = endOf(node);
    if (end <= position) continue;
    if (next < order.length) end = Math.min(end, fromOf(nodes[order[next]!]!));
    const last = runs.at(-1);
    if (last?.node === node && last.end === position) {
      runs[runs.length - 1] = { from: last.from, end, node };
    } else runs.push({ from: position, end, node });
    position = end;
  }
  return runs;
}

function isDisjoint<T>(
  sorted: readonly T[],
  fromOf: (node: T) => number,
  endOf: (node: T) => number,
): boolean {
  return sorted.every((node, n) => n === 0 || endOf(sorted[n - 1]!) <= fromOf(node));
}

class MaxHeap {
  readonly #items: number[] = [];

  /** The largest; -1 when there is none. */
  get top(): number {
    return this.#items[0] ?? -1;
  }

  push(item: number): void {
    const items = this.#items;
    let at = items.push(item) - 1;
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (items[up]! >= item) break;
      items[at] = items[up]!;
      at = up;
    }
    items[at] = item;
  }

  pop(): void {
    const items = this.#items;
    const last = items.pop()!;
    if (items.length === 0) return;
    let at = 0;
    for (;;) {
      let down = at * 2 + 1;
      if (down >= items.length) break;
      if (down + 1 < items.length && items[down + 1]! > items[down]!) down++;
      if (items[down]! <= last) break;
      items[at] = items[down]!;
      at = down;
    }
    items[at] = last;
  }
}
