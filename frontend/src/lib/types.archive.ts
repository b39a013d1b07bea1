/* The team's database and the proof of records, in the words of the wire. */

import type { Job } from './types';

/** off: none is configured. asks: somebody has to say which jobs go there. waiting: it failed and is tried again.
    stopped: somebody has to do something. */
export type ArchiveState = 'off' | 'asks' | 'connecting' | 'current' | 'shipping' | 'waiting' | 'stopped';

/** A job that is not copied, and why. */
export interface ArchiveFault {
  job: string;
  error: string;
  hint: string;
}

export interface ArchiveInfo {
  state: ArchiveState;
  since: string;
  server: string; // such as anna@db.example:5432/vmo
  origin: string; // where it was said which one: a file or a variable
  error: string;
  hint: string;
  elsewhere: boolean; // another process of this machine copies
  lag_known: boolean;
  lag_jobs: number;
  lag_bytes: number;
  lag_seconds: number;
  entries: number;
  quarantined: ArchiveFault[]; // whose record differs from what is there
  set_aside: ArchiveFault[];
  database: string; // of the settings
}

export interface DatabaseCheck {
  server: string;
  postgres: string; // its version
  transport: string; // such as TLSv1.3, or that it is this machine
  login: string;
  may: string; // what the login may do
  writable: boolean;
  schema: number; // version of the tables
  answer_ms: number;
  jobs: number;
  installations: number;
  bytes: number;
  entries: number; // of this machine's ledger that it has
  ledger: number; // that there are
}

/** A job of the archive, of anybody's machine. */
export interface TeamJob extends Job {
  installation: string;
  mine: boolean; // of this machine
  login: string;
  laptop: string;
  owner_seen: string;
  offline: boolean; // its machine has not been there for a while
  removed: boolean; // its output was removed from the archive
}

export type ExportFormat = 'text' | 'ansi' | 'html' | 'cast' | 'json' | 'record';

export interface Exported {
  path: string; // "" when the dialog was dismissed
  bytes: number;
  problem: string;
}

/** What a verification found out about a record, or about the ledger if there is no job. */
export interface Verdict {
  job?: string;
  result: 'intact' | 'unknown' | 'tampered';
  findings?: string[];
  state: string;
  blocks: number;
  bytes: number;
}
