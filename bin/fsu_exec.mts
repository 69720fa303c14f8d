/** fsu_exec */
import { exec } from '../src/fs-utils/exec.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(exec);
