/** Traces: recorded at the waist, read from files, and done again. */
import { expect } from 'chai';
import { nameToBytes } from '../../src/puffs/name.js';
import { Memfs } from '../../src/puffs/memfs.js';
import { puffs_trace, traceByteName, traceName } from '../../src/puffs/trace.js';
import { Ukfs } from '../../src/ukfs/ukfs.js';
import { runExperiment } from '../../src/wearlab/run.js';
import type { EndRecord } from '../../src/wearlab/result.js';
import { parseTrace } from '../../src/wearlab/trace_files.js';
import { TraceError } from '../../src/wearlab/trace_script.js';
import { experimentOf, refusal } from './material.js';

/** What `act` does to a file system on which `before` was done, as a trace. */
function record(act: (fs: Ukfs) => void, before: (fs: Ukfs) => void = () => {}): string[] {
  const memfs = new Memfs();
  before(new Ukfs(memfs));
  const lines: string[] = [];
  let clock = 10;
  const traced = puffs_trace(memfs, {
    now: () => {
      clock += 0.5;
      return clock;
    },
    started: new Date(0),
    line: (text) => lines.push(text),
    flush: () => {},
  });
  act(new Ukfs(traced));
  return lines;
}

/** One of any kind, without its time. */
type Told = { op: string; node: number; name: string; mode: number; value: number };

const recordsOf = (lines: readonly string[]): Told[] =>
  lines.slice(1).map((line) => {
    const { s, ...rest } = JSON.parse(line) as { s: number } & Told;
    expect(s).to.be.a('number');
    return rest;
  });

/** Without pauses. */
const script = (text: string) => parseTrace(text, 'x').filter(({ op }) => op !== 'pause');

/** What is done in it, without what was there. */
const doneIn = (text: string) =>
  script(text).filter((one) => one.op !== 'found' && !('found' in one && one.found === true));

describe('wearlab: traces of a mount', () => {
  it('have what there was, and what was done', () => {
    const lines = record(
      (fs) => {
        fs.writeFile('etc/new', new Uint8Array(10));
        const fd = fs.open('etc/old', 'r+');
        fs.write(fd, new Uint8Array(5000), 0, 5000, 100);
        fs.ftruncate(fd, 50);
        fs.fsync(fd);
        fs.close(fd);
        fs.rename('etc/new', 'newer');
        fs.link('newer', 'linked');
        fs.chmod('newer', 0o600);
        fs.chown('newer', 5, 6);
        fs.setxattr('newer', 'user.note', new Uint8Array([1, 2, 3]));
        fs.removexattr('newer', 'user.note');
        fs.unlink('newer');
        fs.symlink('target', 'sym');
        fs.readFile('linked');
        fs.mknod('null', 0o020666, 0x0103);
        fs.rmdir('empty');
        fs.sync();
      },
      (fs) => {
        fs.mkdir('etc');
        fs.mkdir('empty', 0o700);
        fs.writeFile('etc/old', new Uint8Array(777));
        fs.link('etc/old', 'second');
        fs.setxattr('etc/old', 'user.note', new Uint8Array([1, 2, 3]));
      },
    );
    expect(JSON.parse(lines[0]!)).to.include({ lumpTrace: 2, started: '1970-01-01T00:00:00.000Z' });
    const ops = recordsOf(lines);
    const found = ops.slice(0, 5);
    expect(found.map((one) => one.name)).to.have.members([
      'etc',
      'empty',
      'old',
      'second',
      'user.note',
    ]);
    const [etc, empty] = ['etc', 'empty'].map((wanted) =>
      found.find(({ name }) => name === wanted),
    );
    const { root } = JSON.parse(lines[0]!) as { root: number };
    const old = found.find((one) => one.name === 'old')!;
    expect(old).to.include({ op: 'found', type: 'file', bytes: 777, dir: etc!.node });
    expect(found.find((one) => one.op === 'xattr')).to.include({ bytes: 3, found: true });
    expect(empty).to.include({ type: 'directory', mode: 0o700 });

    const done = doneIn(lines.join('\n'));
    const made = (wanted: string) => ops.find((one) => one.op === 'create' && one.name === wanted)!;
    const file = made('new').node;
    const { value } = found.find((one) => one.op === 'xattr')!;
    const sym = made('sym');
    const special = made('null');
    const { mode } = made('new');
    expect(root).to.be.greaterThan(0);
    const [dir, name] = [0, 'newer'];
    expect(done).to.deep.equal(
      [
        { op: 'create', dir: etc!.node, name: 'new', node: file, type: 'file', bytes: 0, mode },
        { op: 'write', node: file, offset: 0, bytes: 10 },
        { op: 'write', node: old.node, offset: 100, bytes: 5000 },
        { op: 'truncate', node: old.node, bytes: 50 },
        { op: 'fsync', node: old.node },
        { op: 'rename', dir: etc!.node, name: 'new', node: file, toDir: dir, toName: name },
        { op: 'link', dir, name: 'linked', node: file },
        { op: 'attributes', node: file, mode: 0o600 },
        { op: 'attributes', node: file },
        { op: 'xattr', node: file, name: 'user.note', bytes: 3, value },
        { op: 'xattr', node: file, name: 'user.note', bytes: null, value: 0 },
        { op: 'remove', dir, name, node: file },
        { ...sym, dir },
        { op: 'read', node: file, offset: 0, bytes: 10 },
        { ...special, dir, device: [1, 3] },
        { op: 'remove', dir, name: 'empty', node: empty!.node },
        { op: 'gone', node: empty!.node },
        { op: 'sync' },
      ].map((one) => ({ ...one, ...('dir' in one && one.dir === root && { dir: 0 }) })),
    );
    expect(sym).to.include({ type: 'symlink', bytes: 6 });
  });

  it('keep names that are no UTF-8', () => {
    const name = 'caf\xe9';
    const lines = record((fs) => fs.mkdir(nameToBytes(name)));
    const [made] = recordsOf(lines);
    expect(made!.name).to.equal('caf\udce9');
    expect(traceByteName(made!.name)).to.equal(name);
    expect(traceByteName(traceName('caf\xc3\xa9'))).to.equal('caf\xc3\xa9');
    expect(traceName('\xf0\x9f\x98\x80')).to.equal('\u{1f600}');
    expect(traceByteName('\u{1f600}')).to.equal('\xf0\x9f\x98\x80');
  });

  it('pass through what fails, and do not record it', () => {
    const lines = record((fs) => {
      expect(() => fs.unlink('missing')).to.throw('ENOENT');
      expect(() => fs.rmdir('missing')).to.throw('ENOENT');
      fs.mkdir('a');
      expect(() => fs.mkdir('a')).to.throw('EEXIST');
      fs.rmdir('a');
    });
    expect(recordsOf(lines).map(({ op }) => op)).to.deep.equal(['create', 'remove', 'gone']);
  });

  it('tell of a file that is used without a name', () => {
    const lines = record((fs) => {
      const fd = fs.open('a', 'w');
      fs.unlink('a');
      fs.write(fd, new Uint8Array(7));
      fs.close(fd);
      fs.writeFile('b', 'one');
      fs.writeFile('c', 'two');
      fs.rename('c', 'b');
    });
    const done = doneIn(lines.join('\n')).map(({ op }) => op);
    expect(done).to.deep.equal(
      'create remove write gone create write create write rename gone'.split(' '),
    );
  });

  it('names that change places do so by a third', () => {
    const text = trace(
      '{"s":0,"op":"found","dir":9,"name":"a","node":2,"type":"file","bytes":5,"mode":420}',
      '{"s":0,"op":"found","dir":9,"name":"~0","node":3,"type":"file","bytes":5,"mode":420}',
      '{"s":0,"op":"rename","dir":9,"name":"a","node":2,"toDir":9,"toName":"~0","exchange":true}',
      '{"s":0,"op":"remove","dir":9,"name":"a","node":3}',
    );
    expect(
      doneIn(text).map((one) => (one.op === 'rename' ? `${one.name} ${one.toName}` : one.op)),
    ).to.deep.equal(['~0 ~1', 'a ~0', '~1 a', 'remove']);
  });

  it('are done again, in modelled time', () => {
    const text = record((fs) => {
      for (let n = 0; n < 60; n++) {
        fs.writeFile('state.new', new Uint8Array(20_000));
        fs.rename('state.new', 'state');
      }
      fs.sync();
    }).join('\n');
    const end = replay(text, { chip: { kind: 'nor', size: '1 MiB', erasesize: '64 KiB' } });
    expect(end).to.include({ reason: 'trace_end', hostBytes: 60 * 20_000 });
    expect(end.chipErases).to.be.greaterThan(5);
    // Half a second between two records, more or less.
    expect(end.deviceUs / 1e6).to.be.greaterThan(60);
  });

  it('every kind of change costs what it costs, in both fidelities', () => {
    const acl =
      '0200000001000600ffffffff0200040001000000' + // owner, a user
      '04000400ffffffff10000600ffffffff20000400ffffffff'; // group, mask, others
    const before = [
      '{"s":0,"op":"found","dir":9,"name":"d","node":2,"type":"directory","bytes":0,"mode":493}',
      '{"s":0,"op":"found","dir":2,"name":"f","node":3,"type":"file","bytes":40960,"mode":420}',
      '{"s":0,"op":"found","dir":9,"name":"g","node":3,"type":"file","bytes":40960,"mode":420}',
      '{"s":0,"op":"xattr","node":3,"name":"user.a","bytes":9,"value":7,"found":true}',
    ];
    const cost = (fidelity: string, ...lines: string[]): number[] => {
      const { chipBytes, deviceUs, reason, hostBytes } = replay(
        trace(...before, '{"s":0,"op":"sync"}', ...lines),
        { fidelity, filesystem: { compr: 'none', summary: false } },
      );
      expect(reason).to.equal('trace_end');
      return [chipBytes, deviceUs, hostBytes];
    };
    const kinds: readonly (readonly [string, number, ...string[]])[] = [
      ['nothing', 0],
      // A node of 40 bytes and its name, 68 for an inode.
      ['a directory', 41 + 68, made('a', 'directory')],
      ['a fifo', 41 + 68, made('a', 'fifo')],
      ['a device', 41 + 68 + 2, made('a', 'character', ',"device":[1,3]')],
      ['a symbolic link', 41 + 68 + 11, made('a', 'symlink', '', 11)],
      ['a link', 41, '{"s":0,"op":"link","dir":9,"name":"h","node":3}'],
      ['a removal', 41, '{"s":0,"op":"remove","dir":9,"name":"g","node":3}'],
      ['chmod', 68, '{"s":0,"op":"attributes","node":3,"mode":384}'],
      ['chown or touch', 68, '{"s":0,"op":"attributes","node":2}'],
      ['of the root', 68, '{"s":0,"op":"attributes","node":9}'],
      ['truncate', 68, '{"s":0,"op":"truncate","node":3,"bytes":5}'],
      ['an empty node of a tmpfile', 68, '{"s":0,"op":"tmpfile","node":5,"mode":384}'],
      // 32 bytes, the name with its NUL, the value, padded; a tie is 28 bytes.
      [
        'an attribute',
        40 + 28,
        '{"s":0,"op":"xattr","node":2,"name":"user.b","bytes":5,"value":1}',
      ],
      [
        'an attribute that is there',
        28,
        '{"s":0,"op":"xattr","node":2,"name":"user.a","bytes":9,"value":7}',
      ],
      ['without an attribute', 28, '{"s":0,"op":"xattr","node":3,"name":"user.a","bytes":null}'],
      [
        'an access list',
        // The mode changes as well: an inode's node.
        68 + 64 + 28,
        `{"s":0,"op":"xattr","node":3,"name":"system.posix_acl_access","bytes":44,"acl":"${acl}"}`,
      ],
    ];
    for (const [what, bytes, ...lines] of kinds) {
      const full = cost('full', ...lines);
      expect(full[0], what).to.equal(bytes);
      expect(cost('fast', ...lines), what).to.deep.equal(full);
    }
    for (const fidelity of ['full', 'fast']) {
      const read = '{"s":0,"op":"read","node":3,"offset":4000,"bytes":9000}';
      const once = cost(fidelity, read);
      expect(once[0]).to.equal(0);
      expect(once[1]).to.be.greaterThan(cost(fidelity)[1]!);
      // Then it is in the page cache.
      expect(cost(fidelity, read, read)).to.deep.equal(once);
      expect(cost('full', read)).to.deep.equal(cost('fast', read));
    }
  });

  it('what cannot be made is not written to either', () => {
    const big =
      '{"s":0,"op":"create","dir":9,"name":"n","node":8,"type":"file","bytes":0,"mode":0}';
    const writes = Array.from(
      { length: 200 },
      (_, n) => `{"s":0,"op":"write","node":8,"offset":${n * 65536},"bytes":65536}`,
    );
    const end = replay(trace(big, ...writes), {
      chip: { kind: 'nor', size: '1 MiB', erasesize: '64 KiB' },
    });
    expect(end).to.include({ reason: 'worn_out' });
    expect(end.message).to.match(/ENOSPC/);
  });
});

function made(name: string, type: string, more = '', bytes = 0): string {
  const what = `"name":"${name}","node":7,"type":"${type}","bytes":${bytes},"mode":384${more}`;
  return `{"s":0,"op":"create","dir":9,${what}}`;
}

/** Does a trace again. */
function replay(text: string, changes: object): EndRecord {
  const experiment = experimentOf({
    chip: { kind: 'nor', size: '1 MiB', erasesize: '64 KiB' },
    workload: [{ type: 'trace', trace: 'x' }],
    stop: { host_bytes: '1 GiB' },
    fidelity: 'full',
    ...changes,
  });
  return runExperiment(experiment, 1, { traces: new Map([['x', parseTrace(text, 'x')]]) });
}

const BLKPARSE = `
  8,0    1        1     0.000000000   512  Q  WS 2048 + 16 [sqlite3]
  8,0    1        2     0.000001000   512  G  WS 2048 + 16 [sqlite3]
  8,0    1        3     0.000002000   512  D  WS 2048 + 16 [sqlite3]
  8,0    0        1     0.250000000   513  Q   W 999999 + 2 [kworker]
  8,0    0        2     0.250500000   513  Q   R 10 + 8 [cat]
  8,0    0        3     0.251000000   513  Q  FN [jbd2]
  8,0    0        4     1.000000000   513  Q   W 2056 + 8 [kworker]
  8,0    0        5     1.000500000     0  C  WS 2048 + 16 [0]
  8,0    0        6     1.100000000   513  Q   D 2048 + 8 [fstrim]
CPU0 (8,0):
 Reads Queued:           1,        4KiB  Writes Queued:           3,       13KiB
Total (8,0):
`;

/** A traced disk is one file, which grows. */
const DISK = {
  op: 'found',
  dir: 0,
  name: 'disk',
  node: 1,
  type: 'file',
  bytes: 0,
  mode: 0o644,
};

const FOUND = '{"s":0,"op":"found","dir":9,"name":"a","node":2,"type":"file","bytes":5,"mode":420}';

describe('wearlab: traces of others', () => {
  it("blkparse's text: what was queued, as a file of the places that were written to", () => {
    expect(parseTrace(BLKPARSE, 'x')).to.deep.equal([
      DISK,
      { op: 'write', node: 1, offset: 0, bytes: 8192 },
      { op: 'fsync', node: 1 },
      { op: 'pause', ms: 250 },
      // Sector 999,999 is the last of its 4 KiB, and the next one the first of the next.
      { op: 'write', node: 1, offset: 8192 + 3584, bytes: 1024 },
      { op: 'pause', ms: 1 },
      { op: 'fsync', node: 1 },
      { op: 'pause', ms: 749 },
      { op: 'write', node: 1, offset: 4096, bytes: 4096 },
      { op: 'pause', ms: 100 },
    ]);
    // Only what was completed is there.
    const completed = BLKPARSE.split('\n').filter((line) => / C |^\s*$/.test(line));
    expect(script(completed.join('\n'))).to.deep.equal([
      DISK,
      { op: 'write', node: 1, offset: 0, bytes: 8192 },
      { op: 'fsync', node: 1 },
    ]);
  });

  it("DiskSim's", () => {
    expect(parseTrace('# a comment\n0.5 0 80 8 0\n2.5 0 0 8 1\n10 0 88 4 0\n', 'x')).to.deep.equal([
      DISK,
      { op: 'write', node: 1, offset: 0, bytes: 4096 },
      { op: 'pause', ms: 2 },
      { op: 'pause', ms: 7.5 },
      { op: 'write', node: 1, offset: 4096, bytes: 2048 },
    ]);
  });

  for (const [what, text, wanted] of [
    ['nothing', '', /^x.trace: nothing in it writes/],
    ['only reads of a disk', '0.5 0 80 8 1\n', /nothing in it writes/],
    ['only what was there', trace(FOUND), /nothing in it writes/],
    ['text', 'hello world\n', /^x.trace: line 1: is of no known trace: neither .* blkparse/],
    ['JSON of another kind', '{"a": 1}\n', /line 1: is no header of a trace of lump_jffs2/],
    ['an earlier version', '{"lumpTrace": 1}\n', /version 2.*must be recorded anew/],
    ['a cut line', '{"lumpTrace":2,"root":1}\n{"s":1,"op":"wr', /line 2: is no JSON; was .* cut/],
    ['an unknown file', trace('{"s":1,"op":"write","node":7}'), /file 7 was neither found nor/],
    ['an unknown operation', trace('{"s":1,"op":"fly"}'), /operation "fly" is not known/],
    ['a record without a time', trace('{"op":"sync"}'), /line 2: has no time/],
    [
      'a negative size',
      trace('{"s":1,"op":"create","node":2,"dir":9,"name":"a","type":"file","bytes":-1}'),
      /line 2: -1 where a number of a file, or of bytes/,
    ],
    ['two mounts', trace('{"lumpTrace":2,"root":1}'), /line 2: a second header/],
    ['a time before the trace', trace('{"s":-1,"op":"sync"}'), /line 2: has no time/],
    ['a time after all', trace('{"s":1e300,"op":"sync"}'), /line 2: has no time/],
    ['what was there, too late', trace('{"s":1,"op":"sync"}', FOUND), /line 3: .* comes first/],
    ['a name twice', trace(FOUND, FOUND.replace('2', '3')), /"a" is in directory 9 already/],
    ['a name with a slash', trace(FOUND.replace('"a"', '"a/b"')), /"a\/b" is no name of a file/],
    ['the name ..', trace(FOUND.replace('"a"', '".."')), /"\.\." is no name of a file/],
    [
      'a long name',
      trace(FOUND.replace('"a"', `"${'\u00fc'.repeat(128)}"`)),
      /is no name of a file/,
    ],
    ['a file as a directory', trace(FOUND, FOUND.replace('9', '2')), /file 2 is no directory/],
    ['a type of its own', trace(FOUND.replace('"file"', '"door"')), /of type "door"; known: file,/],
    ['a mode of its own', trace(FOUND.replace('420', '99999')), /99999 is no mode/],
    [
      'a link without end',
      trace(FOUND.replace('"file"', '"symlink"').replace('5,', '9007199254740991,')),
      /a symbolic link of 9007199254740991 bytes/,
    ],
    ['a device of its own', trace(FOUND.replace('"file"', '"block"')), /undefined where a number/],
    [
      'content of a directory',
      trace(FOUND.replace('"file"', '"directory"'), '{"s":1,"op":"read","node":2}'),
      /file 2 is a directory/,
    ],
    [
      'a write without end',
      trace(FOUND, '{"s":1,"op":"write","node":2,"offset":0,"bytes":1e15}'),
      /1000000000000000 bytes at once/,
    ],
    [
      'the removal of what is elsewhere',
      trace(FOUND, '{"s":1,"op":"remove","dir":9,"name":"b","node":2}'),
      /"b" in directory 9 is not file 2/,
    ],
    [
      'an attribute of the kernel',
      trace(FOUND, '{"s":1,"op":"xattr","node":2,"name":"system.x","bytes":1}'),
      /an attribute "system.x"; names begin with/,
    ],
    [
      'an access list without entries',
      trace(FOUND, '{"s":1,"op":"xattr","node":2,"name":"system.posix_acl_access","bytes":4}'),
      /an access list of 4 bytes needs them in hex/,
    ],
    ['the end of the root', trace('{"s":1,"op":"gone","node":9}'), /the root directory stays/],
    [
      'blkparse in another format',
      `${BLKPARSE.split('\nCPU')[0]}\nsda W 17\n`,
      /line 11: is no line/,
    ],
    ['two devices', '0.5 0 80 8 0\n0.6 1 80 8 0\n', /line 2: of device 1; a trace is of one/],
    ['columns that are others', '0.5 0 8 99999999 0\n', /a write of 99999999 sectors/],
    ['a disk without end', '0.5 0 99999999999999 8 0\n', /line 1: the disk would be larger/],
  ] as const) {
    it(`${what} is refused`, () => {
      expect(refusal(TraceError, () => parseTrace(text, 'x.trace'))).to.match(wanted);
    });
  }
});

function trace(...lines: readonly string[]): string {
  return ['{"lumpTrace":2,"root":9,"started":""}', ...lines, ''].join('\n');
}
