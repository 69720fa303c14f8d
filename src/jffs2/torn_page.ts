/**
 * The page in which the power went, on media with a write buffer.
 *
 * Of a page that was programmed in part any of its nodes may be there. An entry's deletion without
 * the new entry that was written before it would cost a file (Linux believes it); so, of such a
 * page, only a beginning is believed: what is behind the first bad node is dirt. A page is suspect
 * when it is the last of its block that is programmed; on NAND, when its ECC is not in order
 * either. As long as nothing is written behind it, every mount decides the same.
 */
import { Errno } from '../lump/errno.js';
import type { jffs2_eraseblock, jffs2_sb_info } from './nodelist.js';

/** Where it is in a buffer that holds the block. */
export interface torn_page {
  readonly from: number;
  readonly to: number;
}

/** The suspect page of a block that lies in `buf[start … end)`, if there is one. @throws EIO */
export function jffs2_torn_page(
  c: jffs2_sb_info,
  jeb: jffs2_eraseblock,
  buf: Uint8Array,
  start: number,
  end: number,
): torn_page | null {
  if (c.wbuf === null) return null;
  const size = c.wbuf.page.length;
  let last = end;
  while (last > start && buf[last - 1] === 0xff) last--;
  if (last === start) return null;
  const from = start + Math.floor((last - 1 - start) / size) * size;
  const page = { from, to: from + size };
  if (c.oob_cleanmarker > 0) return isClean(c, jeb.offset + from - start, size) ? null : page;
  return page.to < end ? page : null;
}

/** Is the ECC of a page in order? @throws EIO */
function isClean(c: jffs2_sb_info, ofs: number, len: number): boolean {
  const { ecc_stats } = c.mtd;
  const before = ecc_stats.corrected + ecc_stats.failed;
  try {
    c.mtd.read(ofs, len, new Uint8Array(len), 0);
  } catch (error) {
    if (!(error instanceof Errno && (error.code === 'EUCLEAN' || error.code === 'EBADMSG'))) {
      throw error;
    }
    return false;
  }
  return ecc_stats.corrected + ecc_stats.failed === before;
}
