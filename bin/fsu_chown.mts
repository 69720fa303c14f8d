/** fsu_chown */
import { chown } from '../src/fs-utils/chmod.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(chown);
