/** How large an image becomes. */
import type { MakeRequest } from './filesystem_type.js';
import { MakefsError } from './fsnode.js';

/** Of all blocks, those that must stay free. */
export function toStayFree(wanted: MakeRequest['free'], all: number): number {
  return 'percent' in wanted ? Math.ceil((all * wanted.percent) / 100) : wanted.blocks;
}

/** Inodes, of which `used` are, so that as many stay free as the request wants. */
export function inodesFor(used: number, wanted: MakeRequest['freeFiles']): number {
  return 'files' in wanted ? used + wanted.files : Math.ceil((used * 100) / (100 - wanted.percent));
}

/**
 * The smallest size that the request allows and with which nothing is missing.
 * @param unitBytes what the size is a multiple of, besides the request's sectors
 * @param missing bytes that are missing in an image of that size; 0: none
 * @throws MakefsError there is none
 */
export function chooseSize(
  type: string,
  request: MakeRequest,
  unitBytes: number,
  missing: (sizeBytes: number) => number,
): number {
  const { minimumSizeBytes, maximumSizeBytes } = request;
  const isExact = minimumSizeBytes === maximumSizeBytes;
  const unit = Math.max(unitBytes, request.sectorBytes);
  // Who says exactly how large it is knows why; the rest behind the last block is not used.
  const rounded = (bytes: number): number => (isExact ? bytes : Math.ceil(bytes / unit) * unit);
  let size = rounded(Math.max(minimumSizeBytes, unit));
  for (;;) {
    const more = missing(size);
    if (more <= 0) return size;
    const next = rounded(size + Math.max(more, unit));
    if (next > maximumSizeBytes) {
      throw new MakefsError(
        `the tree does not fit ${Math.min(size, maximumSizeBytes)} bytes as ${type}: ` +
          `about ${more} more are needed`,
      );
    }
    size = next;
  }
}

/** Blocks that point to the `blocks` of a file, in UFS's manner: `direct` of them are in its inode. */
export function indirectBlocks(blocks: number, direct: number, pointers: number): number {
  let rest = Math.max(0, blocks - direct);
  let all = 0;
  for (let level = 1, span = pointers; rest > 0; level++, span *= pointers) {
    const here = Math.min(rest, span);
    for (let i = 0, each = pointers; i < level; i++, each *= pointers) {
      all += Math.ceil(here / each);
    }
    rest -= here;
  }
  return all;
}

/** Pieces of a directory, of which no entry lies in two. */
export function directoryPieces(entriesBytes: readonly number[], pieceBytes: number): number {
  let pieces = 1;
  let used = 0;
  for (const bytes of entriesBytes) {
    if (used + bytes > pieceBytes) {
      pieces++;
      used = 0;
    }
    used += bytes;
  }
  return pieces;
}
