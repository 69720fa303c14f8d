/** fsu_mknod */
import { mknod } from '../src/fs-utils/mknod.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(mknod);
