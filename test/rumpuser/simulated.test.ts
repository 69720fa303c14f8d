/** What only the simulated host can do: crash, fail on demand, stop time. */
import { expect } from 'chai';
import { HostError } from '../../src/rumpuser/rumpuser.js';
import { type CrashLoss, SimulatedHost } from '../../src/rumpuser/simulated.js';

function unsyncedHost(seed: number): SimulatedHost {
  const host = new SimulatedHost({ seed });
  host.replaceFile('f', new Uint8Array(4096).fill(1));
  const file = host.open('f', 'write');
  file.write(new Uint8Array(512).fill(2), 0, 512, 0);
  file.sync();
  file.write(new Uint8Array(3072).fill(3), 0, 3072, 1024);
  file.truncate(8192);
  return host;
}

function afterCrash(seed: number, loss: CrashLoss): Uint8Array {
  const host = unsyncedHost(seed);
  host.crash(loss);
  return host.readFile('f');
}

describe('rumpuser: simulated', () => {
  it('time passes by sleeping and advancing only', () => {
    const host = new SimulatedHost({ wallClockMs: 1000 });
    expect(host.monotonicMs()).to.equal(0);
    host.sleepMs(1.5);
    host.advance(2);
    expect(host.monotonicMs()).to.equal(3.5);
    expect(host.wallClockMs()).to.equal(1003.5);
  });

  it('randomness is the seed’s', () => {
    const draw = (seed: number): string => {
      const buffer = new Uint8Array(32);
      new SimulatedHost({ seed }).getrandom(buffer);
      return buffer.join();
    };
    expect(draw(7)).to.equal(draw(7));
    expect(draw(7)).not.to.equal(draw(8));
  });

  it('a crash drops what was not synced, or keeps it all when only the process died', () => {
    const lost = afterCrash(1, 'all');
    expect(lost.length).to.equal(4096);
    expect(lost.subarray(0, 512).every((byte) => byte === 2)).to.equal(true);
    expect(lost.subarray(512).every((byte) => byte === 1)).to.equal(true);
    const kept = afterCrash(1, 'none');
    expect(kept.length).to.equal(8192);
    expect(kept.subarray(1024, 4096).every((byte) => byte === 3)).to.equal(true);
  });

  it('a power cut keeps some sectors, whole ones, the same for the same seed', () => {
    const shapes = new Set<string>();
    for (let seed = 1; seed <= 20; seed++) {
      const left = afterCrash(seed, 'some');
      expect(left.join()).to.equal(afterCrash(seed, 'some').join());
      expect([4096, 8192]).to.include(left.length);
      for (let at = 0; at < 4096; at += 512) {
        const sector = left.subarray(at, at + 512);
        const expected = at === 0 ? [2] : at < 1024 ? [1] : [1, 3];
        expect(expected).to.include(sector[0]);
        expect(sector.every((byte) => byte === sector[0])).to.equal(true);
      }
      shapes.add(left.join());
    }
    expect(shapes.size).to.be.above(10);
  });

  it('what was synced is out of reach of a crash, older writes to the same place, too', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const host = new SimulatedHost({ seed });
      const file = host.open('f', 'create');
      for (const value of [1, 2, 3]) {
        file.write(new Uint8Array(2048).fill(value), 0, 2048, 0);
        file.sync();
      }
      host.crash('some');
      expect(
        host.readFile('f').every((byte) => byte === 3),
        `seed ${seed}`,
      ).to.equal(true);
    }
  });

  it('a crash ends open files and locks', () => {
    const host = unsyncedHost(1);
    const file = host.open('f', 'write');
    host.lock('f', 'exclusive');
    host.crash('none');
    expect(() => file.size()).to.throw(HostError, 'closed');
    host.lock('f', 'exclusive').unlock();
  });

  it('every call that can fail is made to, at each of its turns', () => {
    const scenario = (host: SimulatedHost): void => {
      host.replaceFile('f', new Uint8Array(10));
      host.appendFile('f', new Uint8Array(10));
      const lock = host.lock('f', 'exclusive');
      const file = host.open('f', 'write');
      file.write(new Uint8Array(4), 0, 4, 0);
      file.read(new Uint8Array(4), 0, 4, 0);
      file.truncate(file.size());
      file.sync();
      file.close();
      lock.unlock();
      host.readFile('f');
      host.getfileinfo('f');
      host.unlink('f');
    };
    const clean = new SimulatedHost();
    scenario(clean);
    const total = [...clean.calls.values()].reduce((sum, count) => sum + count, 0);
    expect(total).to.equal(12);
    expect(clean.calls.size).to.equal(12);
    const failed = new Set<string>();
    for (let nth = 1; nth <= total; nth++) {
      const host = new SimulatedHost();
      host.failNth({ nth, code: 'EIO' });
      expect(() => scenario(host)).to.throw(HostError, 'EIO');
      failed.add([...host.calls.keys()].at(-1) as string);
    }
    expect(failed.size).to.equal(12);
  });

  it('a fault names its call, and lasts when asked to', () => {
    const host = new SimulatedHost();
    host.failNth({ call: 'write', nth: 2, code: 'ENOSPC', lasting: true });
    const file = host.open('f', 'create');
    const one = new Uint8Array([1]);
    file.write(one, 0, 1, 0);
    for (let i = 0; i < 3; i++) expect(() => file.write(one, 0, 1, 1)).to.throw('ENOSPC');
    file.sync();
    host.clearFaults();
    file.write(one, 0, 1, 1);
    expect(file.size()).to.equal(2);
  });

  it('a failing write may have written its beginning, never more', () => {
    const lengths = new Set<number>();
    for (let seed = 1; seed <= 30; seed++) {
      const host = new SimulatedHost({ seed });
      const file = host.open('f', 'create');
      host.failNth({ call: 'write', nth: 1, code: 'EIO' });
      expect(() => file.write(new Uint8Array(8).fill(9), 0, 8, 0)).to.throw('EIO');
      lengths.add(file.size());
      expect(host.readFile('f').every((byte) => byte === 9)).to.equal(true);
    }
    expect(Math.max(...lengths)).to.be.below(8);
    expect(lengths.size).to.be.above(4);
  });
});
