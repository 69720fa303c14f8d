/** fsu_rm */
import { rm } from '../src/fs-utils/rm.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(rm);
