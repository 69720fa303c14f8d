/** fsu_mv */
import { mv } from '../src/fs-utils/mv.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(mv);
