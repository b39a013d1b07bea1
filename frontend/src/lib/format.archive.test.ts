import { describe, expect, it } from 'vitest';
import { archiveWords, lag, unsaved, verdictWords } from './format.archive';
import type { ArchiveInfo, ArchiveState, Verdict } from './types';

const info = (state: ArchiveState, over: Partial<ArchiveInfo> = {}): ArchiveInfo => ({
  state, since: '', server: 'ada@db/vmo', origin: '', error: '', hint: '', elsewhere: false, lag_known: true, lag_jobs: 0, lag_bytes: 0, lag_seconds: 0, entries: 0, quarantined: [], set_aside: [], database: '', ...over,
});

describe('how the database stands', () => {
  it.each([
    [info('off', { lag_known: false }), 'no database', 'idle'],
    [info('asks'), 'database: which jobs?', 'warn'],
    [info('connecting', { lag_known: false }), 'connecting to the database…', 'run'],
    [info('connecting', { elsewhere: true }), 'saved by another window or vmo', 'ok'],
    [info('current'), 'database · 0 unsaved', 'ok'],
    [info('shipping', { lag_jobs: 1 }), 'database · 1 job unsaved', 'run'],
    [info('waiting', { lag_jobs: 1204 }), 'database away · 1\u00a0204 jobs unsaved', 'warn'],
    [info('stopped', { lag_jobs: 2 }), 'database stopped · 2 jobs unsaved', 'fail'],
  ])('%# %s', (given, text, tone) => expect(archiveWords(given)).toEqual({ text, tone }));

  it('never says that nothing is unsaved while nobody knows', () => {
    expect(unsaved(info('waiting', { lag_known: false }))).not.toContain('0');
    expect(lag(info('connecting', { lag_known: false }))).toMatch(/is known after/);
    expect(lag(info('shipping', { lag_jobs: 3, lag_bytes: 4_096_000 }))).toBe('3 jobs with 4.1 MB of output not copied yet.');
  });

  it('a job that is not taken is alarming, although nothing else is behind', () => {
    expect(archiveWords(info('current', { quarantined: [{ job: 'a', error: 'differs', hint: '' }] })).tone).toBe('fail');
  });
});

describe('verdicts', () => {
  const verdict = (result: Verdict['result']): Verdict => ({ result, state: '', blocks: 0, bytes: 0 });
  it.each([
    [['intact', 'intact'], 'ok'],
    [['intact', 'unknown'], 'warn'],
    [['tampered', 'intact'], 'fail'],
    [['unknown', 'tampered'], 'fail'],
    [[], 'warn'],
  ] as [Verdict['result'][], string][])('%j is %s: the worst counts, and nothing proves nothing', (results, tone) => expect(verdictWords(results.map(verdict)).tone).toBe(tone));
});
