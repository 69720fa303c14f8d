/** Files of checkpoints: what was written is read, and what does not fit is refused with reason. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  readCheckpoint,
  removeCheckpoint,
  type StoredRun,
  writeCheckpoint,
} from '../../bin/wear_checkpoint.mjs';

describe('wear_lab: files of checkpoints', () => {
  let folder: string;
  let file: string;
  const stored = {
    told: [{ line: '{"type":"header"}', type: 'header' }],
    checkpoint: { progress: 0.5, erases: 7, state: { cells: new Uint8Array([1, 2, 3]) } },
  } as unknown as StoredRun;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'lump-wear-'));
    file = join(folder, 'one.checkpoint');
    writeCheckpoint(file, 'lump 1', 'digest', stored);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are read as they were written', () => {
    expect(readCheckpoint(file, 'lump 1', 'digest')).to.deep.equal(stored);
    expect(readCheckpoint(join(folder, 'none'), 'lump 1', 'digest')).to.equal(null);
  });

  it('go with what a killed program left of one, but not with what another is writing', () => {
    const { pid: gone } = spawnSync(process.execPath, ['-e', '']);
    const leftOf = (pid: number): string => `.one.checkpoint.${pid}.0.new`;
    for (const pid of [gone, process.pid]) writeFileSync(join(folder, leftOf(pid)), '');
    removeCheckpoint(file);
    expect(readdirSync(folder)).to.deep.equal([leftOf(process.pid)]);
    removeCheckpoint(file);
  });

  it('are refused, each with its reason', () => {
    const changed = 'the experiment, its policy or a trace has changed since';
    expect(readCheckpoint(file, 'lump 1', 'other')).to.equal(changed);
    const program = 'it was written by lump 1; this is lump 2';
    expect(readCheckpoint(file, 'lump 2', 'digest')).to.equal(program);
    expect(readCheckpoint(folder, 'lump 1', 'digest')).to.match(/^EISDIR/);
    const good = readFileSync(file, 'latin1');
    for (const [content, why] of [
      ['', 'it is no checkpoint of wear_lab'],
      ['null\n', 'it is no checkpoint of wear_lab'],
      [good.replace('"version":1', '"version":9'), /^it has version 9 of the format; .* reads 1$/],
      [good.slice(0, -1), /^it is damaged/],
      [`${good.slice(0, -1)}?`, /^it is damaged/],
    ] as const) {
      writeFileSync(file, content, 'latin1');
      expect(readCheckpoint(file, 'lump 1', 'digest')).to.match(new RegExp(why));
    }
  });
});
