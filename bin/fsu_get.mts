/** fsu_get */
import { get } from '../src/fs-utils/cp.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(get);
