/* The backend in memory: the window in any browser (`npm run dev`, then open /?fake), and the tests. Its
   jobs really stream, echo, fail and stop. It never reaches a production build. */

import { FakeArchive } from './fake.archive';
import { FakeDiagnostics } from './fake.diagnostics';
import { FakeHosts } from './fake.hosts';
import { LINKS } from './fake.links';
import { forwardSpec } from './format.hosts';
import { outputOf, PatternRecord, StoredRecord, textOf, type Record as JobRecord } from './fake.record';
import { FakeRemarks } from './fake.remarks';
import { statsOf } from './fake.stats';
import { FakeSearch } from './fake.search';
import { FakeUpdates } from './fake.updates';
import { PROJECTS, scriptOf, targetsOf, type Script } from './fake.projects';
import { AppError, isFinal, Stream, type Backend, type Cause, type Counts, type Events, type Filter, type Followed, type Info, type Job, type JobState, type ProjectList, type Start, type TargetList, type TeamJob } from './types';

interface FakeJob {
  job: Job;
  record: JobRecord;
  script: Script | null;
  timers: Set<ReturnType<typeof setTimeout>>;
}

export interface FakeOptions {
  /** Jobs that the journal already holds; the usual set unless told. */
  history?: boolean;
  empty?: boolean; // no projects at all
  many?: number; // older jobs
  readOnly?: boolean;
}

const HINT = 50; // ms between hints

export class FakeBackend implements Backend {
  #jobs = new Map<string, FakeJob>();
  #handlers = new Map<string, Set<(payload: never) => void>>();
  #serial = 0;
  #dirty = new Set<string>();
  #hinting = false;
  #list: ProjectList;
  #targets = new Map<string, TargetList>();
  #readOnly: boolean;
  #clipboard = '';
  readonly opened: string[] = [];
  readonly there: FakeHosts;
  readonly database: FakeArchive;
  readonly remarks = new FakeRemarks(() => this.emit('jobs', { jobs: [], more: true }));
  readonly doctor = new FakeDiagnostics();
  readonly releases = new FakeUpdates(() => this.emit('updates', {}));
  readonly inputs: { id: string; text: string }[] = [];

  constructor(options: FakeOptions = {}) {
    this.#readOnly = options.readOnly ?? false;
    this.database = new FakeArchive(() => this.emit('archive', {}), () => this.#team());
    this.there = new FakeHosts({ empty: options.empty ?? false, changed: () => this.emit('hosts', {}), asked: () => this.emit('prompt', {}) });
    this.#list = options.empty
      ? { projects: [], problems: [], registry: '/home/ada/.config/mkcli/registry', registry_exists: false }
      : structuredClone(PROJECTS);
    if (options.history ?? true) this.#seed(options.many ?? 0);
  }

  /* jobs */

  jobs: Backend['jobs'] = {
    list: async ({ limit, before, filter }) =>
      this.#chosen(filter)
        .filter((job) => before === '' || job.id < before)
        .sort((a, b) => (a.id < b.id ? 1 : -1))
        .slice(0, limit),
    count: async (filter) => {
      const counts: Counts = {};
      for (const { state } of this.#chosen(filter)) counts[state] = (counts[state] ?? 0) + 1;
      return counts;
    },
    names: async () => {
      const all = [...this.#jobs.values()].map((fake) => this.#view(fake));
      const of = (name: (job: Job) => string): string[] => [...new Set(all.map(name))].sort();
      return { hosts: of((job) => job.host), targets: of((job) => job.target), projects: of((job) => job.project), operators: of((job) => job.operator), labels: [...new Set(all.flatMap((job) => job.labels ?? []))].sort() };
    },
    acts: async ({ filter, limit, team }) => {
      const { hosts, operator, since, until } = filter;
      const jobs = team ? this.#team() : this.#chosen({ hosts, operator, since, until });
      return this.remarks.acts(jobs, { hosts, operator, since, until }, limit);
    },
    stats: async (filter) => statsOf(this.#chosen({ ...filter, states: undefined })),
    get: async (id) => this.#view(this.#find(id)),
    start: async ({ hosts, ...request }) => this.#run(hosts.length > 0 ? hosts : [''], (host, run) => this.#start({ ...request, host }, { run })),
    again: async (id, size) => {
      const { job } = this.#find(id);
      return this.#start({ host: job.host, dir: job.dir, target: job.target, vars: {}, mode: job.tty ? 'terminal' : 'stream', ...size }, {}, job);
    },
    shell: async ({ host, dir, ...size }) => this.#begin('shell', { host, dir: dir || '~', argv: [], target: '', tty: true, size }),
    exec: async ({ hosts, line, dir, mode, link, ...size }) =>
      this.#run(hosts, (host, run) => this.#begin(line, { run, host, dir: dir || '~', argv: ['sh', '-c', line], target: '', link, tty: mode === 'terminal', size })),
    tail: async ({ host, source, since, lines }) => this.#begin('follow', { host, dir: '~', argv: ['tail', '-F', '-n', String(lines), ...(since ? ['--since', since] : []), source], target: '', source }),
    tunnel: async ({ host, forwards }) => {
      const own = forwards.length > 0 ? forwards : (await this.there.detail(host)).forwards.map((forward) => ({ kind: forward.kind, spec: forwardSpec(forward) }));
      const bad = own.find(({ kind, spec }) => kind !== 'dynamic' && !/:\S+:\d+$/.test(spec));
      if (bad || own.length === 0) throw new AppError('invalid', bad ? `the ${bad.kind} forward "${bad.spec}" cannot be read: it is [bind:]port:host:hostport` : `open a tunnel: the configuration of ${host} has no forwards`, 'Name one, such as -L 8080:localhost:80.');
      const argv = own.flatMap(({ kind, spec }) => [{ local: '-L', remote: '-R', dynamic: '-D' }[kind], spec]);
      return this.#begin('tunnel', { host, dir: '', argv: ['tunnel', ...argv], target: '', source: `tunnel:${argv.join(' ')}` });
    },
    cancel: async (id, force) => {
      const fake = this.#find(id);
      if (isFinal(fake.job.state)) throw new AppError('finished', `${fake.job.target} has ended already`);
      const stubborn = fake.script?.stubborn && !force;
      if (fake.record instanceof StoredRecord) fake.record.note({ kind: 'signal', text: force ? 'SIGKILL' : 'SIGINT' }, Date.now());
      if (stubborn) {
        this.#print(fake, Stream.stderr, 'caught SIGINT, still cleaning up…\n');
        return;
      }
      this.#end(fake, 'cancelled', 'cancel', { signal: force ? 'SIGKILL' : 'SIGINT', detail: force ? 'killed by an operator' : 'cancelled by an operator' });
    },
    input: async (id, data) => {
      const fake = this.#find(id);
      const text = textOf(data);
      this.inputs.push({ id, text });
      if (isFinal(fake.job.state)) throw new AppError('finished', 'the job has ended', 'Run it again to type into it.');
      this.#later(fake, 1, () => this.#type(fake, text));
    },
    resize: async (id, size) => {
      const fake = this.#find(id);
      if (fake.record instanceof StoredRecord) fake.record.note({ kind: 'resize', size }, Date.now());
      fake.job.size = size;
    },
    export: async (id, format) => ({ path: `/home/ada/${this.#find(id).job.target}.${format}`, bytes: 4096, problem: '' }),
    ...this.remarks.backend,
    verify: async (id) => this.database.verify(this.#find(id).job.target),
    unrecorded: async (id) => {
      const fake = this.#find(id);
      if (fake.record instanceof StoredRecord) fake.record.note({ kind: 'gap', bytes: 48_128, text: 'the disk was full' }, Date.now());
      fake.job.stalled = undefined;
      fake.job.unrecorded = 48_128;
      this.#print(fake, Stream.stdout, 'backup continues without a record\n');
      this.#later(fake, 1500, () => this.#end(fake, 'succeeded', 'exit', { code: 0 }));
    },
  };

  #search = new FakeSearch((filter) => this.#chosen(filter), (id) => this.#find(id).record);
  search: Backend['search'] = this.#search.backend;

  #chosen(filter: Filter): Job[] {
    const among = <T>(values: T[] | undefined, value: T): boolean => !values?.length || values.includes(value);
    const text = filter.text?.toLowerCase() ?? '';
    return [...this.#jobs.values()]
      .filter((fake) => !this.#colleagues.has(fake.job.id))
      .map((fake) => this.#view(fake))
      .filter(
        (job) =>
          among(filter.hosts, job.host) && among(filter.targets, job.target) && among(filter.states, job.state) && (!filter.labels?.length || filter.labels.some((label) => job.labels?.includes(label))) && (!filter.project || job.project === filter.project) && job.operator.includes(filter.operator ?? '') &&
          (!filter.since || job.queued_at >= filter.since) && (!filter.until || job.queued_at < filter.until) &&
          [job.argv.join(' '), job.target, job.project, job.source ?? '', job.host].join(' ').toLowerCase().includes(text),
      );
  }

  #find(id: string): FakeJob {
    const fake = this.#jobs.get(id);
    if (!fake) throw new AppError('not-found', `there is no job ${id}`, 'It may be in another journal: see the data directory in the status bar.');
    return fake;
  }

  #view({ job, record }: FakeJob): Job {
    return structuredClone({ ...job, ...this.remarks.marks(job.id), chunks: record.chunks, bytes: record.bytes, lines: record.lines });
  }

  #id(at: number): string {
    const time = at.toString(16).padStart(12, '0');
    const serial = (this.#serial++).toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${serial}`;
  }

  #make(at: number, target: string, dir: string, over: Partial<Job> = {}): Job {
    const id = this.#id(at);
    const stamp = new Date(at).toISOString();
    return {
      id, run: id, host: '', project: PROJECTS.projects.find((p) => p.dir === dir)?.alias ?? '', target, argv: ['make', target], dir,
      tty: false, size: { cols: 80, rows: 24 }, operator: 'ada@zeta', state: 'running', cause: '', detail: '', exit_code: null, signal: '', survivors: [],
      queued_at: stamp, started_at: stamp, finished_at: null, bytes: 0, chunks: 0, lines: 0, owned: true, ...over,
    };
  }

  #start(request: Omit<Start, 'hosts'> & { host: string }, over: Partial<Job>, like?: Job): Job {
    if (this.#readOnly) throw new AppError('read-only', 'the journal is read-only: /home/ada/.local/share/vmo is owned by root', 'Start with another --data-dir, or give yourself the folder.');
    const target = this.#read(request.host ? '/home/ada/src/shop' : request.dir).targets.find((t) => t.name === request.target);
    if (!target && !like) throw new AppError('not-found', `${request.dir}/Makefile has no target ${request.target} any more`, 'Look at the list again: it was read anew.');
    const script = scriptOf(like?.source ? 'follow' : like && !like.target ? (like.argv[2] ?? 'shell') : request.target);
    const tty = request.mode === 'terminal' || (request.mode === '' && (target?.mode === 'terminal' || (target?.mode === 'auto' && target.interactive)));
    const now = Date.now();
    const argv = like?.argv ?? ['make', request.target, ...Object.entries(request.vars).map(([k, v]) => `${k}=${v}`)];
    const job = this.#make(now, request.target, request.dir, { host: request.host, source: like?.source, link: like?.link, tty, argv, size: { cols: request.cols, rows: request.rows }, ...over });
    return this.#launch(job, script, now);
  }

  /** A job on each of some hosts, all of one run. */
  #run(hosts: string[], begin: (host: string, run: string) => Job): Job[] {
    const run = this.#id(Date.now());
    return hosts.map((host) => begin(host, run));
  }

  /** A job that no makefile names: a terminal, a typed command, a log. */
  #begin(what: string, over: Partial<Job>): Job {
    if (over.host) this.there.find(over.host);
    const now = Date.now();
    return this.#launch(this.#make(now, '', over.dir ?? '', { project: '', ...over }), scriptOf(what), now);
  }

  #launch(job: Job, script: Script, now: number): Job {
    const record: JobRecord = script.flood ? this.#flood(now, script) : new StoredRecord();
    const fake: FakeJob = { job, record, script, timers: new Set() };
    this.#jobs.set(job.id, fake);
    this.#play(fake, script);
    this.#hint(job.id);
    return this.#view(fake);
  }

  #flood(began: number, script: Script): JobRecord {
    let stopped = 0;
    const rate = script.flood ?? 0;
    const count = (): number => Math.min(rate * 60, Math.floor((((stopped || Date.now()) - began) / 1000) * rate));
    const record = new PatternRecord(floodLine, count, (n) => began + (n / rate) * 1000);
    return Object.assign(record, { stop: () => (stopped = Date.now()) });
  }

  #play(fake: FakeJob, script: Script): void {
    let at = 0;
    for (const step of script.steps) {
      at += step.wait;
      this.#later(fake, at, () => this.#print(fake, fake.job.tty ? Stream.tty : (step.stream ?? Stream.stdout), step.text));
    }
    if (script.flood) {
      const tick = (): void => {
        this.#hint(fake.job.id);
        if (fake.record.total >= (script.flood ?? 0) * 60) this.#end(fake, 'succeeded', 'exit', { code: 0 });
        else this.#later(fake, HINT, tick);
      };
      this.#later(fake, HINT, tick);
    } else if (script.stalls) {
      this.#later(fake, at + 200, () => {
        fake.job.stalled = 'no space left on /home for the journal: the output of this job waits';
        this.#hint(fake.job.id);
      });
    } else if (script.exit !== undefined) {
      const code = script.exit;
      this.#later(fake, at + 30, () => this.#end(fake, code === 0 ? 'succeeded' : 'failed', 'exit', { code, detail: code === 0 ? '' : `make: *** [Makefile:31: ${fake.job.target}] Error ${code}` }));
    }
  }

  #type(fake: FakeJob, text: string): void {
    if (!fake.script?.echo) {
      this.#print(fake, Stream.tty, text.replace(/\r/g, '\r\n'));
      return;
    }
    for (const char of text) {
      if (char === '\x03') this.#print(fake, Stream.tty, '^C\r\n$ ');
      else if (char === '\x04') this.#end(fake, 'succeeded', 'exit', { code: 0 });
      else if (char === '\x7f') this.#print(fake, Stream.tty, '\b \b');
      else this.#print(fake, Stream.tty, char === '\r' ? '\r\n$ ' : char);
    }
  }

  #print(fake: FakeJob, stream: number, text: string): void {
    if (isFinal(fake.job.state) || !(fake.record instanceof StoredRecord)) return;
    fake.record.append(stream, fake.job.tty ? text.replace(/(?<!\r)\n/g, '\r\n') : text, Date.now());
    this.#hint(fake.job.id);
  }

  #end(fake: FakeJob, state: JobState, cause: Cause, how: { code?: number; signal?: string; detail?: string }): void {
    if (isFinal(fake.job.state)) return;
    for (const timer of fake.timers) clearTimeout(timer);
    fake.timers.clear();
    (fake.record as { stop?: () => void }).stop?.();
    Object.assign(fake.job, { state, cause, detail: how.detail ?? '', exit_code: how.code ?? null, signal: how.signal ?? '', finished_at: new Date().toISOString(), stalled: undefined, owned: false });
    this.#hint(fake.job.id);
  }

  #later(fake: FakeJob, ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      fake.timers.delete(timer);
      act();
    }, ms);
    fake.timers.add(timer);
  }

  #hint(id: string): void {
    this.#dirty.add(id);
    if (this.#hinting) return;
    this.#hinting = true;
    setTimeout(() => {
      this.#hinting = false;
      if (this.database.watched) this.emit('team', { jobs: [...this.#dirty].slice(0, 20), more: this.#dirty.size > 20 });
      const jobs = [...this.#dirty].filter((dirty) => !this.#colleagues.has(dirty) || this.database.brought.has(dirty)).map((dirty) => this.#view(this.#find(dirty)));
      this.#dirty.clear();
      this.emit('jobs', { jobs: jobs.map((j) => ({ id: j.id, state: j.state, seq: j.chunks, lines: j.lines, bytes: j.bytes, stalled: j.stalled })), more: false });
    }, HINT);
  }

  /* what the journal already holds */

  #seed(many: number): void {
    const now = Date.now();
    const shop = '/home/ada/src/shop';
    const infra = '/home/ada/src/infra';
    const past = (ago: number, long: number, target: string, dir: string, state: JobState, over: Partial<Job>, fill?: (r: StoredRecord, at: number) => void): string => {
      const began = now - ago;
      const job = this.#make(began, target, dir, { state, cause: 'exit', finished_at: new Date(began + long).toISOString(), owned: false, ...over });
      const record = new StoredRecord();
      if (fill) fill(record, began);
      else this.#replayScript(record, target, began, job.tty);
      this.#jobs.set(job.id, { job, record, script: null, timers: new Set() });
      return job.id;
    };
    for (let i = many; i > 0; i--) past(86_400_000 * 5 + i * 61_000, 300 + (i % 90) * 700, ['nightly', 'deploy', 'check'][i % 3] ?? '', infra, i % 11 === 0 ? 'failed' : 'succeeded', { host: `node${i % 8}`, operator: i % 4 ? 'ada@zeta' : 'bob@desk', exit_code: i % 11 === 0 ? 1 : 0, argv: ['make', 'RELEASE=' + i] }, () => {});
    for (let i = 0; i < 40; i++) past(86_400_000 * 2 + i * 5_400_000, 4200 + i * 131, ['build', 'lint', 'test'][i % 3] ?? 'build', shop, i % 3 === 2 ? 'failed' : 'succeeded', { exit_code: i % 3 === 2 ? 2 : 0 });
    past(50 * 3_600_000, 3_723_000, 'backup', infra, 'timed-out', { host: 'db1', cause: 'timeout', signal: 'SIGTERM', detail: 'its timeout of 1 h 02 m was over' });
    past(27 * 3_600_000, 41_000, 'console', shop, 'succeeded', { tty: true, exit_code: 0, size: { cols: 100, rows: 28 } });
    past(9 * 3_600_000, 8200, 'test', shop, 'failed', { exit_code: 2, detail: 'make: *** [Makefile:31: test] Error 2' });
    past(5 * 3_600_000, 61_000, 'deploy', infra, 'lost', { host: 'web1', cause: 'owner-gone', detail: 'the vmo that ran it was killed' }, (record, at) => {
      for (let i = 0; i < 24; i++) record.append(Stream.stdout, `web-${i % 6}: unpacking layer ${i}\n`, at + i * 900);
      record.note({ kind: 'damage', bytes: 65_536, until: 31, text: 'block 7 does not match its checksum' }, at + 22_000);
      for (let i = 0; i < 18; i++) record.append(Stream.stdout, `web-${i % 6}: \x1b[32mrestarted\x1b[0m\n`, at + 23_000 + i * 1400);
    });
    past(3 * 3_600_000, 12_000, 'clean', shop, 'cancelled', { cause: 'cancel', signal: 'SIGINT', detail: 'cancelled by an operator', survivors: [{ pid: 48_211, command: 'node watch.js', why: 'still running after SIGKILL: needs root' }] });
    const began = now - 2 * 3_600_000;
    const million = this.#make(began, 'million', shop, { state: 'succeeded', cause: 'exit', exit_code: 0, finished_at: new Date(began + 45_000).toISOString(), owned: false });
    this.#jobs.set(million.id, { job: million, record: new PatternRecord(floodLine, () => 1_000_000, (n) => began + n * 0.045), script: null, timers: new Set() });
    past(40 * 60_000, 3400, 'colours', shop, 'succeeded', { exit_code: 0 });
    const good = past(22 * 60_000, 9000, 'build', shop, 'succeeded', { exit_code: 0 });
    this.remarks.say(good, 'label', 'known-good', 'ada@zeta', 20 * 60_000);
    this.remarks.say(good, 'note', 'built with the new compiler;\nsecond attempt', 'bob@desk', 11 * 60_000);
    this.remarks.say(good, 'pin', 'the release', 'ada@zeta', 9 * 60_000);
    past(6 * 60_000, 700, 'lint', shop, 'failed', { exit_code: 1, detail: 'make: *** [Makefile:44: lint] Error 1' });
    past(2 * 60_000, 0, 'deplyo', infra, 'failed', { cause: 'not-started', exit_code: null, detail: 'fork/exec /usr/bin/make: no such file or directory' }, () => {});
  }

  #replayScript(record: StoredRecord, target: string, began: number, tty: boolean): void {
    let at = began;
    for (const step of scriptOf(target).steps) {
      at += step.wait;
      record.append(tty ? Stream.tty : (step.stream ?? Stream.stdout), tty ? step.text.replace(/\n/g, '\r\n') : step.text, at);
    }
    if (tty) for (const char of 'SELECT count(*) FROM orders;\r\n 48211\r\nshop=# \\q\r\n') record.append(Stream.tty, char, (at += 90));
  }

  /* projects */

  projects: Backend['projects'] = {
    list: async () => structuredClone(this.#list),
    add: async (dir) => {
      if (!this.#list.projects.some((p) => p.dir === dir)) {
        this.#list.projects.push({ alias: dir.split('/').at(-1) ?? dir, dir, source: 'added', file: '', line: 0, missing: false, error: '' });
      }
      return structuredClone(this.#list);
    },
    sample: async () => {
      await this.projects.add('/home/ada/.local/share/vm-orchestrator/sample');
      return '/home/ada/.local/share/vm-orchestrator/sample';
    },
    remove: async (dir) => {
      this.#list.projects = this.#list.projects.filter((p) => p.dir !== dir || p.source !== 'added');
      return structuredClone(this.#list);
    },
    choose: async () => '/home/ada/src/playground',
    targets: async (dir) => structuredClone(this.#read(dir)),
    trust: async (dir, yes) => {
      const list = this.#read(dir);
      this.#targets.set(dir, targetsOf(dir, yes, list.targets));
      return structuredClone(this.#read(dir));
    },
    setMode: async (dir, target, mode) => {
      const found = this.#read(dir).targets.find((t) => t.name === target);
      if (found) found.mode = mode;
      return structuredClone(this.#read(dir));
    },
  };

  #read(dir: string): TargetList {
    const known = this.#targets.get(dir) ?? targetsOf(dir, false);
    this.#targets.set(dir, known);
    return known;
  }

  /* hosts */

  get hosts(): Backend['hosts'] {
    const { list, detail, connect, disconnect, engine, setEngine, changedKey, replaceKey, sources } = this.there;
    const targets = async (name: string, dir: string): Promise<TargetList> => {
      if (!this.there.find(name).local && this.there.find(name).state.status !== 'connected') await connect(name);
      if (!dir.includes('shop')) throw new AppError('not-found', `${dir} is not a folder on ${name}`, 'Type the path of a folder there; ~ is the home directory.');
      return structuredClone({ ...this.#read('/home/ada/src/shop'), dir });
    };
    return { list, detail, connect, disconnect, engine, setEngine, changedKey, replaceKey, sources, targets };
  }

  /** What is in the database: this machine's jobs, and two of a colleague, of which one runs. */
  #team(): TeamJob[] {
    const mine = { installation: 'a', mine: true, login: 'ada', laptop: 'ada@zeta', owner_seen: new Date().toISOString(), offline: false, removed: false };
    return [...this.#jobs.values()]
      .map((fake) => ({ ...this.#view(fake), ...(this.#colleagues.get(fake.job.id) ?? mine) }))
      .sort((a, b) => (a.id < b.id ? 1 : -1));
  }
  #colleagues = new Map<string, Omit<TeamJob, keyof Job>>();

  /** Lets a colleague run a job. */
  colleague(target: string, over: Partial<TeamJob> = {}): void {
    const { id } = this.#launch(this.#make(Date.now(), target, '/home/bob/src/shop', { operator: 'bob@desk', project: 'shop', owned: false }), scriptOf(target), Date.now());
    this.#colleagues.set(id, { installation: 'b', mine: false, login: 'bob', laptop: 'bob@desk', owner_seen: new Date().toISOString(), offline: false, removed: false, ...over });
  }

  get archive(): Backend['archive'] {
    return this.database.backend;
  }

  get diagnostics(): Backend['diagnostics'] {
    return this.doctor.backend;
  }

  get updates(): Backend['updates'] {
    return this.releases.backend;
  }

  get prompts(): Backend['prompts'] {
    return { pending: this.there.pending, answer: this.there.answer };
  }

  /* the rest */

  async info(): Promise<Info> {
    return { version: '0.1.0-fake', data_dir: '/home/ada/.local/share/vmo', read_only: this.#readOnly ? 'it is owned by root' : '', operator: 'ada@zeta', max_parallel: 8, os: 'linux', opened: '' };
  }

  #links: (Followed | AppError)[] = [];

  /** A link that somebody follows. */
  follow(link: Followed | AppError): void {
    this.#links.push(link);
    this.emit('link', {});
  }

  links: Backend['links'] = {
    next: async () => {
      const next = this.#links.shift() ?? { link: '', job: '', mine: false, line: 0, wish: null };
      if (next instanceof AppError) throw next;
      return next;
    },
  };

  output: Backend['output'] = async (query) => outputOf(query.after.map(({ job }) => this.#find(job).record), query);

  lines: Backend['lines'] = async (id, from, count) => {
    const { job, record } = this.#find(id);
    const total = record.total;
    const first = Math.max(0, from < 0 ? total + from : from);
    const last = Math.min(total, first + count);
    return { from: first, total, complete: isFinal(job.state), lines: Array.from({ length: Math.max(0, last - first) }, (_, i) => record.line(first + i)) };
  };

  seek: Backend['seek'] = async (id, at) => {
    const { record } = this.#find(id);
    let seq = record.chunks;
    while (seq > 0 && record.chunk(seq).at > at) seq--;
    return { seq, line: 0 };
  };

  on: Backend['on'] = (event, handler) => {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers);
    handlers.add(handler as (payload: never) => void);
    return () => handlers.delete(handler as (payload: never) => void);
  };

  emit<E extends keyof Events>(event: E, payload: Events[E]): void {
    for (const handler of this.#handlers.get(event) ?? []) (handler as (payload: Events[E]) => void)(payload);
  }

  clipboard: Backend['clipboard'] = {
    read: async () => this.#clipboard,
    write: async (text) => {
      this.#clipboard = text;
      await navigator.clipboard?.writeText(text).catch(() => {});
    },
  };

  openURL(url: string): void {
    this.opened.push(url);
  }
}

const LEVELS = ['\x1b[32mINFO\x1b[0m ', '\x1b[36mDEBUG\x1b[0m', '\x1b[33mWARN\x1b[0m '];
const floodLine = (n: number): string =>
  `${LEVELS[n % 3]} shop.orders line ${n} checkout accepted user=${(n * 7919) % 100_000} items=${n % 7} "ok" took ${(n * 31) % 900} ms`;

/** The fake for a page's address: ?fake, ?fake=empty, ?fake=many, ?fake=readonly, ?fake=team, ?fake=link… */
export function fakeBackend(address: string): FakeBackend {
  const kind = new URLSearchParams(address).get('fake');
  const backend = new FakeBackend({ empty: kind === 'empty', history: kind !== 'empty', readOnly: kind === 'readonly', many: kind === 'many' ? 900 : 0 });
  if (kind === 'team') {
    backend.database.set({ state: 'current', server: 'ada@db.example:5432/vmo', origin: 'VMO_DATABASE_URL', lag_known: true, entries: 52 });
    backend.colleague('slow');
    backend.colleague('silent', { offline: true, laptop: 'eve@train' });
  }
  const link = LINKS[kind ?? ''];
  if (link) backend.follow(link);
  return backend;
}
