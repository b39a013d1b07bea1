/* How the database stands, in words. */

import { bytes, plural, type Tone } from './format';
import type { ArchiveInfo, Verdict } from './types';

/** 0 unsaved, 3 jobs unsaved; what nobody knows yet is not called nothing. */
export const unsaved = (info: ArchiveInfo): string => (!info.lag_known ? 'unsaved not known yet' : info.lag_jobs === 0 ? '0 unsaved' : `${plural(info.lag_jobs, 'job')} unsaved`);

/** The words of the status bar, and how alarming they are. */
export function archiveWords(info: ArchiveInfo): { text: string; tone: Tone } {
  switch (info.state) {
    case 'off':
      return { text: 'no database', tone: 'idle' };
    case 'asks':
      return { text: 'database: which jobs?', tone: 'warn' };
    case 'connecting':
      return info.elsewhere ? { text: 'saved by another window or vmo', tone: 'ok' } : { text: 'connecting to the database…', tone: 'run' };
    case 'current':
      return { text: `database · ${unsaved(info)}`, tone: info.quarantined.length + info.set_aside.length > 0 ? 'fail' : 'ok' };
    case 'shipping':
      return { text: `database · ${unsaved(info)}`, tone: 'run' };
    case 'waiting':
      return { text: `database away · ${unsaved(info)}`, tone: 'warn' };
    default:
      return { text: `database stopped · ${unsaved(info)}`, tone: 'fail' };
  }
}

/** What is behind, in a sentence. */
export function lag(info: ArchiveInfo): string {
  if (!info.lag_known) return 'What is not copied yet is known after the first connection.';
  if (info.lag_jobs === 0) return 'Everything that may go there is there.';
  return `${plural(info.lag_jobs, 'job')} with ${bytes(info.lag_bytes)} of output not copied yet.`;
}

/** The worst of the verdicts, in words for everybody. */
export function verdictWords(verdicts: Verdict[]): { title: string; tone: Tone } {
  const results = verdicts.map((verdict) => verdict.result);
  if (results.includes('tampered')) return { title: 'Not what was recorded', tone: 'fail' };
  if (results.includes('unknown') || verdicts.length === 0) return { title: 'It cannot be told', tone: 'warn' };
  return { title: 'Intact: it is what was recorded, byte for byte', tone: 'ok' };
}
