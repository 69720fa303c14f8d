/** fsu_touch */
import { touch } from '../src/fs-utils/touch.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(touch);
