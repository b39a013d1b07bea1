export namespace app {
	
	export enum Event {
	    FAILED = "failed",
	    JOBS = "jobs",
	    OPENED = "opened",
	    PROJECTS = "projects",
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
	    owned: boolean;
	}
	export interface Query {
	    limit: number;
	    before: string;
	}
	export interface Request {
	    dir: string;
	    target: string;
	    vars: Record<string, string>;
	    mode: string;
	    cols: number;
	    rows: number;
	}

}

export namespace engine {
	
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

}

export namespace target {
	
	export interface Problem {
	    file: string;
	    line: number;
	    text: string;
	}

}

