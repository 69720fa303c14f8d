/** The report in a real browser: its plots are there, and answer to the pointer. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { reportParts } from '../../bin/wear_report.mjs';
import { reportPage } from '../../src/wearlab/report.js';
import type { Run } from '../../src/wearlab/run_results.js';
import { Browser, chromium } from './browser.js';
import { makeRun } from './material.js';

/** Three policies on two fill levels with two seeds, and one run under another clock. */
function sweep(): Run[] {
  const runs: Run[] = [];
  for (const [n, name] of ['linux', 'greedy', 'dual_pool'].entries()) {
    for (const fill of [0.3, 0.8]) {
      for (const seed of [1, 2]) {
        runs.push(
          makeRun({
            seed,
            skew: 0.9 - 0.3 * n + 0.02 * seed,
            fill,
            amplification: 1.2 + fill + 0.1 * n,
            limit: 1000,
            changes: { policy: { name }, fill: { static: fill } },
          }),
        );
      }
    }
  }
  return [...runs, makeRun({ changes: { clock: { model: 'frozen', hz: 250 } } })];
}

const PLOTS = ['evenness', 'causes', 'lifetime', 'fill', 'lorenz', 'heat', 'histogram'].concat([
  'course',
  'amplification',
  'collected',
]);

/** What the page's tooltip says when the pointer is at a share of a plot's width and height. */
async function hover(browser: Browser, id: string, x: number, y: number): Promise<string> {
  const element = `document.getElementById('${id}')`;
  const box = await browser.evaluate<{ x: number; y: number; width: number; height: number }>(
    `${element}.scrollIntoView({ block: 'center' }), ${element}.getBoundingClientRect().toJSON()`,
  );
  await browser.movePointer(box.x + 2, box.y + 2);
  await browser.movePointer(box.x + x * box.width, box.y + y * box.height);
  return browser.evaluate<string>(`new Promise((resolve) => {
    const look = (n) => {
      const tip = [...${element}.querySelectorAll('div')].find((div) =>
        div.style.pointerEvents === 'none' && div.style.position === 'absolute' &&
        div.style.visibility !== 'hidden' && div.innerText.trim() !== '');
      if (tip || n === 0) resolve(tip ? tip.innerText : '');
      else setTimeout(look, 50, n - 1);
    };
    look(60);
  })`);
}

describe('wearlab: the report', function () {
  this.timeout(60_000);
  let browser: Browser | undefined;
  let folder: string;

  before(async function () {
    const program = chromium();
    if (program === undefined) {
      console.log('      chromium is not installed: the report is not looked at');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'lump-report-'));
    writeFileSync(
      join(folder, 'report.html'),
      reportPage(sweep(), reportParts('A <b>sweep</b> of policies')),
    );
    browser = await Browser.start(program);
    const url = pathToFileURL(join(folder, 'report.html')).href;
    await browser.open(url, { width: 1400, height: 900 }, 'light');
  });

  after(async () => {
    await browser?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  it('has all plots, none of them empty', async () => {
    // Axes and texts are grey; what has a colour is data.
    const coloured = await browser!.evaluate<Record<string, number>>(`(async () => {
      const coloured = {};
      for (const plot of document.querySelectorAll('.plot')) {
        let pixels = 0;
        for (let n = 0; n < 100 && pixels === 0; n++) {
          if (n > 0) await new Promise((resolve) => setTimeout(resolve, 50));
          for (const canvas of plot.querySelectorAll('canvas')) {
            const { width, height } = canvas;
            const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
            for (let i = 0; i < data.length; i += 4) {
              const [r, g, b] = data.subarray(i, i + 3);
              if (data[i + 3] > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 60) pixels++;
            }
          }
        }
        coloured[plot.id] = pixels;
      }
      return coloured;
    })()`);
    const wanted = PLOTS.flatMap((id) => [`g0-${id}`, ...(id === 'lifetime' ? [] : [`g1-${id}`])]);
    expect(coloured).to.have.all.keys(wanted);
    const empty = wanted.filter((id) => coloured[id]! < 50);
    expect(empty, JSON.stringify(coloured)).to.deep.equal([]);
  });

  const tips: readonly (readonly [id: string, x: number, y: number, RegExp])[] = [
    ['evenness', 0.6, 0.2, /static.*\nmean\s*\d.*\nseed 1\s*\d/s],
    [
      'causes',
      0.5,
      0.4,
      /bytes programmed per byte written\s*[12](\.\d+)?[\s\S]*cleanmarker\s*0\.01/,
    ],
    ['lifetime', 0.6, 0.3, /if all wear alike\s*[\d.]+ \wiB/],
    ['lorenz', 0.5, 0.5, /least worn \d+(\.\d+)? % of the blocks[\s\S]*even wear\s*\d+/],
    ['heat', 0.5, 0.4, /block \d+\n?erases so far\s*\d+[\s\S]*written\s*[\d.]+ MiB/],
    ['histogram', 0.5, 0.5, /erases\s*\d+[^b]*blocks\s*\d+/],
    ['course', 0.5, 0.5, /MiB written[\s\S]*most worn block\s*\d+/],
    ['amplification', 0.5, 0.5, /write amplification\s*1\.5/],
    ['collected', 0.2, 0.5, /clean\s*40\s*of all\s*1\.56 %/],
  ];
  for (const [id, x, y, wanted] of tips) {
    it(`tells figures where the pointer is: ${id}`, async () => {
      expect(await hover(browser!, `g0-${id}`, x, y)).to.match(wanted);
    });
  }

  it('draws the run that is chosen', async () => {
    const pixels = `[...document.querySelectorAll('#g0-heat canvas')]
      .map((canvas) => canvas.toDataURL()).join(' ')`;
    const choose = (id: string, value: string): string =>
      `(() => { const s = document.getElementById('${id}'); s.value = '${value}';
        s.dispatchEvent(new Event('change')); return new Promise((r) => setTimeout(r, 100)); })()`;
    const first = await browser!.evaluate<string>(pixels);
    await browser!.evaluate(choose('g0-run', '11'));
    const second = await browser!.evaluate<string>(pixels);
    await browser!.evaluate(choose('g0-mode', 'between'));
    const third = await browser!.evaluate<string>(pixels);
    expect(new Set([first, second, third]).size).to.equal(3);
  });

  it('says that runs under different clocks do not compare', async () => {
    const said = await browser!.evaluate<string>(`document.body.innerText`);
    expect(said).to.include('different clock models').and.include('Clock: frozen, HZ 250');
    expect(said).to.include('A <b>sweep</b> of policies');
    expect(said).to.match(/greedy, 30 % static\s+2\s/);
  });

  it('asks nobody for anything, and complains of nothing', () => {
    expect(browser!.complaints).to.deep.equal([]);
  });
});
