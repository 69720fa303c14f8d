import { expect } from 'chai';
import { BackgroundClock } from '../../src/fuse/background.js';
import {
  FUSE_FORGET,
  FUSE_LOOKUP,
  FUSE_NOTIFY_REPLY,
  FUSE_WRITE,
} from '../../src/fuse/protocol.js';

/** A clock over virtual time, whose work answers what a test has planned. */
function rig(plan: number[]): {
  clock: BackgroundClock;
  rings: number[];
  worked: number[];
  advance(ms: number): void;
} {
  let now = 1000;
  const rings: number[] = [];
  const worked: number[] = [];
  const clock = new BackgroundClock({
    nowMs: () => now,
    work() {
      worked.push(now);
      now += 1;
      return plan.shift() ?? -1;
    },
    ring: (delayMs) => {
      rings.push(delayMs);
    },
  });
  return {
    clock,
    rings,
    worked,
    advance(ms) {
      now += ms;
    },
  };
}

describe('BackgroundClock', () => {
  it('asks once for a ring after changes, not after looks', () => {
    const { clock, rings } = rig([]);
    clock.served(FUSE_LOOKUP);
    clock.served(FUSE_NOTIFY_REPLY);
    expect(rings).to.deep.equal([]);
    clock.served(FUSE_WRITE);
    clock.served(FUSE_WRITE);
    clock.served(FUSE_FORGET);
    expect(rings).to.deep.equal([50]);
  });

  it('works at the ring and sleeps when there is nothing left', () => {
    const { clock, rings, worked, advance } = rig([-1]);
    clock.served(FUSE_WRITE);
    advance(50);
    clock.served(FUSE_NOTIFY_REPLY);
    expect(worked).to.deep.equal([1050]);
    clock.served(FUSE_NOTIFY_REPLY);
    expect(worked).to.have.length(1);
    expect(rings).to.deep.equal([50]);
  });

  it('a ring that comes early is asked for again', () => {
    const { clock, rings, worked, advance } = rig([-1]);
    clock.served(FUSE_WRITE);
    advance(49.75);
    clock.served(FUSE_NOTIFY_REPLY);
    expect(worked).to.deep.equal([]);
    expect(rings).to.deep.equal([50, 0.25]);
    advance(0.25);
    clock.served(FUSE_NOTIFY_REPLY);
    expect(worked).to.have.length(1);
  });

  it('work that goes on is cut into slices', () => {
    const { clock, rings, worked, advance } = rig([0, 0, 0, 0, 0, -1]);
    clock.served(FUSE_WRITE);
    for (let i = 0; i < 3; i++) {
      advance(rings.at(-1)!);
      clock.served(FUSE_NOTIFY_REPLY);
    }
    expect(rings).to.deep.equal([50, 2, 2]);
    expect(worked).to.deep.equal([1050, 1051, 1054, 1055, 1058, 1059]);
  });

  it('a ring that was lost is asked for again at the next change', () => {
    const { clock, rings, advance } = rig([]);
    clock.served(FUSE_WRITE);
    advance(1000);
    clock.served(FUSE_WRITE);
    expect(rings).to.deep.equal([50]);
    advance(100);
    clock.served(FUSE_WRITE);
    expect(rings).to.deep.equal([50, 50]);
  });

  it('a change may bring later work forward', () => {
    const { clock, rings, advance } = rig([30_000]);
    clock.served(FUSE_WRITE);
    advance(50);
    clock.served(FUSE_NOTIFY_REPLY);
    expect(rings).to.deep.equal([50, 30_000]);
    clock.served(FUSE_WRITE);
    expect(rings).to.deep.equal([50, 30_000, 50]);
  });
});
