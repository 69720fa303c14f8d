/** fsu_du */
import { du } from '../src/fs-utils/du.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(du);
