/* What crosses between Go and the window, in the words of the wire. backend.ts is the only place where
   generated types become these; the narrow unions here are what the rest of the window may rely on. */

import type { ArchiveInfo, DatabaseCheck, Exported, ExportFormat, TeamJob, Verdict } from './types.archive';
import type { DoctorCheck, Report, SavedReport } from './types.diagnostics';
import type { Followed } from './types.links';
import type { Answer, ChangedKey, ChosenEngine, ExecRequest, HostDetail, HostList, Link, Prompt, ShellRequest, Sources, TailRequest, TunnelRequest } from './types.hosts';
import type { UpdateInfo } from './types.updates';

export type * from './types.archive';
export type * from './types.diagnostics';
export type * from './types.hosts';
export type * from './types.updates';
export type * from './types.links';

export type JobState = 'pending' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'timed-out' | 'lost';
export type Cause = '' | 'exit' | 'signal' | 'not-started' | 'cancel' | 'interrupt' | 'timeout' | 'shutdown' | 'owner-gone' | 'journal' | 'no-connection' | 'link-lost';
export type Mode = 'auto' | 'stream' | 'terminal';

export interface Size {
  cols: number;
  rows: number;
}

export interface Survivor {
  pid: number;
  command: string;
  why: string;
}

export interface Job {
  id: string;
  run: string;
  host: string; // "" is this machine
  project: string;
  target: string;
  argv: string[];
  dir: string;
  tty: boolean;
  size: Size;
  source?: string; // of a log that is followed, as in docker:web
  link?: Link;
  operator: string;
  state: JobState;
  cause: Cause;
  detail: string;
  exit_code: number | null;
  signal: string;
  survivors?: Survivor[] | null;
  queued_at: string;
  started_at: string | null;
  finished_at: string | null;
  bytes: number;
  chunks: number; // the last sequence number
  lines: number;
  stalled?: string; // why its output waits, such as a full disk
  unrecorded?: number;
  owned: boolean; // this window runs it: input and resize are possible
  event?: boolean; // something that was done, such as a host key accepted; nothing that can run again
  pinned?: boolean; // its record stays when others are removed
  labels?: string[];
  notes?: number; // how many there are
}

/** Which jobs are meant: of each field that is there, one value must fit the job. */
export interface Filter {
  hosts?: string[]; // "" is this machine
  targets?: string[];
  states?: JobState[];
  labels?: string[];
  operator?: string; // a part of it
  project?: string;
  since?: string; // begun then or later
  until?: string; // begun before then
  text?: string; // stands in command, target, project, log or host
}

export interface Query {
  limit: number;
  before: string; // id of the oldest job already seen; "" for the start
  filter: Filter;
}

/** What to look for in the output of the jobs that a filter means. */
export interface SearchQuery {
  pattern: string; // RE2, unless literal
  literal: boolean;
  ignore_case: boolean;
  context: number; // lines before and behind
  jobs: Filter;
  team: boolean; // of everybody's jobs, as the database has them
  job: string; // only of this one; "" of all that the filter means
}

/** A line that matches, without its escape sequences; of a very long one what stands around the match. One with a
    problem tells what could not be searched instead. */
export interface SearchHit {
  job: string;
  line: number; // from 0, as in LinePage
  at: number; // unix ms
  stream: number;
  lead: string; // of the line, before the match
  match: string;
  rest: string;
  before: string[];
  after: string[];
  problem: string;
}

export interface SearchPage {
  hits: SearchHit[];
  jobs: Job[]; // those whose hits are in no page before
  done: boolean;
  failure: { code: string; message: string; hint: string } | null;
}

export type Counts = Partial<Record<JobState, number>>;

/** What there is to filter by. */
export interface Names {
  hosts: string[]; // "" is this machine
  targets: string[];
  projects: string[];
  operators: string[];
  labels: string[];
}

/** Something that somebody did: a job, or what else a ledger tells. */
export interface Act {
  at: string;
  by: string;
  login?: string; // as the database knows who it was
  what: string; // job, event, or the kind of the entry
  host: string; // "" is the machine of whoever did it
  job?: string; // that it is about
  state?: JobState; // of a job
  text: string;
  count?: number; // how many are told as one
}

/** Of the filter hosts, operator and times count. */
export interface ActsQuery {
  filter: Filter;
  limit: number;
  team: boolean;
}

export interface ActsPage {
  acts: Act[];
  more: boolean; // there is more before the last one
}

/** How the runs of a target on a host went. Those that were cancelled or lost do not count for the rate. */
export interface Stat {
  project: string;
  target: string;
  host: string; // "" is this machine
  runs: number;
  succeeded: number;
  failed: number;
  timed_out: number;
  cancelled: number;
  lost: number;
  rate: number | null; // 0 to 1; null if none counts
  p50_ms: number | null; // of those that succeeded
  p95_ms: number | null;
  newest: string;
}

/** One thing that somebody said of a job. Nothing that was said is ever taken away. */
export interface Remark {
  kind: 'note' | 'label' | 'unlabel' | 'pin' | 'unpin';
  job: string;
  at: string;
  by: string;
  text: string; // the note, the label, or why it was pinned
  login?: string; // that shipped it, as the database knows it
}

export interface Said {
  remarks: Remark[];
  team: boolean; // by anybody; else on this machine
  problem: string; // why the database could not be asked
}

export interface Start {
  hosts: string[]; // none: this machine; else dir is a folder there. Several are one run
  dir: string;
  target: string;
  vars: Record<string, string>;
  mode: '' | 'stream' | 'terminal'; // "" is as classified
  cols: number;
  rows: number;
}

export interface Problem {
  file: string;
  line: number;
  text: string;
}

export interface Project {
  alias: string;
  dir: string;
  source: 'registry' | 'added';
  file: string;
  line: number;
  missing: boolean;
  error: string;
}

export interface ProjectList {
  projects: Project[];
  problems: Problem[];
  registry: string;
  registry_exists: boolean;
}

export interface Param {
  name: string;
  default: string;
  help: string;
  file: string;
  line: number;
}

export interface Target {
  name: string;
  help: string;
  section: string;
  file: string;
  line: number;
  interactive: boolean;
  why: string; // why it is interactive; "" if it is not
  mode: Mode;
  computed: boolean;
  params: Param[];
}

export interface TargetList {
  dir: string;
  file: string; // name of the Makefile; "" when there is none
  targets: Target[];
  problems: Problem[];
  trusted: boolean;
  computed_available: boolean;
}

export interface Info {
  version: string;
  data_dir: string;
  read_only: string; // "" when the journal can be written
  operator: string;
  max_parallel: number;
  opened: string; // the folder that was given as argument or dropped last; "" for none
  os: string;
}

/** What a "jobs" event says of one job. It may be late, lost or doubled. */
export interface JobHint {
  id: string;
  state: JobState;
  seq: number;
  lines: number;
  bytes: number;
  stalled?: string;
}

export interface Events {
  jobs: { jobs: JobHint[]; more: boolean };
  projects: Record<string, never>;
  hosts: Record<string, never>;
  prompt: Record<string, never>;
  archive: Record<string, never>;
  updates: Record<string, never>;
  team: { jobs: string[]; more: boolean }; // of which the database got something, while that is watched; more: others may have too
  link: Record<string, never>;
  opened: { dir: string };
  failed: { code: string; message: string; hint: string }; // of something that no call asked for
}

export const Stream = { stdout: 1, stderr: 2, tty: 3, event: 4 } as const;

/** Something that happened in a record that is not output. */
export interface Note {
  kind: 'resize' | 'gap' | 'damage' | 'signal' | 'skipped' | 'link' | 'boundary';
  size?: Size;
  bytes?: number;
  until?: number;
  text?: string;
}

export interface Frame {
  index: number; // of the question it answers
  stream: number;
  first: number; // sequence numbers of the chunks in it
  last: number;
  at: number; // unix ms
  data: Uint8Array;
  note: Note | null; // set when stream is event
}

export interface OutputQuery {
  after: { job: string; seq: number }[];
  max?: number; // bytes; 1 MiB unless told
  tail?: number; // skip what is further behind than this
  until?: number; // unix ms; no chunk later than that
}

export interface LinePart {
  s: number; // stream
  t: string; // text with its escape sequences
}

export interface Line {
  n: number; // from 0
  at: number; // unix ms of its first byte
  parts: LinePart[];
  cut?: number; // bytes left out in its middle
  event?: Note;
}

export interface LinePage {
  from: number;
  total: number; // counts an unfinished last line
  complete: boolean; // the job has ended and total is final
  lines: Line[];
}

export const isFinal = (state: JobState): boolean => state !== 'pending' && state !== 'running';

/** The one error shape of the window: what failed, and what to do next. */
export class AppError extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint = '') {
    super(message);
    this.name = 'AppError';
    this.code = code;
    this.hint = hint;
  }

  /** Whatever was thrown, made proper. Go's errors are objects; those about arguments are plain strings. */
  static from(thrown: unknown): AppError {
    if (thrown instanceof AppError) return thrown;
    if (typeof thrown === 'string') {
      const parsed = parse(thrown);
      return parsed ?? new AppError('internal', thrown);
    }
    // Wails makes an Error of what Go answers: its message is a failure in JSON.
    if (thrown instanceof Error) return parse(thrown.message) ?? new AppError('internal', thrown.message);
    if (isShape(thrown)) return new AppError(String(thrown.code ?? 'internal'), thrown.message, String(thrown.hint ?? ''));
    return new AppError('internal', String(thrown));
  }
}

function isShape(value: unknown): value is { code?: unknown; message: string; hint?: unknown } {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';
}

function parse(text: string): AppError | null {
  if (!text.startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isShape(value) ? AppError.from(value) : null;
  } catch {
    return null;
  }
}

/** The window's whole view of the world. backend.ts implements it with Go, backend.fake.ts in memory. */
export interface Backend {
  jobs: {
    list(query: Query): Promise<Job[]>;
    count(filter: Filter): Promise<Counts>;
    names(): Promise<Names>;
    /** How the last runs of targets went, on each host; the one that ran last first. */
    stats(filter: Filter): Promise<Stat[]>;
    /** Everything that was done, newest first. */
    acts(query: ActsQuery): Promise<ActsPage>;
    get(id: string): Promise<Job>;
    start(request: Start): Promise<Job[]>;
    again(id: string, size: Size): Promise<Job>;
    shell(request: ShellRequest): Promise<Job>;
    exec(request: ExecRequest): Promise<Job[]>;
    tail(request: TailRequest): Promise<Job>;
    tunnel(request: TunnelRequest): Promise<Job>;
    cancel(id: string, force: boolean): Promise<void>;
    input(id: string, data: Uint8Array): Promise<void>;
    resize(id: string, size: Size): Promise<void>;
    unrecorded(id: string): Promise<void>;
    verify(id: string): Promise<Verdict[]>;
    /** What was said of a job, by anybody if the database answers. */
    said(id: string): Promise<Said>;
    note(id: string, text: string): Promise<void>;
    label(id: string, labels: string[], remove: boolean): Promise<void>;
    pin(id: string, keep: boolean): Promise<void>;
    /** Asks where to, with the dialog of the system. */
    export(id: string, format: ExportFormat): Promise<Exported>;
  };
  archive: {
    status(): Promise<ArchiveInfo>;
    /** Connects; without a URL to the one in use. */
    test(url: string): Promise<DatabaseCheck>;
    use(url: string): Promise<void>;
    setPassword(password: string): Promise<void>;
    share(since: string): Promise<void>; // "" is all
    init(): Promise<void>;
    migrate(): Promise<number>;
    retry(): Promise<void>;
    jobs(query: Query): Promise<TeamJob[]>;
    count(filter: Filter): Promise<Counts>;
    /** Says whether the window shows the team's jobs: then team events tell what is new of them. Said again, a
        database that was away is tried at once. */
    watch(shown: boolean): Promise<void>;
    /** Brings the record of a colleague's job here, and what comes while it runs, until leave. */
    open(id: string): Promise<TeamJob>;
    leave(id: string): Promise<void>;
  };
  diagnostics: {
    checks(): Promise<DoctorCheck[]>;
    report(): Promise<Report>;
    /** Asks where to. */
    save(): Promise<SavedReport>;
  };
  updates: {
    /** How it stands. Nobody is asked. */
    status(): Promise<UpdateInfo>;
    /** Asks now. */
    check(): Promise<UpdateInfo>;
    /** Without an address the one before stays. */
    set(on: boolean, url: string): Promise<void>;
  };
  search: {
    /** Begins a search and ends the one before: that of all jobs, or that of one job. It goes on as far as its hits are asked for. */
    begin(query: SearchQuery): Promise<string>;
    /** The next hits, as soon as there is one; perhaps none, and not done. */
    more(id: string): Promise<SearchPage>;
    end(id: string): Promise<void>;
  };
  projects: {
    list(): Promise<ProjectList>;
    add(dir: string): Promise<ProjectList>;
    /** Adds the project that comes with the program, and says where it is. */
    sample(): Promise<string>;
    remove(dir: string): Promise<ProjectList>;
    choose(): Promise<string>;
    targets(dir: string): Promise<TargetList>;
    trust(dir: string, yes: boolean): Promise<TargetList>;
    setMode(dir: string, target: string, mode: Mode): Promise<TargetList>;
  };
  hosts: {
    list(): Promise<HostList>;
    detail(name: string): Promise<HostDetail>;
    connect(name: string): Promise<void>;
    disconnect(name: string): Promise<void>;
    engine(name: string): Promise<ChosenEngine>;
    setEngine(name: string, chosen: ChosenEngine): Promise<void>;
    changedKey(name: string): Promise<ChangedKey>;
    /** Typed is what the operator has typed: the name of the machine that showed the key. */
    replaceKey(name: string, fingerprint: string, typed: string): Promise<void>;
    sources(name: string): Promise<Sources>;
    targets(name: string, dir: string): Promise<TargetList>;
  };
  prompts: {
    pending(): Promise<Prompt[]>;
    answer(id: string, answer: Answer): Promise<void>;
  };
  links: {
    /** Takes the oldest link that waits. One that cannot be followed is an error, and does not come again. */
    next(): Promise<Followed>;
  };
  info(): Promise<Info>;
  output(query: OutputQuery): Promise<Frame[]>;
  lines(job: string, from: number, count: number): Promise<LinePage>;
  seek(job: string, at: number): Promise<{ seq: number; line: number }>;
  on<E extends keyof Events>(event: E, handler: (payload: Events[E]) => void): () => void;
  clipboard: { read(): Promise<string>; write(text: string): Promise<void> };
  openURL(url: string): void;
}
