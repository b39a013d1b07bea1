// Writes release.json into a folder with packages: what is said to those who ask
// whether there is a newer release. It is the same for the same commit.
//
//   node scripts/manifest.mjs DIST          from what is there, of this commit
//   node scripts/manifest.mjs DIST DATE     the one that is there holds until DATE
//
// VERSION, SOURCE_DATE_EPOCH and UPDATE_DAYS come from scripts/package.sh. Afterwards
// it has to be signed: minisign -S -s KEY -m DIST/release.json

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [dist, until] = process.argv.slice(2);
const path = join(dist, 'release.json');

function fail(text) {
  console.error(`manifest: ${text}`);
  process.exit(1);
}

/** The part of the changelog that is about a version; until it has one, what is unreleased. */
function notes(version) {
  const parts = readFileSync('CHANGELOG.md', 'utf8').split(/^## /m).slice(1);
  const words = (part) => part.split('\n')[0].replace(/[[\]]/g, '').trim().split(/\s+/);
  const part = parts.find((p) => words(p)[0].replace(/^v/, '') === version.replace(/^v/, '')) ?? parts.find((p) => words(p)[0] === 'Unreleased');
  if (!part) fail(`CHANGELOG.md has neither ${version} nor Unreleased`);
  const text = part.slice(part.indexOf('\n')).trim() + '\n';
  if (Buffer.byteLength(text) > 60_000) fail('the notes have more than 60,000 bytes');
  return text;
}

function make() {
  const { VERSION: version, SOURCE_DATE_EPOCH: epoch, UPDATE_DAYS: days } = process.env;
  if (!version || !epoch || !(Number(days) > 0)) fail('VERSION, SOURCE_DATE_EPOCH or UPDATE_DAYS is not set');
  const names = readdirSync(dist).filter((name) => !/^(SHA256SUMS|release\.json)/.test(name)).sort();
  const vmo = names.find((name) => /^vmo-.*-linux-amd64$/.test(name)) ?? fail(`there is no vmo for linux in ${dist}`);
  const { archive_schema, journal_format } = JSON.parse(execFileSync(join(dist, vmo), ['version', '--json'], { encoding: 'utf8' }));
  const date = new Date(epoch * 1000);
  return {
    format: 1,
    program: 'vm-orchestrator',
    version,
    date,
    expires: new Date(date.getTime() + days * 86_400_000),
    archive_schema,
    journal_format,
    notes: notes(version),
    files: names.map((name) => ({ name, size: statSync(join(dist, name)).size, sha256: createHash('sha256').update(readFileSync(join(dist, name))).digest('hex') })),
  };
}

function renew() {
  const expires = new Date(until);
  if (Number.isNaN(expires.getTime())) fail(`${until} is no date such as 2027-05-31`);
  return { ...JSON.parse(readFileSync(path, 'utf8')), expires };
}

writeFileSync(path, JSON.stringify(until ? renew() : make(), null, 2) + '\n');
