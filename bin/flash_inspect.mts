/** flash_inspect: looks into images of flash without mounting them. */
import { runFlashInspect } from './inspect_program.mjs';

process.exitCode = await runFlashInspect(process.argv);
