/** fsu_cat */
import { cat } from '../src/fs-utils/cat.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(cat);
