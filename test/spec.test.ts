/** SPEC.md says what the code does. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderSpec } from '../scripts/spec_tables.js';
import { projectRoot } from './images/project.js';

describe('SPEC.md', () => {
  it('has the tables that the code makes (npm run spec makes them anew)', () => {
    const document = readFileSync(join(projectRoot(), 'SPEC.md'), 'utf8');
    expect(document.match(/<!-- table: /g)).to.have.lengthOf(10);
    expect(renderSpec(document)).to.equal(document);
  });

  it('a table that nobody makes is an error', () => {
    expect(() => renderSpec('<!-- table: nothing --><!-- end -->')).to.throw('"nothing"');
  });
});
