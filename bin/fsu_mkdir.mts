/** fsu_mkdir */
import { mkdir } from '../src/fs-utils/mkdir.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(mkdir);
