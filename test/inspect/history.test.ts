/** What is gone and still there: held against jffs2dump's list of nodes, and read by mactime. */
import { expect } from 'chai';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bodyFile, historyCsv } from '../../src/inspect/formats.js';
import { history } from '../../src/inspect/history.js';
import { filePieces } from '../../src/inspect/inode.js';
import { recoverable, type Recoverable } from '../../src/inspect/recover.js';
import type { State } from '../../src/inspect/state.js';
import { nodesInForce } from '../../src/inspect/usage.js';
import { FLASH_IMAGES_FOLDER, readFlashImages } from '../images/flash_images.js';
import { mountImage } from '../images/mount.js';
import { openState } from './inspect_tree.js';

const DUMP = ['/usr/sbin/jffs2dump', '/usr/bin/jffs2dump'].find((path) => existsSync(path));
const MACTIME = ['/usr/bin/mactime', '/usr/local/bin/mactime'].find((path) => existsSync(path));
const ERASE = 16_384;

/** An image in which all that can happen to a file has happened, each step a second apart. */
function eventful(): { bytes: Uint8Array; texts: Record<string, string> } {
  const mounted = mountImage(40 * ERASE, { eraseSizeBytes: ERASE });
  const { ukfs: u, host } = mounted;
  const texts = { first: 'the first text\n'.repeat(400), second: 'another one\n'.repeat(300) };
  const tick = (): void => host.advance(2000);
  u.mkdir('/dir');
  u.writeFile('/dir/overwritten', texts.first);
  tick();
  u.writeFile('/dir/overwritten', texts.second);
  tick();
  u.writeFile('/deleted', texts.first);
  tick();
  u.unlink('/deleted');
  tick();
  u.writeFile('/old', texts.second);
  tick();
  u.rename('/old', '/dir/renamed');
  tick();
  u.writeFile('/cut', texts.first);
  tick();
  u.truncate('/cut', 10);
  tick();
  u.chmod('/cut', 0o600);
  tick();
  u.writeFile('/victim', texts.first);
  u.writeFile('/replacement', texts.second);
  tick();
  u.rename('/replacement', '/victim');
  tick();
  u.mkdir('/gone');
  u.writeFile('/gone/inside', texts.second);
  tick();
  u.unlink('/gone/inside');
  u.rmdir('/gone');
  u.symlink('here', '/link');
  tick();
  u.unlink('/link');
  u.symlink('there', '/link');
  u.unmount();
  return { bytes: mounted.image(), texts };
}

function contentAt(state: State, ino: number, version: number): string {
  const inode = state.inodeAt(ino, version);
  const bytes = Buffer.alloc(inode.size);
  for (const piece of filePieces(state.flash, inode)) bytes.set(piece.bytes!, piece.from);
  return bytes.toString('latin1');
}

describe('history and recovery', () => {
  const { bytes, texts } = eventful();
  const state = openState(bytes, { erasesize: ERASE });
  const items = recoverable(state);
  const deleted = (path: string) =>
    items.find((item) => item.kind === 'deleted name' && item.path === path) as
      | Extract<Recoverable, { kind: 'deleted name' }>
      | undefined;

  it('brings back what was deleted, whole, and says why it is gone', () => {
    expect(deleted('deleted')).to.include({ type: 'file' });
    expect(deleted('deleted')!.content.remains).to.equal('intact');
    expect(deleted('deleted')!.evidence).to.match(/^deleted at .* by version \d+/);
    const { ino, version } = deleted('deleted')!.content;
    expect(contentAt(state, ino, version)).to.equal(texts.first);
    expect(deleted('victim')!.evidence).to.match(/^replaced at .* by inode \d+/);
    expect(contentAt(state, deleted('victim')!.ino, 1e9)).to.equal(texts.first);
    expect(deleted('old')!.livesAs).to.deep.equal(['dir/renamed']);
    expect(contentAt(state, deleted('gone/inside')!.ino, 1e9)).to.equal(texts.second);
    expect(deleted('gone')!.type).to.equal('dir');
    expect(deleted('link')!.content.type).to.equal('symlink');
  });

  it('brings back earlier versions', () => {
    const versions = items.filter((item) => item.kind === 'old version');
    const before = (path: string): string[] =>
      versions
        .filter((item) => item.path === path)
        .map(({ content }) => contentAt(state, content.ino, content.version));
    expect(before('dir/overwritten')).to.include(texts.first);
    expect(before('cut')).to.include(texts.first);
    expect(before('dir/renamed')).to.deep.equal([]);
  });

  it('puts all of it in order, and says what it cannot know', () => {
    const { events, limits } = history(state, nodesInForce(state));
    const order = events.map(({ kind, path }) => `${kind} ${path}`);
    const happened = [
      'create dir/overwritten',
      'truncate dir/overwritten',
      'name deleted',
      'delete deleted',
      'rename dir/renamed',
      'truncate cut',
      'attributes cut',
      'rename victim',
      'delete gone/inside',
      'delete gone',
    ];
    const places = happened.map((what) => order.indexOf(what));
    expect(places, order.join('\n')).to.not.include(-1);
    expect(places).to.deep.equal([...places].sort((a, b) => a - b));
    // Within one inode, versions never go back.
    const last = new Map<number, number>();
    for (const { versionsOf, version } of events) {
      expect(version).to.be.at.least(last.get(versionsOf) ?? 0);
      last.set(versionsOf, version);
    }
    expect(limits.join('\n')).to.include('clock of whoever wrote');
    const csv = [...historyCsv({ events, limits })];
    expect(csv).to.have.lengthOf(events.length + 1);
  });

  it('lists every name and version that jffs2dump sees', function () {
    if (DUMP === undefined) {
      console.log('      skipped: jffs2dump is not installed (mtd-utils)');
      this.skip();
    }
    const folder = mkdtempSync(join(tmpdir(), 'lump-history-'));
    try {
      for (const { file, byteOrder, nand } of readFlashImages().images) {
        if (nand !== undefined) continue;
        compareWithDump(join(FLASH_IMAGES_FOLDER, file), byteOrder === 'le' ? '-l' : '-b');
      }
      const own = join(folder, 'own.jffs2');
      writeFileSync(own, bytes);
      compareWithDump(own, '-l');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  /** Every entry that jffs2dump prints is a live name, a recoverable one, or a deletion. */
  function compareWithDump(image: string, order: string): void {
    const text = execFileSync(DUMP!, ['-c', order, image], {
      encoding: 'latin1',
      maxBuffer: 1 << 28,
    });
    const found = openState(readFileSync(image));
    const listed = new Set<string>();
    for (const item of recoverable(found)) {
      if (item.kind !== 'deleted name') continue;
      listed.add(`${item.ino} ${item.path.split('/').at(-1)}`);
    }
    const live = new Set<string>();
    for (const { path, dirent } of found.tree()) {
      if (dirent) live.add(`${dirent.ino} ${path.split('/').at(-1)}`);
    }
    let seen = 0;
    const pattern =
      /Dirent +node at 0x([0-9a-f]+).*#pino +(\d+), version +(\d+), #ino +(\d+), nsize +\d+, name (.*)/g;
    for (const [, , , , ino, name] of text.matchAll(pattern)) {
      seen++;
      if (ino === '0') continue;
      const key = `${ino} ${name}`;
      expect(live.has(key) || listed.has(key), `${image}: ${key}`).to.equal(true);
    }
    expect(seen).to.be.greaterThan(5);
    const events = history(found, nodesInForce(found)).events.filter(({ kind }) => kind !== 'gap');
    const entries = events.filter(({ kind }) => /^(name|replace|delete|rename|copy)$/.test(kind));
    expect(entries.length).to.be.at.least(seen);
  }

  it('mactime reads its body file', function () {
    const body = [...bodyFile(state, items)];
    for (const line of body) expect(line.split('|')).to.have.lengthOf(11);
    if (MACTIME === undefined) {
      console.log('      skipped: mactime is not installed (sleuthkit)');
      this.skip();
    }
    const { stdout, stderr, status } = spawnSync(MACTIME, ['-y', '-d'], {
      input: `${body.join('\n')}\n`,
      encoding: 'utf8',
    });
    expect(status, stderr).to.equal(0);
    expect(stderr).to.equal('');
    expect(stdout).to.match(/,r\/rrw-------,0,0,\d+,"?\/cut"?/);
    expect(stdout).to.include('/deleted (deleted)');
    expect(stdout).to.match(/\/dir\/overwritten \(version \d+\)/);
  });
});
