// Prints the licences of everything that is built into the programs: the modules
// that the Go linker takes, Go itself, and the packages of the page. A part
// without a licence is an error.
//
//   node scripts/third-party.mjs >THIRD_PARTY.txt

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { pageParts } from './page-parts.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const legal = /^(licen[cs]e|copying|notice|patents|unlicense)([._-].*)?$/i;
const code = /\.(go|js|mjs|ts|c|h)$/i;

function texts(dir) {
  return readdirSync(dir, { withFileTypes: true })
    .filter((f) => f.isFile() && legal.test(f.name) && !code.test(f.name))
    .map((f) => f.name)
    .sort()
    .map((name) => readFileSync(join(dir, name), 'utf8').replaceAll('\r\n', '\n').trim());
}

function go(args, env = {}) {
  return execFileSync('go', args, { cwd: root, env: { ...process.env, ...env }, encoding: 'utf8', maxBuffer: 1 << 28 });
}

const parts = new Map(); // name and version -> texts

// What is linked differs between systems.
for (const GOOS of ['linux', 'windows', 'darwin']) {
  const list = go(
    ['list', '-deps', '-tags', 'desktop,production,webkit2_41', '-f', '{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}', '.', './cmd/vmo'],
    { GOOS, CGO_ENABLED: '1' },
  );
  for (const line of new Set(list.split('\n').filter(Boolean))) {
    const [path, version, dir] = line.split('\t');
    parts.set(`${path} ${version}`, texts(dir));
  }
}
parts.set(`Go ${go(['env', 'GOVERSION']).trim().replace(/^go/, '')}, its library and runtime`, texts(go(['env', 'GOROOT']).trim()));

for (const { name, version, dir } of pageParts()) {
  const found = texts(dir);
  const { license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  // Some packages name their licence and leave its text out.
  parts.set(`${name} ${version} (npm)`, found.length > 0 || !license ? found : [`Licence: ${license}`]);
}

const without = [...parts].filter(([, found]) => found.length === 0).map(([name]) => name);
if (without.length > 0) {
  console.error(`third-party: no licence found for ${without.join(', ')}`);
  process.exit(1);
}
const line = '-'.repeat(80);
console.log('VM Orchestrator contains the following, under these licences. GTK and WebKitGTK\n(LGPL) are not in it: the window uses those of the system.\n');
for (const name of [...parts.keys()].sort()) console.log(`${line}\n${name}\n${line}\n\n${parts.get(name).join('\n\n')}\n`);
