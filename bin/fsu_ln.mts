/** fsu_ln */
import { ln } from '../src/fs-utils/ln.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(ln);
