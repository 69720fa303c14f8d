/** Calls of the node:fs interface that once did not end, or would take all memory. */
import { expect } from 'chai';
import { Memfs } from '../../src/puffs/index.js';
import { createFs, Ukfs, type UkfsFs } from '../../src/ukfs/index.js';

describe('ukfs: node:fs comes to an end', () => {
  let fs: UkfsFs;
  beforeEach(() => {
    fs = createFs(new Ukfs(new Memfs()));
    fs.mkdirSync('/tree/below', { recursive: true });
  });

  it('mkdir of no name at all', () => {
    expect(() => fs.mkdirSync('', { recursive: true })).to.throw('ENOENT');
  });

  it('cp into itself, by a link (Node’s own copies ever deeper)', () => {
    fs.symlinkSync('/tree/below', '/link');
    for (const target of ['/link/copy', '/link/not yet/copy']) {
      const nested = (): void => fs.cpSync('/tree', target, { recursive: true });
      expect(nested).to.throw(`cannot copy /tree to a subdirectory of self ${target}`);
    }
    expect(fs.readdirSync('/tree/below')).to.deep.equal([]);
    fs.cpSync('/tree', '/elsewhere', { recursive: true });
    expect(fs.readdirSync('/elsewhere')).to.deep.equal(['below']);
  });

  it('readFile of more than 2 GiB, before it takes memory for it', () => {
    fs.writeFileSync('/holes', '');
    fs.truncateSync('/holes', 2 ** 31);
    expect(() => fs.readFileSync('/holes'))
      .to.throw(RangeError, 'File size (2147483648) is greater than 2 GiB')
      .with.property('code', 'ERR_FS_FILE_TOO_LARGE');
  });
});
