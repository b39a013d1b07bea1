import { describe, expect, it } from 'vitest';
import { remarkWords, statWords } from './format.history';
import type { Stat } from './types';

describe('how a target does', () => {
  const none: Stat = { project: '', target: 'x', host: '', runs: 1, succeeded: 0, failed: 0, timed_out: 0, cancelled: 0, lost: 0, rate: null, p50_ms: null, p95_ms: null, newest: '' };
  it('says what counts, and what does not apart', () => {
    expect(statWords({ ...none, cancelled: 1 })).toBe('1 cancelled');
    expect(statWords({ ...none, succeeded: 1, rate: 1, p50_ms: 1200, p95_ms: 1200 })).toBe('all 1 succeeded · 1.2 s');
    expect(statWords({ ...none, succeeded: 199, failed: 1, rate: 199 / 200, p50_ms: 9000, p95_ms: 17_000, lost: 2 })).toBe('99 % of 200 succeeded · half within 9.0 s, 95 % within 17 s · 2 lost');
    expect(statWords({ ...none, failed: 3, rate: 0 })).toBe('0 % of 3 succeeded');
  });
});

describe('what was said of a job', () => {
  it('is never taken for anything but text', () => {
    expect(remarkWords({ kind: 'label', text: 'a\x1b[2J' })).toBe('labelled it “a⟨001B⟩[2J”');
    expect(remarkWords({ kind: 'pin', text: '' })).toBe('pinned it');
  });
});
