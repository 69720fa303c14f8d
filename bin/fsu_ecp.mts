/** fsu_ecp */
import { ecp } from '../src/fs-utils/cp.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(ecp);
