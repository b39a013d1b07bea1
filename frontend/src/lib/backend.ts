/* The boundary: the only file that touches the generated bindings, Wails' runtime and /journal. Everything
   that comes in is given its proper type here, and everything thrown becomes an AppError. */

import * as Archive from '../../wailsjs/go/app/Archive';
import * as Diagnostics from '../../wailsjs/go/app/Diagnostics';
import * as Hosts from '../../wailsjs/go/app/Hosts';
import * as Jobs from '../../wailsjs/go/app/Jobs';
import * as Links from '../../wailsjs/go/app/Links';
import * as Projects from '../../wailsjs/go/app/Projects';
import * as Prompts from '../../wailsjs/go/app/Prompts';
import * as Settings from '../../wailsjs/go/app/Settings';
import * as Updates from '../../wailsjs/go/app/Updates';
import type { app, engine, job, journal, remote } from '../../wailsjs/go/models';
import { BrowserOpenURL, ClipboardGetText, ClipboardSetText, EventsOn, OnFileDrop } from '../../wailsjs/runtime/runtime';
import { decodeFrames } from './frames';
import { AppError, type Answer, type ArchiveInfo, type Backend, type ChangedKey, type Counts, type DatabaseCheck, type DoctorCheck, type Events, type Exported, type ExecRequest, type Filter, type Followed, type Frame, type Host, type HostDetail, type HostList, type Info, type Job, type LinePage, type Names, type OutputQuery, type Project, type ProjectList, type Prompt, type Query, type Release, type Report, type SavedReport, type SearchPage, type SearchQuery, type ShellRequest, type Sources, type Start, type Stat, type TailRequest, type Target, type TargetList, type TeamJob, type TunnelRequest, type UpdateInfo, type Verdict, type Wish, type Remark, type Said, type Act, type ActsPage, type ActsQuery } from './types';

/* A field that Go renames or drops must not compile here: the names on both sides are the same. */
type Missing<Ours, Theirs> = Exclude<keyof Ours, keyof Theirs>;
type Checked<_T extends never> = true;
export type Wire = [
  Checked<Missing<Job, app.Job>>,
  Checked<Missing<Info, app.Info>>,
  Checked<Missing<Query, app.Query> | Missing<app.Query, Query>>,
  Checked<Missing<Filter, job.Filter> | Missing<job.Filter, Filter>>,
  Checked<Missing<Names, journal.Names>>,
  Checked<Missing<Said, engine.Said>>,
  Checked<Missing<Stat, journal.Stat>>,
  Checked<Missing<Act, job.Act>>,
  Checked<Missing<ActsPage, app.ActsPage>>,
  Checked<Missing<ActsQuery, app.ActsQuery> | Missing<app.ActsQuery, ActsQuery>>,
  Checked<Missing<Remark, engine.Remark>>,
  Checked<Exclude<Missing<ArchiveInfo, engine.ArchiveStatus>, 'database'>>,
  Checked<Missing<DatabaseCheck, engine.DatabaseCheck>>,
  Checked<Exclude<Missing<TeamJob, engine.TeamJob>, 'owned'>>,
  Checked<Missing<Exported, app.Exported>>,
  Checked<Missing<Followed, app.Followed>>,
  Checked<Missing<Wish, app.Wish>>,
  Checked<Missing<Verdict, journal.Verdict>>,
  Checked<Missing<DoctorCheck, engine.Check>>,
  Checked<Missing<Report, engine.Report>>,
  Checked<Missing<SavedReport, app.Saved>>,
  Checked<Missing<UpdateInfo, engine.UpdateStatus>>,
  Checked<Missing<Release, engine.Release>>,
  Checked<Missing<SearchQuery, app.SearchQuery> | Missing<app.SearchQuery, SearchQuery>>,
  Checked<Missing<Start, app.Request> | Missing<app.Request, Start>>,
  Checked<Missing<Project, engine.Project>>,
  Checked<Missing<ProjectList, engine.Projects>>,
  Checked<Missing<Target, engine.Target>>,
  Checked<Missing<TargetList, engine.Targets>>,
  Checked<Missing<Host, engine.HostInfo>>,
  Checked<Missing<HostList, engine.Hosts>>,
  Checked<Missing<HostDetail, engine.HostDetail>>,
  Checked<Missing<Sources, engine.Sources>>,
  Checked<Missing<ChangedKey, remote.ChangedKey>>,
  Checked<Missing<Prompt, engine.Prompt>>,
  Checked<Missing<Answer, engine.Answer> | Missing<engine.Answer, Answer>>,
  Checked<Missing<ShellRequest, app.ShellRequest> | Missing<app.ShellRequest, ShellRequest>>,
  Checked<Missing<ExecRequest, app.ExecRequest> | Missing<app.ExecRequest, ExecRequest>>,
  Checked<Missing<TunnelRequest, app.TunnelRequest> | Missing<app.TunnelRequest, TunnelRequest>>,
  Checked<Missing<TailRequest, app.TailRequest> | Missing<app.TailRequest, TailRequest>>,
];

/** Folders may be dropped on the window: Go hears of them from Wails. Whatever else is dropped does nothing; the web
    view by itself would follow a link that is dropped, away from this page. */
export function takeDrops(): void {
  for (const name of ['dragenter', 'dragover', 'drop']) window.addEventListener(name, (event) => event.preventDefault());
  OnFileDrop(() => {}, false);
}

/** Waits for a bound call. Its type says less than the wire does (unions arrive as string), hence the cast. */
async function call<T>(answer: Promise<unknown>): Promise<T> {
  try {
    return (await answer) as T;
  } catch (thrown) {
    throw AppError.from(thrown);
  }
}

async function get(path: string, query: URLSearchParams): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(`/journal/${path}?${query}`, { cache: 'no-store' });
  } catch (thrown) {
    throw new AppError('internal', `the journal did not answer: ${String(thrown)}`, 'The record is not affected. Close the window and open it again.');
  }
  if (answer.ok) return answer;
  throw AppError.from(await answer.text());
}

async function output(query: OutputQuery): Promise<Frame[]> {
  const ask = new URLSearchParams();
  for (const { job, seq } of query.after) ask.append('q', `${job}.${seq}`);
  if (query.max !== undefined) ask.set('max', String(query.max));
  if (query.tail !== undefined) ask.set('tail', String(query.tail));
  if (query.until !== undefined) ask.set('until', String(Math.floor(query.until)));
  const answer = await get('output', ask);
  return decodeFrames(await answer.arrayBuffer());
}

async function json<T>(path: string, query: Record<string, string | number>): Promise<T> {
  const ask = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  return (await (await get(path, ask)).json()) as T;
}

function base64(data: Uint8Array): string {
  let text = '';
  for (let at = 0; at < data.length; at += 0x8000) text += String.fromCharCode(...data.subarray(at, at + 0x8000));
  return btoa(text);
}

/** Go writes null for an empty slice and may leave out what is not known. The window never wants to know. */
const jobOf = (job: Job): Job => ({
  ...job,
  argv: job.argv ?? [],
  survivors: job.survivors ?? [],
  exit_code: job.exit_code ?? null,
  started_at: job.started_at ?? null,
  finished_at: job.finished_at ?? null,
});
const teamOf = (job: TeamJob): TeamJob => ({ ...job, ...jobOf(job), owned: false }); // no other machine's job takes keys from here
const projectsOf = (list: ProjectList): ProjectList => ({ ...list, projects: list.projects ?? [], problems: list.problems ?? [] });
const targetsOf = (list: TargetList): TargetList => ({
  ...list,
  targets: (list.targets ?? []).map((target) => ({ ...target, params: target.params ?? [] })),
  problems: list.problems ?? [],
});
const hostOf = <H extends Host>(host: H): H => ({
  ...host,
  tags: host.tags ?? [],
  origins: host.origins ?? [],
  conflicts: host.conflicts ?? [],
  state: { ...host.state, steps: host.state.steps ?? [], way: host.state.way ?? [] },
});
const hostsOf = (list: HostList): HostList => ({ ...list, hosts: (list.hosts ?? []).map(hostOf), problems: list.problems ?? [], looked: list.looked ?? [] });
const detailOf = (detail: HostDetail): HostDetail => ({
  ...hostOf(detail),
  options: (detail.options ?? []).map((option) => ({ ...option, values: option.values ?? [] })),
  differs: detail.differs ?? [],
  jumps: detail.jumps ?? [],
  forwards: detail.forwards ?? [],
});
const promptOf = (prompt: Prompt): Prompt => ({
  ...prompt,
  host_key: prompt.host_key ? { ...prompt.host_key, others: prompt.host_key.others ?? [] } : null,
  secret: prompt.secret ?? null,
  challenge: prompt.challenge ? { ...prompt.challenge, fields: prompt.challenge.fields ?? [] } : null,
});

const updatesOf = (info: UpdateInfo): UpdateInfo => ({ ...info, release: info.release ? { ...info.release, files: info.release.files ?? [] } : null });

/** The generated type wants every time; Go takes a missing one for none. */
const filterOf = (filter: Filter): job.Filter => filter as job.Filter;

export const wails: Backend = {
  jobs: {
    list: async (query) => ((await call<Job[] | null>(Jobs.List({ ...query, filter: filterOf(query.filter) }))) ?? []).map(jobOf),
    count: async (filter) => (await call<Counts | null>(Jobs.Count(filterOf(filter)))) ?? {},
    names: () => call(Jobs.Names()),
    acts: async (query) => {
      const page = await call<ActsPage>(Jobs.Acts({ ...query, filter: filterOf(query.filter) } as app.ActsQuery));
      return { ...page, acts: page.acts ?? [] };
    },
    stats: async (filter) => (await call<Stat[] | null>(Jobs.Stats(filterOf(filter)))) ?? [],
    get: async (id) => jobOf(await call<Job>(Jobs.Get(id))),
    start: async (request) => ((await call<Job[] | null>(Jobs.Start(request))) ?? []).map(jobOf),
    again: async (id, size) => jobOf(await call<Job>(Jobs.Again(id, size.cols, size.rows))),
    shell: async (request) => jobOf(await call<Job>(Jobs.Shell(request))),
    exec: async (request) => ((await call<Job[] | null>(Jobs.Exec(request))) ?? []).map(jobOf),
    tail: async (request) => jobOf(await call<Job>(Jobs.Tail(request))),
    tunnel: async (request) => jobOf(await call<Job>(Jobs.Tunnel(request))),
    cancel: (id, force) => call(Jobs.Cancel(id, force)),
    input: (id, data) => call(Jobs.Input(id, base64(data))),
    resize: (id, size) => call(Jobs.Resize(id, size.cols, size.rows)),
    unrecorded: (id) => call(Jobs.Unrecorded(id)),
    export: (id, format) => call(Jobs.Export(id, format)),
    verify: async (id) => (await call<Verdict[] | null>(Jobs.Verify(id))) ?? [],
    said: async (id) => {
      const said = await call<Said>(Jobs.Said(id));
      return { ...said, remarks: said.remarks ?? [] };
    },
    note: (id, text) => call(Jobs.Note(id, text)),
    label: (id, labels, remove) => call(Jobs.Label(id, labels, remove)),
    pin: (id, keep) => call(Jobs.Pin(id, keep)),
  },
  archive: {
    status: async () => {
      const [info, database] = await Promise.all([call<Omit<ArchiveInfo, 'database'>>(Archive.Status()), call<string>(Archive.Database())]);
      return { ...info, database, quarantined: info.quarantined ?? [], set_aside: info.set_aside ?? [] };
    },
    test: (url) => call(Archive.Test(url)),
    use: (url) => call(Archive.Use(url)),
    setPassword: (password) => call(Archive.SetPassword(password)),
    share: (since) => call(Archive.Share(since)),
    init: () => call(Archive.Init()),
    migrate: () => call(Archive.Migrate()),
    retry: () => call(Archive.Retry()),
    jobs: async (query) => ((await call<TeamJob[] | null>(Archive.Jobs({ ...query, filter: filterOf(query.filter) }))) ?? []).map(teamOf),
    count: async (filter) => (await call<Counts | null>(Archive.Count(filterOf(filter)))) ?? {},
    watch: (shown) => call(Archive.Watch(shown)),
    open: async (id) => teamOf(await call(Archive.Open(id))),
    leave: (id) => call(Archive.Leave(id)),
  },
  diagnostics: {
    checks: async () => (await call<DoctorCheck[] | null>(Diagnostics.Checks())) ?? [],
    report: () => call<Report>(Diagnostics.Report()),
    save: () => call<SavedReport>(Diagnostics.Save()),
  },
  updates: {
    status: async () => updatesOf(await call(Updates.Status())),
    check: async () => updatesOf(await call(Updates.Check())),
    set: (on, url) => call(Updates.Set(on, url)),
  },
  search: {
    begin: (query) => call(Jobs.Search({ ...query, jobs: filterOf(query.jobs) })),
    more: async (id) => {
      const page = await json<SearchPage>('search', { id });
      return { ...page, jobs: page.jobs.map(jobOf) };
    },
    end: (id) => call(Jobs.EndSearch(id)),
  },
  projects: {
    list: async () => projectsOf(await call(Projects.List())),
    add: async (dir) => projectsOf(await call(Projects.Add(dir))),
    sample: () => call(Projects.Sample()),
    remove: async (dir) => projectsOf(await call(Projects.Remove(dir))),
    choose: () => call(Projects.Choose()),
    targets: async (dir) => targetsOf(await call(Projects.Targets(dir))),
    trust: async (dir, yes) => targetsOf(await call(Projects.Trust(dir, yes))),
    setMode: async (dir, target, mode) => targetsOf(await call(Projects.SetMode(dir, target, mode))),
  },
  hosts: {
    list: async () => hostsOf(await call(Hosts.List())),
    detail: async (name) => detailOf(await call(Hosts.Detail(name))),
    connect: (name) => call(Hosts.Connect(name)),
    disconnect: (name) => call(Hosts.Disconnect(name)),
    engine: (name) => call(Hosts.Engine(name)),
    setEngine: (name, chosen) => call(Hosts.SetEngine(name, chosen)),
    changedKey: async (name) => {
      const changed = await call<ChangedKey>(Hosts.ChangedKey(name));
      return { ...changed, old: changed.old ?? [] };
    },
    replaceKey: (name, fingerprint, typed) => call(Hosts.ReplaceKey(name, fingerprint, typed)),
    sources: async (name) => {
      const sources = await call<Sources>(Hosts.Sources(name));
      return { found: sources.found ?? [], problems: sources.problems ?? [] };
    },
    targets: async (name, dir) => targetsOf(await call(Hosts.Targets(name, dir))),
  },
  prompts: {
    pending: async () => ((await call<Prompt[] | null>(Prompts.Pending())) ?? []).map(promptOf),
    answer: (id, answer) => call(Prompts.Answer(id, answer)),
  },
  links: {
    next: async () => {
      const followed = await call<Followed>(Links.Next());
      return { ...followed, wish: followed.wish ?? null };
    },
  },
  info: () => call<Info>(Settings.Info()),
  output,
  lines: async (job, from, count) => {
    const page = await json<LinePage>('lines', { job, from, count });
    return { ...page, lines: (page.lines ?? []).map((line) => ({ ...line, parts: line.parts ?? [] })) };
  },
  seek: (job, at) => json('seek', { job, at: Math.floor(at) }),
  // EventsOff(name) would drop every listener of that name, so the function that EventsOn returns is kept.
  on: <E extends keyof Events>(event: E, handler: (payload: Events[E]) => void) => EventsOn(event, handler),
  clipboard: {
    read: () => call(ClipboardGetText()),
    write: async (text) => {
      if (!(await call<boolean>(ClipboardSetText(text)))) throw new AppError('clipboard', 'the clipboard refused the text');
    },
  },
  openURL: (url) => BrowserOpenURL(url),
};
