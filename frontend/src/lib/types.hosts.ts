/* Hosts, connections and the questions they ask, in the words of the wire. Times that are not known yet come as
   Go's zero time: see known() in format.hosts.ts. */

export type HostStatus = 'unknown' | 'connecting' | 'connected' | 'disconnected' | 'unreachable' | 'auth-failed' | 'host-key';
export type Link = '' | 'keep' | 'stop'; // what happens to a job when the connection to its host is lost

export interface Destination {
  alias: string;
  user?: string;
  port?: number;
}

export interface Step {
  hop: string;
  what: string;
  detail: string;
  ok: boolean;
}

/** One machine on the way to a host, as the last attempt found it. */
export interface Waypoint {
  name: string;
  addr: string; // user@host:port
  came: '' | 'through' | 'stopped'; // "" is not tried, or not known
  banner: string; // what its server said before anybody logged in
}

/** Who makes the connections to a host; auto is the built-in engine, and ssh for what only ssh can. */
export type ChosenEngine = 'auto' | 'built-in' | 'openssh';

export interface HostState {
  destination: Destination;
  status: HostStatus;
  since: string;
  latency_ms: number; // 0: no answer yet
  attempt: number;
  next: string;
  error: string;
  hint: string;
  key_changed: boolean; // it is that a host key has changed: changedKey tells which
  steps: Step[];
  way: Waypoint[]; // the host itself last
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

/** A host key in a file of known hosts. */
export interface KnownKey {
  type: string;
  fingerprint: string;
  file: string;
  line: number;
}

/** A host key that was refused because another one is known. */
export interface ChangedKey {
  hop: string; // the machine that showed it
  name: string; // as known_hosts has it
  type: string;
  fingerprint: string;
  old: KnownKey[];
  kept: boolean; // the new one is written down in their place; else it is asked about
  blocked: string; // why they cannot be replaced from here; "" if they can
}

export interface Origin {
  field: string;
  value: string;
  file: string;
  line: number;
}

export interface Host {
  name: string;
  local: boolean;
  environment: string;
  address: string;
  user: string;
  port: number;
  tags: string[];
  origins: Origin[];
  conflicts: string[];
  destination: Destination;
  state: HostState;
}

export interface HostProblem {
  file: string;
  line: number;
  host: string;
  text: string;
}

export interface HostList {
  hosts: Host[];
  problems: HostProblem[];
  ssh_config: string; // where ssh's configuration was looked for
  looked: string[];
}

export interface HostOption {
  key: string;
  values: string[];
  file: string; // "" is a default
  line: number;
}

export type ForwardKind = 'local' | 'remote' | 'dynamic';

/** A port or socket that leads to another one through a host. */
export interface Forward {
  kind: ForwardKind;
  listen: string; // "PORT", "ADDRESS:PORT" or the path of a socket
  to: string; // "HOST:PORT" or the path of a socket; "" is said by SOCKS
}

export interface TunnelRequest {
  host: string;
  forwards: { kind: ForwardKind; spec: string }[]; // spec as behind -L, -R or -D; none: those of the configuration
}

export interface HostDetail extends Host {
  by: string; // who evaluated the configuration: "ssh" or "built-in"
  why: string; // why it was not ssh
  options: HostOption[];
  differs: string[];
  resolved: string; // user@host:port
  jumps: string[]; // the hops before it, as configured
  forwards: Forward[]; // that its configuration asks for
}

/** A log that a host really has. */
export interface Found {
  source: string; // what to follow, as in docker:web
  kind: string;
  name: string;
  detail: string;
  state: string;
}

export interface Sources {
  found: Found[];
  problems: string[];
}

export interface ShellRequest {
  host: string; // "" is this machine
  dir: string;
  cols: number;
  rows: number;
}

export interface ExecRequest {
  hosts: string[];
  line: string; // for the shell there
  dir: string;
  mode: 'stream' | 'terminal';
  link: Link;
  cols: number;
  rows: number;
}

export interface TailRequest {
  host: string;
  source: string;
  since: string; // "" is from now; else such as 15m
  lines: number;
  dir: string;
}

/** Who asks: one machine on the way to a host. */
export interface Hop {
  host: string;
  name: string;
  user: string;
  addr: string;
  number: number;
  of: number;
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
  kind: 'passphrase' | 'password';
  of: string;
  try: number;
}

export interface ChallengeQuestion {
  hop: Hop;
  name: string;
  instruction: string;
  fields: { prompt: string; echo: boolean }[];
  try: number;
}

export interface Prompt {
  id: string;
  kind: 'host-key' | 'secret' | 'challenge';
  hop: Hop;
  host_key: HostKeyQuestion | null;
  secret: SecretQuestion | null;
  challenge: ChallengeQuestion | null;
}

export interface Answer {
  accept: boolean;
  values: string[];
}
