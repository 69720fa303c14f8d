/** formats/: current, and read by those whose languages they are in. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { parse } from 'yaml';
import { imhexPattern, kaitaiDescription, UNDESCRIBED } from '../../src/inspect/descriptions.js';
import { FLASH_IMAGES_FOLDER } from '../images/flash_images.js';
import { projectRoot } from '../images/project.js';
import { openState } from './inspect_tree.js';

const require = createRequire(import.meta.url);
const file = (name: string): string => readFileSync(join(projectRoot(), 'formats', name), 'utf8');

interface KaitaiNode {
  readonly nodetype: number;
  readonly totlen: number;
  readonly isObsolete: boolean;
  readonly body: Record<string, unknown>;
}

/** Compiled by Kaitai's own compiler, and its class. */
async function compile(): Promise<new (stream: unknown) => { words: { node?: KaitaiNode }[] }> {
  const compiler = require('kaitai-struct-compiler') as {
    compile(language: string, ksy: unknown, importer: unknown, debug: boolean): Promise<object>;
  };
  const files = (await compiler.compile('javascript', parse(file('jffs2.ksy')), null, false)) as {
    'Jffs2.js': string;
  };
  const { KaitaiStream } = require('kaitai-struct');
  const module = { exports: {} as Record<string, unknown> };
  const context = {
    module,
    exports: module.exports,
    require: () => KaitaiStream,
    Uint8Array,
    ArrayBuffer,
    DataView,
  };
  runInNewContext(files['Jffs2.js'], context);
  return (module.exports.Jffs2 ?? module.exports) as never;
}

describe('descriptions of the medium for other programs', () => {
  it('are what the declaration gives (npm run formats)', () => {
    expect(file('jffs2.ksy')).to.equal(kaitaiDescription());
    expect(file('jffs2.hexpat')).to.equal(imhexPattern());
    expect(UNDESCRIBED).to.deep.equal([]);
  });

  it("Kaitai's compiler takes the one, and its parser finds every node", async function () {
    this.timeout(60_000);
    const Jffs2 = await compile();
    const { KaitaiStream } = require('kaitai-struct');
    for (const name of ['kernel.jffs2', 'xattrs.jffs2', 'summary.jffs2']) {
      const bytes = new Uint8Array(readFileSync(join(FLASH_IMAGES_FOLDER, name)));
      const { words } = new Jffs2(new KaitaiStream(bytes.buffer));
      const found = words.flatMap(({ node }) => (node === undefined ? [] : [node]));
      const { pieces, flash, ...state } = ((s) => ({
        pieces: s.pieces,
        flash: s.flash,
        inode: (n: number) => s.inodeNode(n),
        dirent: (n: number) => s.direntNode(n),
      }))(openState(bytes));
      const mine = [...Array(pieces.count).keys()].filter((n) => pieces.isNode(n));
      expect(found.length, name).to.equal(mine.length);
      found.forEach((node, i) => {
        const n = mine[i]!;
        expect(node.totlen).to.equal(flash.u32(pieces.at(n) + 4));
        expect(node.nodetype | 0x2000).to.equal(pieces.type(n));
        if (pieces.type(n) === 0xe002) {
          const { ino, version, isize, csize } = state.inode(n);
          expect(node.body).to.include({ ino, version, isize, csize });
        }
        if (pieces.type(n) === 0xe001) {
          const { pino, version, name: own } = state.dirent(n);
          expect(node.body).to.include({ pino, version });
          expect(Buffer.from(node.body.name as Uint8Array).toString('latin1')).to.equal(own);
        }
        if (pieces.type(n) === 0x2006) {
          expect((node.body.entries as unknown[]).length).to.equal(node.body.sumNum);
          expect((node.body.marker as { magic: number }).magic).to.equal(0x02851885);
        }
      });
    }
  });

  it('the ImHex pattern has every structure, braces in pairs', () => {
    const text = imhexPattern();
    expect(text.split('{').length).to.equal(text.split('}').length);
    expect(text).to.match(/struct jffs2_raw_inode \{\n {4}u32 ino;/);
  });
});
