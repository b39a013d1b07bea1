// Runs `go test -json` with the given arguments and prints what a person wants to
// see: a line for each package, the output of what failed, the tests that were
// skipped and why, and a closing line with counts.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const go = spawn('go', ['test', '-json', ...process.argv.slice(2)], { stdio: ['ignore', 'pipe', 'inherit'] });
const output = new Map(); // of each test that has not passed, and of each package
const inPackage = new Map(); // how many tests each package has passed
const count = { pass: 0, fail: 0, skip: 0 };
const skipped = [];

for await (const line of createInterface({ input: go.stdout })) {
  let event;
  try {
    event = JSON.parse(line);
  } catch {
    console.log(line);
    continue;
  }
  const { Action: action, Package: pkg, ImportPath: built, Test: test, Output: text, Elapsed: seconds } = event;
  const key = `${pkg} ${test ?? ''}`;
  if (action === 'output') output.set(key, (output.get(key) ?? '') + text);
  if (action === 'build-output') process.stdout.write(text);
  if (action === 'build-fail') console.log(`FAILED  ${built} does not build`);
  if (!['pass', 'fail', 'skip'].includes(action)) continue;
  if (test) {
    count[action]++;
    if (action === 'pass') inPackage.set(pkg, (inPackage.get(pkg) ?? 0) + 1);
    if (action === 'fail') console.log(`FAILED  ${pkg} ${test}\n${output.get(key) ?? ''}`);
    if (action === 'skip') skipped.push(`${test}: ${(output.get(key) ?? '').split('\n').find((l) => /_test\.go:/.test(l))?.trim() ?? ''}`);
    output.delete(key);
    continue;
  }
  if (action === 'fail') {
    if (!inPackage.has(pkg) || count.fail === 0) count.fail++; // it died outside of any test
    console.log(`FAILED  ${pkg} (${seconds.toFixed(1)} s)\n${output.get(key) ?? ''}`);
  } else if (action === 'pass') {
    console.log(`ok      ${pkg.replace(/^vmorchestrator\/?/, '') || 'main.go'}, ${inPackage.get(pkg) ?? 0} tests, ${seconds.toFixed(1)} s`);
  }
  output.delete(key);
}
const code = await new Promise((resolve) => go.on('close', (c) => resolve(c ?? 1)));
if (code !== 0 && count.fail === 0) count.fail = 1;
for (const s of skipped) console.log(`skipped ${s}`);
console.log(`${count.pass} passed, ${count.fail} failed, ${count.skip} skipped`);
process.exitCode = code;
