/** fsu_ls */
import { ls } from '../src/fs-utils/ls.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(ls);
