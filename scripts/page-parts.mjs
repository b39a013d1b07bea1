// What the page may contain: every package of the lock file but those that only
// builds and tests need. Run by itself, prints it as a CycloneDX bill. Not npm's
// own: with --omit dev that one leaves out what a development package needs too,
// which is Svelte.
//
//   VERSION=v1.2.3 node scripts/page-parts.mjs

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const page = fileURLToPath(new URL('../frontend', import.meta.url));

export function pageParts() {
  const { packages } = JSON.parse(readFileSync(join(page, 'package-lock.json'), 'utf8'));
  return Object.entries(packages)
    .map(([path, about]) => ({ ...about, dir: join(page, path), name: path.replace(/^.*node_modules\//, '') }))
    .filter(({ name, dir, dev, extraneous, peer }) => name && !dev && !extraneous && !(peer && !existsSync(dir)));
}

function component({ name, version, license, integrity }) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`;
  const [alg, sum] = integrity.split('-');
  return {
    'bom-ref': purl, type: 'library', name, version, purl, scope: 'required',
    hashes: [{ alg: alg.replace('sha', 'SHA-'), content: Buffer.from(sum, 'base64').toString('hex') }],
    licenses: license ? [/ (OR|AND|WITH) /.test(license) ? { expression: license } : { license: { id: license } }] : undefined,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json', bomFormat: 'CycloneDX', specVersion: '1.5', version: 1,
    metadata: { component: { type: 'application', name: 'vm-orchestrator-page', version: process.env.VERSION ?? 'dev' } },
    components: pageParts().map(component),
  };
  console.log(JSON.stringify(bill, null, 2));
}
