/** `npm run formats`: writes the descriptions of the medium for other programs. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { imhexPattern, kaitaiDescription } from '../src/inspect/descriptions.js';

const folder = fileURLToPath(new URL('../../formats/', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}jffs2.ksy`, kaitaiDescription());
writeFileSync(`${folder}jffs2.hexpat`, imhexPattern());
