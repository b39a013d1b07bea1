/* The projects and targets of the fake backend, and what each target does. */

import { Stream, type ProjectList, type Target, type TargetList } from './types';

export interface Step {
  wait: number; // ms
  text: string;
  stream?: number;
}

export interface Script {
  steps: Step[];
  exit?: number; // missing: runs until it is stopped
  echo?: boolean;
  flood?: number; // lines a second, for a minute
  stalls?: boolean;
  stubborn?: boolean; // does not stop when asked nicely
}

const say = (texts: string[], wait = 40): Step[] => texts.map((text) => ({ wait, text: `${text}\n` }));

const SCRIPTS: Record<string, Script> = {
  hello: { steps: say(['Hello from make.']), exit: 0 },
  build: {
    steps: [
      ...say(['go build -trimpath ./...', 'web: vite v8.3.8 building for production', '✓ 214 modules transformed.'], 250),
      ...say(Array.from({ length: 60 }, (_, i) => `\x1b[2mdist/assets/\x1b[0m\x1b[36mchunk-${String(i).padStart(3, '0')}.js\x1b[0m   ${(i * 37) % 240}.${i % 10} kB │ gzip: ${(i * 13) % 90}.${i % 9} kB`), 60),
      { wait: 100, text: '(!) Some chunks are larger than 500 kB after minification.\n', stream: Stream.stderr },
      ...say(['\x1b[32m✓ built in 3.41s\x1b[0m'], 200),
    ],
    exit: 0,
  },
  test: {
    steps: [
      ...say(['=== RUN   TestCheckout', '--- PASS: TestCheckout (0.02s)', '=== RUN   TestCancel_KeepsStock'], 200),
      { wait: 300, text: '    stock_test.go:41: stock after cancel: got 3, want 4\n', stream: Stream.stderr },
      { wait: 60, text: '\x1b[31m--- FAIL: TestCancel_KeepsStock (0.31s)\x1b[0m\n', stream: Stream.stderr },
      ...say(['FAIL', 'FAIL\tshop/stock\t0.352s'], 100),
      { wait: 50, text: 'make: *** [Makefile:31: test] Error 2\n', stream: Stream.stderr },
    ],
    exit: 2,
  },
  lint: { steps: [{ wait: 300, text: 'stock.go:88:2: SA4006: this value of err is never used\n', stream: Stream.stderr }], exit: 1 },
  slow: { steps: say(Array.from({ length: 600 }, (_, i) => `step ${i + 1} of 600`), 1000), exit: 0 },
  silent: { steps: say(['waiting for the load balancer to drain…']), stubborn: true },
  'progress-bar': { steps: Array.from({ length: 101 }, (_, i) => ({ wait: 60, text: `\rfetching ${'█'.repeat(i / 4).padEnd(25, '░')} ${i} %${i === 100 ? '\n' : ''}` })), exit: 0 },
  colours: {
    steps: [
      ...say(Array.from({ length: 8 }, (_, i) => `\x1b[3${i}mnormal ${i}\x1b[0m  \x1b[1;3${i}mbold ${i}\x1b[0m  \x1b[9${i}mbright ${i}\x1b[0m  \x1b[4${i}m background ${i} \x1b[0m  \x1b[7;3${i}m reverse ${i} \x1b[0m`), 40),
      ...say([`\x1b[38;5;208m256 colours\x1b[0m \x1b[38;2;120;90;220mtrue colour\x1b[0m \x1b[3mitalic\x1b[0m \x1b[4munderline\x1b[0m \x1b[9mstruck\x1b[0m`, '\x1b[31mthis red', 'goes on for', 'three lines\x1b[0m and ends', 'a\ttab\tseparated\tline', `hostile: \u202egnp.exe <img src=x onerror=alert(1)> \x07bell`, 'x'.repeat(400)], 40),
    ],
    exit: 0,
  },
  shell: { steps: [{ wait: 20, text: '\x1b[1mshop-db\x1b[0m: type, Ctrl+D ends\n$ ' }], echo: true },
  console: { steps: [{ wait: 30, text: 'psql (15.9)\nType "help" for help.\n\nshop=# ' }], echo: true },
  flood: { steps: [], flood: 50_000 },
  tunnel: { steps: say(['listening on 127.0.0.1:5432', 'connection 1 from 127.0.0.1:40122 to localhost:5432', 'connection 1 closed: 1.2 kB there, 48 kB back'], 200) },
  follow: { steps: say(Array.from({ length: 400 }, (_, i) => `10.0.0.${i % 9} - - "GET /orders/${i * 7} HTTP/1.1" ${i % 11 ? 200 : 502} ${(i * 731) % 9000}`), 300) },
  uptime: { steps: say([' 12:41:07 up 41 days,  2:17,  3 users,  load average: 0.18, 0.24, 0.21']), exit: 0 },
  false: { steps: [], exit: 1 },
  backup: { steps: say(Array.from({ length: 12 }, (_, i) => `volume ${i + 1}: copied`), 120), stalls: true },
};

export const scriptOf = (target: string): Script => SCRIPTS[target] ?? { steps: say([`${target}: nothing to be done.`]), exit: 0 };

const target = (name: string, help: string, section: string, line: number, over: Partial<Target> = {}): Target => ({
  name, help, section, file: 'Makefile', line, interactive: false, why: '', mode: 'auto', computed: false, params: [], ...over,
});
const param = (name: string, value: string, help: string, line: number) => ({ name, default: value, help, file: 'Makefile', line });

const SHOP: Target[] = [
  target('hello', 'Say hello', '', 9),
  target('build', 'Build the server and the web page', 'Development', 14),
  target('test', 'Run all tests', 'Development', 28, { params: [param('PKG', './...', 'which packages', 6), param('RACE', '1', 'detect races', 7)] }),
  target('lint', 'Look for mistakes', 'Development', 44),
  target('clean', 'Remove what was built', 'Development', 52),
  target('deploy', 'Put a version on the servers', 'Operations', 61, {
    params: [param('ENV', 'staging', 'staging or production', 3), param('VERSION', '', 'the tag to deploy', 4), param('BATCH', '2', 'servers at a time', 5)],
  }),
  target('console', 'Open the database console', 'Operations', 74, { interactive: true, why: 'named like a terminal: console' }),
  target('shell', 'A shell beside the server', 'Operations', 79, { interactive: true, why: 'marked ## @tty' }),
  target('slow', 'Ten minutes, a line a second', 'Samples', 90),
  target('silent', 'Says one line and hangs', 'Samples', 96),
  target('progress-bar', 'A bar that redraws itself', 'Samples', 101),
  target('colours', 'All the colours', 'Samples', 108),
  target('flood', '50 000 lines a second for a minute', 'Samples', 115, { file: 'mk/bench.mk' }),
  target('backup', 'Copy the volumes; meets a full disk', 'Samples', 121, { file: 'mk/bench.mk' }),
];

const LISTS: Record<string, TargetList> = {
  '/home/ada/src/shop': { dir: '/home/ada/src/shop', file: 'Makefile', targets: SHOP, problems: [], trusted: false, computed_available: true },
  '/home/ada/src/infra': {
    dir: '/home/ada/src/infra', file: 'GNUmakefile', trusted: false, computed_available: false,
    problems: [{ file: 'GNUmakefile', line: 12, text: 'include $(shell ls *.mk) was not followed: listing never runs anything' }],
    targets: [target('deploy', 'Roll out to every server', 'Fleet', 20), target('backup', 'Copy the volumes', 'Fleet', 33), target('plan', 'Show what would change', 'Fleet', 38)],
  },
  '/home/ada/src/monorepo': {
    dir: '/home/ada/src/monorepo', file: 'Makefile', trusted: false, computed_available: false, problems: [],
    targets: Array.from({ length: 20_000 }, (_, i) => target(`pkg-${String(i).padStart(5, '0')}/${['build', 'test', 'lint', 'publish'][i % 4]}`, `Package ${i}`, `Group ${Math.floor(i / 500) + 1}`, i + 10)),
  },
  '/home/ada/src/notes': { dir: '/home/ada/src/notes', file: '', targets: [], problems: [], trusted: false, computed_available: false },
};

const COMPUTED = [target('db-migrate-up', '', 'Computed', 140, { computed: true }), target('db-migrate-down', '', 'Computed', 140, { computed: true })];

export function targetsOf(dir: string, trusted: boolean, known?: Target[]): TargetList {
  const list = structuredClone(LISTS[dir] ?? { ...LISTS['/home/ada/src/shop'], dir, targets: SHOP.slice(0, 4), problems: [] }) as TargetList;
  const modes = new Map((known ?? []).map((t) => [t.name, t.mode]));
  list.trusted = trusted;
  if (trusted) list.targets.push(...structuredClone(COMPUTED));
  for (const t of list.targets) t.mode = modes.get(t.name) ?? 'auto';
  return list;
}

const REGISTRY = '/home/ada/.config/mkcli/registry';
export const PROJECTS: ProjectList = {
  registry: REGISTRY,
  registry_exists: true,
  problems: [{ file: REGISTRY, line: 5, text: 'no "=" in "oldproject": the line is alias=dir' }],
  projects: [
    { alias: 'shop', dir: '/home/ada/src/shop', source: 'registry', file: REGISTRY, line: 2, missing: false, error: '' },
    { alias: 'infra', dir: '/home/ada/src/infra', source: 'registry', file: REGISTRY, line: 3, missing: false, error: '' },
    { alias: 'monorepo', dir: '/home/ada/src/monorepo', source: 'registry', file: REGISTRY, line: 4, missing: false, error: '' },
    { alias: 'gone', dir: '/mnt/usb/gone', source: 'registry', file: REGISTRY, line: 6, missing: true, error: 'no such directory' },
    { alias: 'notes', dir: '/home/ada/src/notes', source: 'added', file: '', line: 0, missing: false, error: '' },
  ],
};
