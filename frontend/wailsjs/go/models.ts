export namespace app {
	
	export enum Event {
	    ARCHIVE = "archive",
	    FAILED = "failed",
	    HOSTS = "hosts",
	    JOBS = "jobs",
	    LINK = "link",
	    OPENED = "opened",
	    PROJECTS = "projects",
	    PROMPT = "prompt",
	    TEAM = "team",
	    UPDATES = "updates",
	}
	export interface ActsPage {
	    acts: job.Act[];
	    more: boolean;
	}
	export interface ActsQuery {
	    filter: job.Filter;
	    limit: number;
	    team: boolean;
	}
	export interface ExecRequest {
	    hosts: string[];
	    line: string;
	    dir: string;
	    mode: string;
	    link: string;
	    cols: number;
	    rows: number;
	}
	export interface Exported {
	    path: string;
	    bytes: number;
	    problem: string;
	}
	export interface WishHost {
	    name: string;
	    known: boolean;
	    environment: string;
	}
	export interface Wish {
	    project: string;
	    dir: string;
	    known: boolean;
	    target: string;
	    hosts: WishHost[];
	    vars: job.Variable[];
	}
	export interface Followed {
	    link: string;
	    job: string;
	    mine: boolean;
	    line: number;
	    wish?: Wish;
	}
	export interface Info {
	    version: string;
	    data_dir: string;
	    read_only: string;
	    operator: string;
	    max_parallel: number;
	    os: string;
	    opened: string;
	}
	export interface Job {
	    id: string;
	    run: string;
	    host: string;
	    project: string;
	    target: string;
	    argv: string[];
	    dir: string;
	    env_names?: string[];
	    tty: boolean;
	    size: {cols: number, rows: number};
	    timeout_ms?: number;
	    source?: string;
	    link?: string;
	    event?: boolean;
	    origin?: string;
	    operator: string;
	    state: string;
	    cause: string;
	    detail: string;
	    exit_code?: number;
	    signal: string;
	    survivors?: {pid: number, command: string, why: string}[];
	    queued_at: string;
	    started_at?: string | null;
	    finished_at?: string | null;
	    bytes: number;
	    chunks: number;
	    lines: number;
	    stalled?: string;
	    unrecorded?: number;
	    pinned?: boolean;
	    labels?: string[];
	    notes?: number;
	    owned: boolean;
	}
	export interface Query {
	    limit: number;
	    before: string;
	    filter: job.Filter;
	}
	export interface Request {
	    hosts: string[];
	    dir: string;
	    target: string;
	    vars: Record<string, string>;
	    mode: string;
	    cols: number;
	    rows: number;
	}
	export interface Saved {
	    path: string;
	    parts: string[];
	}
	export interface SearchQuery {
	    pattern: string;
	    literal: boolean;
	    ignore_case: boolean;
	    context: number;
	    jobs: job.Filter;
	    team: boolean;
	    job: string;
	}
	export interface ShellRequest {
	    host: string;
	    dir: string;
	    cols: number;
	    rows: number;
	}
	export interface TailRequest {
	    host: string;
	    source: string;
	    since: string;
	    lines: number;
	    dir: string;
	}
	export interface TunnelForward {
	    kind: string;
	    spec: string;
	}
	export interface TunnelRequest {
	    host: string;
	    forwards: TunnelForward[];
	}
	

}

export namespace engine {
	
	export interface Answer {
	    accept: boolean;
	    values: string[];
	}
	export interface ArchiveFault {
	    job: string;
	    error: string;
	    hint: string;
	}
	export interface ArchiveStatus {
	    state: string;
	    since: string;
	    server: string;
	    origin: string;
	    error: string;
	    hint: string;
	    elsewhere: boolean;
	    lag_known: boolean;
	    lag_jobs: number;
	    lag_bytes: number;
	    lag_seconds: number;
	    entries: number;
	    quarantined: ArchiveFault[];
	    set_aside: ArchiveFault[];
	}
	export interface Check {
	    name: string;
	    ok: boolean;
	    optional: boolean;
	    found: string;
	    origin: string;
	    next: string;
	}
	export interface DatabaseCheck {
	    server: string;
	    postgres: string;
	    transport: string;
	    login: string;
	    may: string;
	    writable: boolean;
	    schema: number;
	    answer_ms: number;
	    jobs: number;
	    installations: number;
	    bytes: number;
	    entries: number;
	    ledger: number;
	}
	export interface Option {
	    key: string;
	    values: string[];
	    file: string;
	    line: number;
	}
	export interface HostDetail {
	    name: string;
	    local: boolean;
	    environment: string;
	    address: string;
	    user: string;
	    port: number;
	    tags: string[];
	    conflicts: string[];
	    origins: {field: string, value: string, file: string, line: number}[];
	    destination: inventory.Destination;
	    state: remote.State;
	    resolved: string;
	    by: string;
	    why: string;
	    jumps: string[];
	    options: Option[];
	    forwards: inventory.Forward[];
	    differs: string[];
	}
	export interface HostInfo {
	    name: string;
	    local: boolean;
	    environment: string;
	    address: string;
	    user: string;
	    port: number;
	    tags: string[];
	    conflicts: string[];
	    origins: {field: string, value: string, file: string, line: number}[];
	    destination: inventory.Destination;
	    state: remote.State;
	}
	export interface Hosts {
	    hosts: HostInfo[];
	    problems: inventory.Problem[];
	    ssh_config: string;
	    looked: string[];
	}
	export interface NewFile {
	    name: string;
	    url: string;
	    size: number;
	    sha256: string;
	}
	
	export interface Project {
	    alias: string;
	    dir: string;
	    source: string;
	    file: string;
	    line: number;
	    missing: boolean;
	    error: string;
	}
	export interface Projects {
	    projects: Project[];
	    problems: target.Problem[];
	    registry: string;
	    registry_exists: boolean;
	}
	export interface Prompt {
	    id: string;
	    kind: string;
	    hop: remote.Hop;
	    host_key?: remote.HostKeyQuestion;
	    secret?: remote.SecretQuestion;
	    challenge?: remote.ChallengeQuestion;
	}
	export interface Release {
	    unsure: boolean;
	    version: string;
	    // Go type: time
	    date: any;
	    notes: string;
	    schema: string;
	    migrate: boolean;
	    journal: string;
	    how: string;
	    from: string;
	    files: NewFile[];
	}
	export interface Remark {
	    kind: string;
	    job: string;
	    at: string;
	    by: string;
	    text: string;
	    login?: string;
	}
	export interface ReportPart {
	    name: string;
	    what: string;
	    text: string;
	}
	export interface Report {
	    parts: ReportPart[];
	}
	
	export interface Said {
	    remarks: Remark[];
	    team: boolean;
	    problem: string;
	}
	export interface Sources {
	    found: tail.Found[];
	    problems: string[];
	}
	export interface Target {
	    name: string;
	    help: string;
	    section: string;
	    file: string;
	    line: number;
	    phony: boolean;
	    interactive: boolean;
	    why: string;
	    computed: boolean;
	    params: {name: string, default: string, help: string, file: string, line: number}[];
	    mode: string;
	}
	export interface Targets {
	    dir: string;
	    file: string;
	    targets: Target[];
	    problems: target.Problem[];
	    trusted: boolean;
	    computed_available: boolean;
	}
	export interface TeamJob {
	    id: string;
	    run: string;
	    host: string;
	    project: string;
	    target: string;
	    argv: string[];
	    dir: string;
	    env_names?: string[];
	    tty: boolean;
	    size: {cols: number, rows: number};
	    timeout_ms?: number;
	    source?: string;
	    link?: string;
	    event?: boolean;
	    origin?: string;
	    operator: string;
	    state: string;
	    cause: string;
	    detail: string;
	    exit_code?: number;
	    signal: string;
	    survivors?: {pid: number, command: string, why: string}[];
	    queued_at: string;
	    started_at?: string | null;
	    finished_at?: string | null;
	    bytes: number;
	    chunks: number;
	    lines: number;
	    stalled?: string;
	    unrecorded?: number;
	    pinned?: boolean;
	    labels?: string[];
	    notes?: number;
	    installation: string;
	    mine: boolean;
	    login: string;
	    laptop: string;
	    owner_seen: string;
	    offline: boolean;
	    removed: boolean;
	}
	export interface UpdateStatus {
	    state: string;
	    url: string;
	    managed: boolean;
	    policy: string;
	    current: string;
	    // Go type: time
	    checked?: any;
	    error: string;
	    hint: string;
	    release?: Release;
	}

}

export namespace inventory {
	
	export interface Destination {
	    alias: string;
	    user?: string;
	    port?: number;
	}
	export interface Forward {
	    kind: string;
	    listen: string;
	    to: string;
	}
	export interface Problem {
	    file: string;
	    line: number;
	    host: string;
	    text: string;
	}

}

export namespace job {
	
	export interface Act {
	    at: string;
	    by: string;
	    login?: string;
	    what: string;
	    host: string;
	    job?: string;
	    state?: string;
	    text: string;
	    count?: number;
	}
	export interface Filter {
	    hosts?: string[];
	    targets?: string[];
	    states?: string[];
	    labels?: string[];
	    operator?: string;
	    project?: string;
	    since: string;
	    until: string;
	    text?: string;
	}
	export interface Variable {
	    name: string;
	    value: string;
	}

}

export namespace journal {
	
	export interface Names {
	    hosts: string[];
	    targets: string[];
	    projects: string[];
	    operators: string[];
	    labels: string[];
	}
	export interface Stat {
	    project: string;
	    target: string;
	    host: string;
	    runs: number;
	    succeeded: number;
	    failed: number;
	    timed_out: number;
	    cancelled: number;
	    lost: number;
	    rate?: number;
	    p50_ms?: number;
	    p95_ms?: number;
	    newest: string;
	}
	export interface Verdict {
	    job?: string;
	    result: string;
	    findings?: string[];
	    state: string;
	    blocks: number;
	    bytes: number;
	}

}

export namespace remote {
	
	export interface Field {
	    prompt: string;
	    echo: boolean;
	}
	export interface Hop {
	    host: string;
	    name: string;
	    user: string;
	    addr: string;
	    number: number;
	    of: number;
	}
	export interface ChallengeQuestion {
	    hop: Hop;
	    name: string;
	    instruction: string;
	    fields: Field[];
	    try: number;
	}
	export interface KnownKey {
	    type: string;
	    fingerprint: string;
	    file: string;
	    line: number;
	}
	export interface ChangedKey {
	    hop: string;
	    name: string;
	    type: string;
	    fingerprint: string;
	    old: KnownKey[];
	    kept: boolean;
	    blocked: string;
	}
	
	
	export interface HostKeyQuestion {
	    hop: Hop;
	    type: string;
	    fingerprint: string;
	    file: string;
	    others: string[];
	}
	
	export interface SecretQuestion {
	    hop: Hop;
	    kind: string;
	    of: string;
	    try: number;
	}
	export interface Waypoint {
	    name: string;
	    addr: string;
	    came: string;
	    banner: string;
	}
	export interface Step {
	    hop: string;
	    what: string;
	    detail: string;
	    ok: boolean;
	}
	export interface State {
	    destination: inventory.Destination;
	    status: string;
	    since: string;
	    latency_ms: number;
	    attempt: number;
	    next: string;
	    error: string;
	    hint: string;
	    key_changed: boolean;
	    steps: Step[];
	    way: Waypoint[];
	    engine: string;
	    connections: number;
	    sessions: number;
	    max_sessions: number;
	    server: string;
	    host_key: string;
	    kex: string;
	    cipher: string;
	    mac: string;
	}
	

}

export namespace tail {
	
	export interface Found {
	    source: string;
	    kind: string;
	    name: string;
	    detail: string;
	    state: string;
	    dir: string;
	    recent: boolean;
	}

}

export namespace target {
	
	export interface Problem {
	    file: string;
	    line: number;
	    text: string;
	}

}

