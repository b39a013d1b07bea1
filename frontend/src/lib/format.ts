/* Pure functions from values to the words and numbers of the window. */

import type { Job, JobState, Note } from './types';

/** The colours of states; a word and an icon always stand beside them. */
export type Tone = 'ok' | 'fail' | 'warn' | 'run' | 'idle' | 'lost';

/** 840 ms, 3.2 s, 48 s, 3 m 10 s, 2 h 05 m, 3 d 04 h. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '0 s';
  if (ms < 1000) return `${Math.floor(ms)} ms`;
  const s = Math.floor(ms / 1000);
  if (s < 10) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${pad(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${pad(Math.floor(s / 60) % 60)} m`;
  return `${Math.floor(s / 86_400)} d ${pad(Math.floor(s / 3600) % 24)} h`;
}

/** 0:07, 12:40, 1:02:09 — a position in a replay. */
export function position(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(s / 60) % 60;
  return s < 3600 ? `${minutes}:${pad(s % 60)}` : `${Math.floor(s / 3600)}:${pad(minutes)}:${pad(s % 60)}`;
}

const pad = (n: number): string => String(n).padStart(2, '0');

/** 1 204 — digits in groups, as operators read them. */
export const count = (n: number): string => Math.floor(n).toString().replace(/\B(?=(\d{3})+$)/g, '\u00a0');

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = n;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** just now, 40 s ago, 5 min ago, 3 h ago, yesterday, 12 Nov, 12 Nov 2025. */
export function relative(at: number, now: number): string {
  const s = Math.floor((now - at) / 1000);
  if (s < 5) return 'just now';
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  if (s < 172_800) return 'yesterday';
  const date = new Date(at);
  const day = `${date.getDate()} ${date.toLocaleString('en-GB', { month: 'short' })}`;
  return date.getFullYear() === new Date(now).getFullYear() ? day : `${day} ${date.getFullYear()}`;
}

/** 2026-11-23 14:05:09 in local time. */
export function absolute(at: number): string {
  const d = new Date(at);
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())} ${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}`;
}

/** 14:05:09.123 in local time: the column of times in a log. */
export function clock(at: number): string {
  const d = new Date(at);
  return `${pad(d.getHours())}:${pad(d.getMinutes())}:${pad(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, '0')}`;
}

/** Names from outside. Control, bidi and zero-width characters could make a name look like another, or
    like a part of the window, so they are spelled out. */
export const visible = (text: string): string =>
  text.replace(
    /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]|\udb40[\udc00-\udfff]/g,
    (c) => `⟨${(c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );

/** A text from outside of several lines, each as visible() has it. */
export const visibleLines = (text: string): string => text.replaceAll('\t', '    ').split('\n').map(visible).join('\n');

/** A pasted text without what could act rather than be typed: escapes, C0 and C1, bidi and zero-width. */
export const pasteable = (text: string): string =>
  text
    .replace(/\r\n?/g, '\n')
    .replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, '');

/** One argument as a POSIX shell would need it. */
export const quote = (arg: string): string => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`);

/** A command line that can be pasted into a shell. NAME=value keeps its name bare, as people write it. */
export const commandLine = (argv: string[]): string =>
  argv.map((arg) => /^([A-Za-z_]\w*)=(.*)$/s.exec(arg)).map((match, i) => (match ? `${match[1]}=${match[2] === '' ? '' : quote(match[2] ?? '')}` : quote(argv[i] ?? ''))).join(' ');

/** The command that a form starts, argument for argument as it is recorded. Make would expand a $, and a form
    means the text as it is. */
export const makeCommand = (target: string, vars: Record<string, string>): string[] => [
  'make',
  target,
  ...Object.entries(vars).map(([name, value]) => `${name}=${value.replaceAll('$', '$$$$')}`),
];

/** The link of a job, or of a line of its output; lines count from 0 here and from 1 for people. */
export const linkOf = (job: string, line: number | null = null): string => `vmo://job/${job}${line === null ? '' : `#${line + 1}`}`;

const TUNNEL = 'tunnel:';

/** A job that carries ports through a host. */
export const isTunnel = (job: Job): boolean => job.source?.startsWith(TUNNEL) ?? false;

/** What an operator knows a job by: its target, the log it follows, the line that was typed, else its command. */
export function title(job: Job): string {
  if (isTunnel(job)) return visible(`tunnel ${(job.source ?? '').slice(TUNNEL.length)}`);
  if (job.target || job.source) return visible(job.target || (job.source ?? ''));
  const [sh, c, line] = job.argv;
  if (sh === 'sh' && c === '-c' && line !== undefined && job.argv.length === 3) return visible(line.trim() || 'sh');
  if (job.argv.length === 0 || (job.tty && job.argv[0] === 'login-shell')) return 'terminal';
  return visible(commandLine(job.argv));
}

const WORDS: Record<JobState, string> = {
  pending: 'queued',
  running: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
  'timed-out': 'timed out',
  lost: 'lost',
};

export const stateWord = (state: JobState): string => WORDS[state];

/** exit 2, SIGKILL, not started — how a job ended, shortly; "" while it runs. */
export function ending(job: Job): string {
  if (job.cause === 'no-connection') return 'no connection'; // its 255 is only what ssh would say
  if (job.signal) return job.signal;
  if (job.exit_code !== null) return `exit ${job.exit_code}`;
  if (job.cause === 'not-started') return 'not started';
  if (job.cause === 'link-lost') return 'link lost';
  return '';
}

export const ranFor = (job: Job, now: number): number | null => {
  if (!job.started_at) return null;
  return Math.max(0, (job.finished_at ? Date.parse(job.finished_at) : now) - Date.parse(job.started_at));
};

/** "build failed (exit 2) after 3 m 10 s" — what is read out when a job ends. */
export function outcome(job: Job): string {
  const how = ending(job);
  const long = ranFor(job, Date.now());
  return `${title(job)} ${stateWord(job.state)}${how && job.state !== 'succeeded' ? ` (${how})` : ''}${long === null ? '' : ` after ${duration(long)}`}`;
}

/** A line across the log for what happened there. */
export function noteText(note: Note): string {
  const size = note.bytes ? bytes(note.bytes) : 'some output';
  const said = note.text ? ` – ${visible(note.text)}` : '';
  switch (note.kind) {
    case 'gap':
      return `${size} not recorded here, by the operator’s choice${said}`;
    case 'damage':
      return `${size} of the record cannot be read${said}`;
    case 'skipped':
      return `${size} skipped in this view; the record has it`;
    case 'signal':
      return `signal sent${said}`;
    case 'resize':
      return note.size ? `terminal resized to ${note.size.cols}×${note.size.rows}` : 'terminal resized';
    case 'link':
      return (note.text ?? '').split('\n').filter(Boolean).map(visible).join(' · ') || 'the connection to the host changed';
    default:
      return note.text ? visible(note.text) : 'event';
  }
}

/** The last parts of a path that fit a list. */
export const shortDir = (dir: string, parts = 2): string => {
  const names = dir.split(/[\\/]/).filter(Boolean);
  return names.length <= parts + 1 ? visible(dir) : `…/${visible(names.slice(-parts).join('/'))}`;
};
