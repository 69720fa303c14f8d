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
