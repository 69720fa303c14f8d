/** fsu_diff */
import { diff } from '../src/fs-utils/diff.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(diff);
