import { describe, expect, it, vi } from 'vitest';
import { FakeBackend } from '../backend.fake';
import { AppError, type SearchHit, type SearchPage, type SearchQuery } from '../types';
import { Finding } from './finding.svelte';

const query = (pattern = 'x'): SearchQuery => ({ pattern, literal: true, ignore_case: false, context: 0, jobs: {}, team: false, job: '' });
const hit = (line: number): SearchHit => ({ job: 'a', line, at: 0, stream: 1, lead: '', match: 'x', rest: '', before: [], after: [], problem: '' });

/** A search that finds as many lines as it is asked for, a hundred at a time. */
function setup(lines: number) {
  const backend = new FakeBackend({ history: false });
  let at = 0;
  let serial = 0;
  const begin = vi.fn(async () => ((at = 0), `s${++serial}`));
  const more = vi.fn(async (): Promise<SearchPage> => {
    const from = at;
    at = Math.min(at + 100, lines);
    return { hits: Array.from({ length: at - from }, (_, i) => hit(from + i)), jobs: [], done: at === lines, failure: null };
  });
  const end = vi.fn(async () => {});
  Object.assign(backend, { search: { begin, more, end } });
  return { finding: new Finding(backend), begin, more, end };
}

describe('a search', () => {
  it('is asked for a screen, and for more only when that is looked at', async () => {
    const { finding, more } = setup(1000);
    finding.begin(query());
    await vi.waitFor(() => expect(finding.busy).toBe(false));
    expect(more).toHaveBeenCalledTimes(2);
    expect(finding.hits).toBe(200);
    expect(finding.done).toBe(false);
    finding.more();
    finding.more();
    await vi.waitFor(() => expect(finding.busy).toBe(false));
    expect(finding.hits).toBe(400);
    while (!finding.done) {
      finding.more();
      await vi.waitFor(() => expect(finding.busy).toBe(false));
    }
    expect(finding.rows.flatMap((row) => (row.kind === 'line' ? [row.line] : []))).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    finding.more();
    expect(finding.busy).toBe(false);
  });

  it('goes on through jobs in which nothing is found', async () => {
    const { finding, more } = setup(3);
    for (let i = 0; i < 5; i++) more.mockResolvedValueOnce({ hits: [], jobs: [], done: false, failure: null });
    finding.begin(query());
    await vi.waitFor(() => expect(finding.done).toBe(true));
    expect(more).toHaveBeenCalledTimes(6);
  });

  it('that is replaced shows nothing any more, and is ended', async () => {
    const { finding, more, end } = setup(10);
    let late: (page: SearchPage) => void = () => {};
    more.mockImplementationOnce(() => new Promise((resolve) => (late = resolve)));
    finding.begin(query('old'));
    await vi.waitFor(() => expect(more).toHaveBeenCalledTimes(1));
    finding.begin(query('new'));
    late({ hits: [hit(99)], jobs: [], done: true, failure: null });
    await vi.waitFor(() => expect(finding.done).toBe(true));
    expect(finding.query?.pattern).toBe('new');
    expect(finding.hits).toBe(10);
    expect(end).toHaveBeenCalledWith('s1');
  });

  it('that cannot begin or go on says why, and keeps what it found', async () => {
    const { finding, begin, more } = setup(500);
    begin.mockRejectedValueOnce(new AppError('invalid', 'missing closing )', 'Close it.'));
    finding.begin(query('('));
    await vi.waitFor(() => expect(finding.error).toMatchObject({ message: 'missing closing )', hint: 'Close it.' }));
    expect(finding.busy).toBe(false);
    finding.begin(query());
    await vi.waitFor(() => expect(finding.hits).toBe(200));
    more.mockRejectedValueOnce(new AppError('internal', 'gone'));
    finding.more();
    await vi.waitFor(() => expect(finding.error?.message).toBe('gone'));
    expect(finding.hits).toBe(200);
    expect(finding.done).toBe(true);
  });
});
