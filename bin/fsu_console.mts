/** fsu_console */
import { consoleTool } from '../src/fs-utils/console.js';
import { fsuProgram } from './fsu_program.mjs';

export const { program, main } = fsuProgram(consoleTool);
