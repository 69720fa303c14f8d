/** fsu_stat */
import { stat } from '../src/fs-utils/stat.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(stat);
