/** fsu_mkfifo */
import { mkfifo } from '../src/fs-utils/mkdir.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(mkfifo);
