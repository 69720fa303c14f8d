/** Makes the tables of SPEC.md anew, `npm run spec`; test/spec.test.ts demands that it changes nothing. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { renderSpec } from './spec_tables.js';

const file = fileURLToPath(new URL('../../SPEC.md', import.meta.url));
const before = readFileSync(file, 'utf8');
const after = renderSpec(before);
writeFileSync(file, after);
console.log(before === after ? 'SPEC.md is up to date' : 'SPEC.md was changed');
