'use strict';
/** Runs a program of dist/bin: what every launcher in this folder does. */
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

module.exports = async function launch(name) {
  const file = join(__dirname, `../dist/bin/${name}.mjs`);
  if (!existsSync(file)) {
    console.error(`${name}: not built yet; run "npm ci" in the project first`);
    process.exitCode = 1;
    return;
  }
  const { main } = await import(pathToFileURL(file));
  process.exit(await main());
};
