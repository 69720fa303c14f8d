/** Statistics of wear beside figures that numpy gave for the same numbers. */
import { expect } from 'chai';
import {
  histogram,
  lorenzCurve,
  projectLifetime,
  quantile,
  wearStatistics,
  writeAmplification,
} from '../../src/wearlab/statistics.js';

const PI = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3];
/** numpy: [(i*i*7) % 1009 + (i % 3) * 100 for i in range(1024)] */
const MANY = Uint32Array.from({ length: 1024 }, (_, i) => ((i * i * 7) % 1009) + (i % 3) * 100);
const DAY = 86_400;

describe('wearlab: statistics', () => {
  it("are numpy's, on a few blocks", () => {
    const s = wearStatistics(PI);
    expect(s).to.include({ blocks: 16, total: 80, min: 1, max: 9, mean: 5, median: 5 });
    expect(s.deviation).to.be.closeTo(2.692582403567252, 1e-12);
    expect(s.coefficientOfVariation).to.be.closeTo(0.5385164807134504, 1e-12);
    // Half the mean absolute difference of all pairs, relative to the mean.
    expect(s.gini).to.be.closeTo(0.30625, 1e-12);
    expect(s.maxToMean).to.equal(1.8);
    expect([0, 0.1, 0.5, 0.9, 1].map((share) => quantile(PI, share))).to.deep.equal([
      1, 1.5, 5, 9, 9,
    ]);
  });

  it("are numpy's, on many", () => {
    const s = wearStatistics(MANY);
    expect(s).to.include({ blocks: 1024, total: 615_923, min: 0, max: 1206, median: 604 });
    expect(s.deviation).to.be.closeTo(309.79461731436527, 1e-9);
    expect(s.coefficientOfVariation).to.be.closeTo(0.515047640906266, 1e-12);
    expect(s.gini).to.be.closeTo(0.29706713256719997, 1e-12);
    for (const [share, value] of [
      [0.01, 24.23],
      [0.1, 185.6],
      [0.9, 1009],
      [0.99, 1181],
    ] as const) {
      expect(quantile(MANY, share), String(share)).to.be.closeTo(value, 1e-9);
    }
  });

  it('of a flash that was never erased are those of even wear', () => {
    const s = wearStatistics(new Uint32Array(8));
    expect(s).to.include({ total: 0, coefficientOfVariation: 0, gini: 0, maxToMean: 1 });
    expect(lorenzCurve(new Uint32Array(8))[4]).to.deep.equal({ blocks: 0.5, erases: 0.5 });
    expect(histogram(new Uint32Array(8))).to.deep.equal([{ from: 0, to: 1, blocks: 8 }]);
    expect(() => wearStatistics([])).to.throw('no erase blocks');
  });

  it('the Lorenz curve has the sums of the least worn', () => {
    const curve = lorenzCurve(MANY, 5);
    expect(curve.map(({ blocks }) => blocks)).to.deep.equal([0, 0.25, 0.5, 0.75, 1]);
    const erases = [0, 0.08294543311420421, 0.27908196316747386, 0.5838197307130923, 1];
    for (const [n, point] of curve.entries()) expect(point.erases).to.be.closeTo(erases[n]!, 1e-12);
    // A point for every block, where there are few.
    expect(lorenzCurve([1, 1, 2])).to.deep.equal([
      { blocks: 0, erases: 0 },
      { blocks: 1 / 3, erases: 0.25 },
      { blocks: 2 / 3, erases: 0.5 },
      { blocks: 1, erases: 1 },
    ]);
  });

  it('the histogram has every block once', () => {
    const bins = histogram(MANY, 25);
    expect(bins[0]).to.include({ from: 0, to: 50 });
    expect(bins.map(({ blocks }) => blocks)).to.deep.equal([
      23, 15, 40, 33, 59, 42, 56, 40, 54, 48, 51, 42, 61, 43, 45, 51, 46, 57, 47, 49, 46, 40, 16,
      16, 4,
    ]);
    for (const [counts, binsMax] of [
      [PI, 3],
      [[1_000_000, 1_000_001], 40],
      [[7], 40],
    ] as const) {
      const few = histogram(counts, binsMax);
      expect(few.length).to.be.at.most(binsMax + 1);
      expect(few.reduce((sum, bin) => sum + bin.blocks, 0)).to.equal(counts.length);
      for (const { from, to, blocks } of few) {
        expect(counts.filter((count) => count >= from && count < to)).to.have.lengthOf(blocks);
      }
    }
    expect(histogram([])).to.deep.equal([]);
  });
});

describe('wearlab: projected lifetime', () => {
  it('is that of the fastest block, and of all alike', () => {
    // One block of four takes half of the erases: 20, the others 10, 5 and 5.
    const from = { hostBytes: 1000, seconds: DAY, eraseCounts: [10, 10, 10, 10] };
    const to = { hostBytes: 3000, seconds: 3 * DAY, eraseCounts: [30, 20, 15, 15] };
    const { atLeast, atMost } = projectLifetime(from, to, 110)!;
    // 80 erases left at 20 a span; at 10 a span when all wear alike.
    expect(atLeast).to.deep.equal({ hostBytes: 3000 + 4 * 2000, days: 3 + 4 * 2 });
    expect(atMost).to.deep.equal({ hostBytes: 3000 + 8 * 2000, days: 3 + 8 * 2 });
  });

  it('looks at the limit of each block', () => {
    const from = { hostBytes: 0, seconds: 0, eraseCounts: [0, 0] };
    const to = { hostBytes: 100, seconds: DAY, eraseCounts: [10, 10] };
    const { atLeast, atMost } = projectLifetime(from, to, [1000, 30])!;
    expect(atLeast).to.deep.equal({ hostBytes: 300, days: 3 });
    expect(atMost).to.deep.equal(atLeast);
    // A block at its end already: now.
    expect(projectLifetime(from, to, 10)!.atLeast).to.deep.equal({ hostBytes: 100, days: 1 });
  });

  it('is not known when nothing is erased', () => {
    const still = { hostBytes: 0, seconds: 0, eraseCounts: [1, 2] };
    expect(projectLifetime(still, { ...still, hostBytes: 5, seconds: 1 }, 10)).to.equal(null);
  });
});

describe('wearlab: write amplification', () => {
  it('is divided by cause', () => {
    const answer = writeAmplification({ data: 100, gc: 150, padding: 50 }, 200);
    expect(answer).to.deep.equal({ total: 1.5, byCause: { data: 0.5, gc: 0.75, padding: 0.25 } });
    expect(writeAmplification({ data: 100 }, 0)).to.equal(null);
  });
});
