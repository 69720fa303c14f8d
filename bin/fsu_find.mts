/** fsu_find */
import { find } from '../src/fs-utils/find.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(find);
