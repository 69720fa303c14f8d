/** fsu_write */
import { write } from '../src/fs-utils/write.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(write);
