/** fsu_chmod */
import { chmod } from '../src/fs-utils/chmod.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(chmod);
