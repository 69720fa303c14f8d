/** One contract, three hosts: every case runs on all of them. */
import { expect } from 'chai';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { BrowserHost } from '../../src/rumpuser/browser.js';
import { NodeHost } from '../../src/rumpuser/node.js';
import { HostError, RUMPUSER_VERSION, type Rumpuser } from '../../src/rumpuser/rumpuser.js';
import { SimulatedHost } from '../../src/rumpuser/simulated.js';

interface Row {
  readonly name: Rumpuser['name'];
  make(console: (level: number, line: string) => void): Rumpuser;
  /** Where files may be made. */
  readonly directory: string;
  consoleOf(host: Rumpuser, seen: string[]): string[];
  /** Lets the host be idle once, that long from now. */
  idle(host: Rumpuser, delayMs: number): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (from: Uint8Array): string => new TextDecoder().decode(from);

function expectHostError(code: string, call: () => unknown): HostError {
  try {
    call();
  } catch (error) {
    expect(error).to.be.instanceOf(HostError);
    expect((error as HostError).code).to.equal(code);
    return error as HostError;
  }
  throw new Error(`nothing was thrown instead of ${code}`);
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'rumpuser-'));
const turn = (delayMs: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, delayMs + 1);
  });

const rows: Row[] = [
  {
    name: 'node',
    make: (console) => new NodeHost({ console }),
    directory: scratch,
    consoleOf: (_host, seen) => seen,
    idle: (_host, delayMs) => turn(delayMs),
  },
  {
    name: 'simulated',
    make: () => new SimulatedHost({ params: { PATH: '/bin' } }),
    directory: '/image',
    consoleOf: (host) => (host as SimulatedHost).consoleLines.map(({ line }) => line),
    idle: async (host, delayMs) => {
      (host as SimulatedHost).advance(delayMs);
      (host as SimulatedHost).runIdle();
    },
  },
  {
    name: 'browser',
    make: (console) => new BrowserHost({ console, params: { PATH: '/bin' } }),
    directory: '/image',
    consoleOf: (_host, seen) => seen,
    idle: (_host, delayMs) => turn(delayMs),
  },
];

after(() => fs.rmSync(scratch, { recursive: true }));

for (const row of rows) {
  describe(`rumpuser: ${row.name}`, () => {
    let host: Rumpuser;
    let seen: string[];
    let serial = 0;
    const fresh = (): string => `${row.directory}/file${serial++}`;
    const made = (content: string): string => {
      const name = fresh();
      host.replaceFile(name, bytes(content));
      return name;
    };

    beforeEach(() => {
      seen = [];
      host = row.make((_level, line) => seen.push(line));
    });

    it('says its version and name', () => {
      expect(host.version).to.equal(RUMPUSER_VERSION);
      expect(host.name).to.equal(row.name);
    });

    it('has a monotonic clock that a sleep moves on', () => {
      const before = host.monotonicMs();
      host.sleepMs(3);
      expect(host.monotonicMs() - before).to.be.at.least(2.9);
    });

    it('has a wall clock after 2019 that moves with the other', () => {
      const before = host.wallClockMs();
      expect(before).to.be.above(Date.UTC(2019, 11, 31));
      host.sleepMs(3);
      expect(host.wallClockMs()).to.be.above(before);
    });

    it('fills a whole buffer with random bytes, more than 64 KiB too', () => {
      const buffer = new Uint8Array(70_000);
      host.getrandom(buffer);
      for (const start of [0, 65_536, 69_936]) {
        expect(buffer.subarray(start, start + 64).some((byte) => byte !== 0)).to.equal(true);
      }
    });

    it('answers parameters, undefined for unknown ones', () => {
      expect(host.getparam('PATH')).to.be.a('string');
      expect(host.getparam('LUMP_NO_SUCH_PARAMETER')).to.equal(undefined);
    });

    it('opens nothing that does not exist, unless asked to create it', () => {
      const name = fresh();
      expectHostError('ENOENT', () => host.open(name, 'read'));
      const error = expectHostError('ENOENT', () => host.open(name, 'write'));
      expect(error.path).to.equal(name);
      host.open(name, 'create').close();
      expect(host.getfileinfo(name)).to.deep.equal({ type: 'regular', sizeBytes: 0 });
    });

    it('does not truncate on create', () => {
      const name = made('kept');
      host.open(name, 'create').close();
      expect(text(host.readFile(name))).to.equal('kept');
    });

    it('reads at any offset, short only at the end', () => {
      const file = host.open(made('0123456789'), 'read');
      const buffer = new Uint8Array(8).fill(0x2e);
      expect(file.size()).to.equal(10);
      expect(file.read(buffer, 2, 4, 3)).to.equal(4);
      expect(text(buffer)).to.equal('..3456..');
      expect(file.read(buffer, 0, 8, 7)).to.equal(3);
      expect(file.read(buffer, 0, 8, 10)).to.equal(0);
      expect(file.read(buffer, 0, 8, 1000)).to.equal(0);
      expect(file.read(buffer, 0, 0, 0)).to.equal(0);
      file.close();
    });

    it('writes at any offset, with zeroes before', () => {
      const name = made('ab');
      const file = host.open(name, 'write');
      file.write(bytes('xyz'), 1, 2, 5);
      expect(file.size()).to.equal(7);
      file.write(bytes('A'), 0, 1, 0);
      file.sync();
      file.close();
      expect(text(host.readFile(name))).to.equal('Ab\0\0\0yz');
    });

    it('refuses to write through a descriptor for reading', () => {
      const file = host.open(made('ab'), 'read');
      expectHostError('EBADF', () => file.write(bytes('x'), 0, 1, 0));
      file.close();
    });

    it('truncates shorter, and longer with zeroes where bytes were', () => {
      const name = made('abcdef');
      const file = host.open(name, 'write');
      file.truncate(2);
      file.truncate(4);
      file.close();
      expect(text(host.readFile(name))).to.equal('ab\0\0');
    });

    it('shows one open file’s writes to another', () => {
      const name = made('old');
      const reader = host.open(name, 'read');
      const writer = host.open(name, 'write');
      writer.write(bytes('new!'), 0, 4, 0);
      const buffer = new Uint8Array(4);
      expect(reader.read(buffer, 0, 4, 0)).to.equal(4);
      expect(text(buffer)).to.equal('new!');
      reader.close();
      writer.close();
    });

    it('answers EBADF on a closed file, and closes twice', () => {
      const file = host.open(made('ab'), 'write');
      file.close();
      file.close();
      expectHostError('EBADF', () => file.size());
      expectHostError('EBADF', () => file.read(new Uint8Array(1), 0, 1, 0));
      expectHostError('EBADF', () => file.write(new Uint8Array(1), 0, 1, 0));
      expectHostError('EBADF', () => file.sync());
    });

    it('replaces, appends, unlinks', () => {
      const name = made('one');
      host.replaceFile(name, bytes('two'));
      host.appendFile(name, bytes('+three'));
      expect(text(host.readFile(name))).to.equal('two+three');
      host.unlink(name);
      expectHostError('ENOENT', () => host.readFile(name));
      expectHostError('ENOENT', () => host.unlink(name));
      expectHostError('ENOENT', () => host.getfileinfo(name));
      host.appendFile(name, bytes('new'));
      expect(text(host.readFile(name))).to.equal('new');
    });

    it('hands out copies of small files', () => {
      const name = made('abc');
      const given = bytes('xyz');
      host.replaceFile(name, given);
      given.fill(0x30);
      host.readFile(name).fill(0x31);
      expect(text(host.readFile(name))).to.equal('xyz');
    });

    it('locks: many readers or one writer, until unlock', () => {
      const name = made('image');
      const first = host.lock(name, 'shared');
      const second = host.lock(name, 'shared');
      expectHostError('EWOULDBLOCK', () => host.lock(name, 'exclusive'));
      first.unlock();
      first.unlock();
      expectHostError('EWOULDBLOCK', () => host.lock(name, 'exclusive'));
      second.unlock();
      const writer = host.lock(name, 'exclusive');
      const error = expectHostError('EWOULDBLOCK', () => host.lock(name, 'shared'));
      expect(error.path).to.equal(name);
      expectHostError('EWOULDBLOCK', () => host.lock(name, 'exclusive'));
      writer.unlock();
      host.lock(name, 'exclusive').unlock();
      expectHostError('ENOENT', () => host.lock(fresh(), 'shared'));
    });

    it('writes console lines', () => {
      host.console(4, 'first');
      host.console(6, 'second');
      expect(row.consoleOf(host, seen)).to.deep.equal(['first', 'second']);
    });

    it('calls back when idle: the latest request, once, and not a withdrawn one', async () => {
      const calls: string[] = [];
      host.requestIdle(() => calls.push('replaced'), 0);
      host.requestIdle(() => calls.push('latest'), 0);
      await row.idle(host, 2);
      await row.idle(host, 2);
      expect(calls).to.deep.equal(['latest']);
      host.requestIdle(() => calls.push('withdrawn'), 0);
      host.requestIdle(null, 0);
      await row.idle(host, 2);
      expect(calls).to.deep.equal(['latest']);
      host.requestIdle(() => calls.push('later'), 2);
      await row.idle(host, 4);
      expect(calls).to.deep.equal(['latest', 'later']);
    });

    it('crc32, where it has one, is zlib’s', () => {
      const data = bytes('..123456789..');
      const crc = host.crc32?.(data, 2, 9, 0) ?? 0xcbf43926;
      expect(crc).to.equal(0xcbf43926);
      const continued = host.crc32?.(data, 6, 5, host.crc32(data, 2, 4, 0)) ?? 0xcbf43926;
      expect(continued).to.equal(0xcbf43926);
    });
  });
}
