/* What crosses from Go, held against golden files that Go's own tests write (app/testdata/wire). A field that the
   window reads and Go no longer sends fails here, not in front of an operator. */

import { describe, expect, test } from 'vitest';
import { AppError, type Answer, type ArchiveInfo, type ChangedKey, type DatabaseCheck, type DoctorCheck, type ExecRequest, type Exported, type Filter, type Followed, type Host, type HostDetail, type HostList, type HostState, type Info, type Job, type JobHint, type KnownKey, type Line, type LinePage, type Names, type Param, type Project, type ProjectList, type Prompt, type Query, type Release, type Report, type SavedReport, type SearchHit, type SearchPage, type SearchQuery, type ShellRequest, type Sources, type Stat, type TailRequest, type Target, type TargetList, type TeamJob, type TunnelRequest, type UpdateInfo, type Verdict, type Wish, type Remark, type Said, type Act, type ActsPage, type ActsQuery } from './types';

const files = import.meta.glob<Record<string, unknown>>('../../../app/testdata/wire/*.json', { eager: true, import: 'default' });

function golden(name: string): Record<string, unknown> {
  const file = files[`../../../app/testdata/wire/${name}.json`];
  if (!file) throw new Error(`there is no golden file for ${name}`);
  return file;
}

/** Every field of a type, checked by the compiler to be complete; false for those that may be left out. */
type Fields<T> = Record<keyof T, boolean>;

const job: Fields<Job> = {
  id: true, run: true, host: true, project: true, target: true, argv: true, dir: true, tty: true, size: true, operator: true, state: true,
  source: false, link: false, cause: true, detail: true, exit_code: true, signal: true, survivors: false, queued_at: true, started_at: true, finished_at: true,
  bytes: true, chunks: true, lines: true, stalled: false, unrecorded: false, owned: true, event: false, pinned: false, labels: false, notes: false,
};
const filter: Fields<Filter> = { hosts: false, targets: false, states: false, labels: false, operator: false, project: false, since: false, until: false, text: false };
const query: Fields<Query> = { limit: true, before: true, filter: true };
const search: Fields<SearchQuery> = { pattern: true, literal: true, ignore_case: true, context: true, jobs: true, team: true, job: true };
const found: Fields<SearchPage> = { hits: true, jobs: true, done: true, failure: true };
const hit: Fields<SearchHit> = { job: true, line: true, at: true, stream: true, lead: true, match: true, rest: true, before: true, after: true, problem: true };
const archive: Fields<ArchiveInfo> = {
  state: true, since: true, server: true, origin: true, error: true, hint: true, elsewhere: true, lag_known: true, lag_jobs: true, lag_bytes: true, lag_seconds: true, entries: true,
  quarantined: true, set_aside: true, database: false,
};
const check: Fields<DatabaseCheck> = {
  server: true, postgres: true, transport: true, login: true, may: true, writable: true, schema: true, answer_ms: true, jobs: true, bytes: true, installations: true, entries: true, ledger: true,
};
const team: Fields<TeamJob> = { ...job, owned: false, installation: true, mine: true, login: true, laptop: true, owner_seen: true, offline: true, removed: true };
const followed: Fields<Followed> = { link: true, job: true, mine: true, line: true, wish: true };
const wish: Fields<Wish> = { project: true, dir: true, known: true, target: true, hosts: true, vars: true };
const exported: Fields<Exported> = { path: true, bytes: true, problem: true };
const verdict: Fields<Verdict> = { job: false, result: true, findings: false, state: true, blocks: true, bytes: true };
const doctor: Fields<DoctorCheck> = { name: true, ok: true, optional: true, found: true, origin: true, next: true };
const report: Fields<Report> = { parts: true };
const savedReport: Fields<SavedReport> = { path: true, parts: true };
const updates: Fields<UpdateInfo> = { state: true, url: true, managed: true, policy: true, current: true, checked: true, error: true, hint: true, release: true };
const release: Fields<Release> = { unsure: true, version: true, date: true, notes: true, schema: true, migrate: true, journal: true, how: true, from: true, files: true };
const names: Fields<Names> = { hosts: true, targets: true, projects: true, operators: true, labels: true };
const act: Fields<Act> = { at: true, by: true, login: false, what: true, host: true, job: false, state: false, text: true, count: false };
const actsPage: Fields<ActsPage> = { acts: true, more: true };
const actsQuery: Fields<ActsQuery> = { filter: true, limit: true, team: true };
const stat: Fields<Stat> = { project: true, target: true, host: true, runs: true, succeeded: true, failed: true, timed_out: true, cancelled: true, lost: true, rate: true, p50_ms: true, p95_ms: true, newest: true };
const said: Fields<Said> = { remarks: true, team: true, problem: true };
const remark: Fields<Remark> = { kind: true, job: true, at: true, by: true, text: true, login: false };
const hint: Fields<JobHint> = { id: true, state: true, seq: true, lines: true, bytes: true, stalled: false };
const project: Fields<Project> = { alias: true, dir: true, source: true, file: true, line: true, missing: true, error: true };
const projects: Fields<ProjectList> = { projects: true, problems: true, registry: true, registry_exists: true };
const target: Fields<Target> = { name: true, help: true, section: true, file: true, line: true, interactive: true, why: true, mode: true, computed: true, params: true };
const param: Fields<Param> = { name: true, default: true, help: true, file: true, line: true };
const targets: Fields<TargetList> = { dir: true, file: true, targets: true, problems: true, trusted: true, computed_available: true };
const info: Fields<Info> = { version: true, data_dir: true, read_only: true, operator: true, max_parallel: true, os: true, opened: true };
const host: Fields<Host> = { name: true, local: true, environment: true, address: true, user: true, port: true, tags: true, origins: true, conflicts: true, destination: true, state: true };
const state: Fields<HostState> = {
  destination: true, status: true, since: true, latency_ms: true, attempt: true, next: true, error: true, hint: true, key_changed: true, steps: true, way: true, engine: true,
  connections: true, sessions: true, max_sessions: true, server: true, host_key: true, kex: true, cipher: true, mac: true,
};
const hosts: Fields<HostList> = { hosts: true, problems: true, ssh_config: true, looked: true };
const tunnel: Fields<TunnelRequest> = { host: true, forwards: true };
const detail: Fields<HostDetail> = { ...host, forwards: true, jumps: true, by: true, why: true, options: true, differs: true, resolved: true };
const knownKey: Fields<KnownKey> = { type: true, fingerprint: true, file: true, line: true };
const changedKey: Fields<ChangedKey> = { hop: true, name: true, type: true, fingerprint: true, old: true, kept: true, blocked: true };
const sources: Fields<Sources> = { found: true, problems: true };
const prompt: Fields<Prompt> = { id: true, kind: true, hop: true, host_key: false, secret: false, challenge: false };
const answer: Fields<Answer> = { accept: true, values: true };
const shell: Fields<ShellRequest> = { host: true, dir: true, cols: true, rows: true };
const exec: Fields<ExecRequest> = { hosts: true, line: true, dir: true, mode: true, link: true, cols: true, rows: true };
const tail: Fields<TailRequest> = { host: true, source: true, since: true, lines: true, dir: true };
const page: Fields<LinePage> = { from: true, total: true, complete: true, lines: true };
const line: Fields<Line> = { n: true, at: true, parts: true, cut: false, event: false };

function has(value: unknown, fields: Record<string, boolean>): void {
  for (const [name, always] of Object.entries(fields)) if (always) expect(value).toHaveProperty(name);
}

const first = (list: unknown): unknown => (list as unknown[])[0];

describe('what crosses from Go', () => {
  test('jobs, ended and pending', () => {
    has(golden('job'), job);
    has(golden('job-pending'), job);
    expect(golden('job')).toMatchObject({ exit_code: 7, state: 'failed', size: { cols: 120, rows: 40 }, survivors: [{ pid: 42 }], owned: true });
    expect(golden('job-pending')).toMatchObject({ exit_code: null, started_at: null, finished_at: null, cause: '' });
    expect(Date.parse(String(golden('job').started_at))).toBe(Date.UTC(2026, 10, 23, 12, 0, 0, 123));
  });

  test('what was looked at, and the report of it', () => {
    has(first(golden('checks')), doctor);
    has(golden('report'), report);
    expect(first(golden('report').parts)).toEqual({ name: 'doctor.json', what: 'what vmo doctor finds', text: '[]\n' });
    has(golden('saved'), savedReport);
  });

  test('hints and events', () => {
    expect(golden('hints')).toHaveProperty('more', true);
    has(first(golden('hints').jobs), hint);
    expect(golden('news')).toEqual({ jobs: ['01a20000-0000-7000-8000-000000000001'], more: true });
    expect(golden('opened')).toEqual({ dir: '/srv/web' });
  });

  test('links that were followed', () => {
    const all = golden('followed') as unknown as Followed[];
    for (const each of all) has(each, followed);
    expect(all[0]).toMatchObject({ mine: true, line: 7, wish: null });
    has(all[1]?.wish, wish);
    expect(all[1]?.wish).toMatchObject({ hosts: [{ name: 'web1', known: true, environment: 'production' }], vars: [{ name: 'ENV', value: 'staging' }] });
  });

  test('questions about the history, and what there is to filter by', () => {
    expect(Object.keys(golden('query')).sort()).toEqual(Object.keys(query).sort());
    expect(Object.keys(golden('query').filter as object).sort()).toEqual(Object.keys(filter).sort());
    expect(golden('counts')).toEqual({ failed: 2, running: 1 });
    has(golden('names'), names);
    has(golden('said'), said);
    has(golden('stat'), stat);
    has(golden('acts'), actsPage);
    has(golden('acts-query'), actsQuery);
    has((golden('acts').acts as Record<string, unknown>[])[0] ?? {}, act);
    has((golden('said').remarks as Record<string, unknown>[])[0] ?? {}, remark);
    expect(Object.keys(golden('search')).sort()).toEqual(Object.keys(search).sort());
    has(golden('search-page'), found);
    for (const each of golden('search-page').hits as unknown[]) has(each, hit);
    expect(first(golden('search-page').hits)).toMatchObject({ line: 41, stream: 1, lead: 'an \ufffd ', match: 'error', rest: '\u0000', before: ['before'], after: ['after'] });
  });

  test('how the database stands, and what a verification says', () => {
    has(golden('archive'), archive);
    expect(golden('archive')).toMatchObject({ state: 'waiting', lag_jobs: 3, quarantined: [{ hint: 'Verify it.' }], set_aside: [] });
    expect(Object.keys(golden('database-check')).sort()).toEqual(Object.keys(check).sort());
    has(golden('team-job'), team);
    expect(Object.keys(golden('exported')).sort()).toEqual(Object.keys(exported).sort());
    for (const name of ['updates', 'updates-off']) has(golden(name), updates);
    has(golden('updates').release, release);
    expect(golden('updates-off')).toMatchObject({ state: 'off', checked: null, release: null });
    for (const each of golden('verdicts') as unknown as unknown[]) has(each, verdict);
    expect(golden('verdicts')).toMatchObject([{ result: 'intact' }, { result: 'tampered', findings: ['block 7 is not what it was'] }]);
  });

  test('projects and targets', () => {
    has(golden('projects'), projects);
    has(first(golden('projects').projects), project);
    has(golden('targets'), targets);
    has(first(golden('targets').targets), target);
    has(first((first(golden('targets').targets) as { params: unknown }).params), param);
  });

  test('hosts, how they stand and what is known of one', () => {
    has(golden('hosts'), hosts);
    for (const each of golden('hosts').hosts as { state: unknown }[]) {
      has(each, host);
      has(each.state, state);
    }
    expect(golden('hosts')).toMatchObject({ hosts: [{ local: true }, { state: { status: 'disconnected', steps: [{ hop: 'web1', what: 'tcp', ok: true }], way: [{ name: 'bastion', addr: 'ann@bastion:22', came: 'through', banner: 'Authorised users only.\n' }, { name: 'web1', came: 'stopped' }] }, origins: [{ field: 'name', line: 4 }], destination: { alias: 'web1' } }], problems: [{ line: 7, host: 'db1' }] });
    has(golden('host-detail'), detail);
    expect(golden('host-detail').options).toEqual([{ key: 'identityfile', values: ['/home/ann/.ssh/id_ed25519'], file: '/home/ann/.ssh/config', line: 5 }]);
    has(golden('changed-key'), changedKey);
    has(first(golden('changed-key').old), knownKey);
    has(golden('sources'), sources);
    expect(first(golden('sources').found)).toMatchObject({ source: 'docker:web', kind: 'docker', name: 'web', state: 'running' });
  });

  test('what connections ask, and what is asked of hosts', () => {
    const prompts = golden('prompts') as unknown as Prompt[];
    for (const each of prompts) has(each, prompt);
    expect(prompts[0]).toMatchObject({ kind: 'host-key', hop: { name: 'bastion', number: 1, of: 2 }, host_key: { type: 'ssh-ed25519', fingerprint: 'SHA256:x', others: ['web2 (known_hosts:3)'] } });
    expect(prompts[1]?.secret).toMatchObject({ kind: 'password', of: 'ann@web1', try: 1 });
    expect(prompts[2]?.challenge).toMatchObject({ name: '2FA', fields: [{ prompt: 'Code: ', echo: true }], try: 2 });
    for (const [name, fields] of [['answer', answer], ['shell', shell], ['exec', exec], ['tail', tail], ['tunnel', tunnel]] as const) expect(Object.keys(golden(name)).sort(), name).toEqual(Object.keys(fields).sort());
  });

  test('lines, with parts, cuts and events', () => {
    has(golden('lines'), page);
    has(first(golden('lines').lines), line);
    expect(golden('lines').lines).toMatchObject([
      { n: 1, at: 1700000000123.5, parts: [{ s: 1, t: 'out \u001b[31mred\u001b[0m' }, { s: 2, t: 'err' }], cut: 9 },
      { parts: [], event: { kind: 'gap', bytes: 77 } },
    ]);
  });

  test('how the program stands, and places', () => {
    has(golden('info'), info);
    expect(golden('place')).toEqual({ seq: 3, line: 2, offset: 40 });
  });

  test('failures keep their case and what to do, in answers and in rejected calls', () => {
    const want = { code: 'disk-full', message: golden('failure').message, hint: 'Free some space.' };
    expect(AppError.from(golden('failure'))).toMatchObject(want);
    expect(AppError.from(new Error(golden('rejection') as unknown as string))).toMatchObject(want);
  });
});
