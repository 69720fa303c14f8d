/** What wear_lab report puts into a page besides the results: scripts that lie beside us. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { ReportParts } from '../src/wearlab/report.js';

/** scripts/prepare.mjs puts it there, so that an installed package needs no ECharts (62 MB). */
const PLOTTING = new URL('../src/wearlab/echarts.min.js', import.meta.url);
const SCRIPT = new URL('../src/wearlab/report_client.js', import.meta.url);

export const reportParts = (title: string): ReportParts => ({
  title,
  plotting: plotting(),
  script: readFileSync(SCRIPT, 'utf8'),
});

function plotting(): string {
  try {
    return readFileSync(fileURLToPath(PLOTTING), 'utf8');
  } catch {
    // A checkout that was compiled and not prepared.
    const path = createRequire(import.meta.url).resolve('echarts/dist/echarts.min.js');
    return readFileSync(path, 'utf8');
  }
}
