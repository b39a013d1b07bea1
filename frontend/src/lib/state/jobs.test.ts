import { flushSync } from 'svelte';
import { describe, expect, it, vi } from 'vitest';
import { FakeBackend } from '../backend.fake';
import type { Job } from '../types';
import { Jobs } from './jobs.svelte';
import { Problems } from './problems.svelte';

function setup(history = false) {
  const backend = new FakeBackend({ history });
  const problems = new Problems();
  return { backend, problems, jobs: new Jobs(backend, problems) };
}

const job = (id: string, over: Partial<Job> = {}): Job => ({
  id, run: id, host: '', project: 'shop', target: 'build', argv: ['make'], dir: '/', tty: false, size: { cols: 80, rows: 24 }, operator: 'ada',
  state: 'running', cause: '', detail: '', exit_code: null, signal: '', queued_at: '2026-01-01T00:00:00Z', started_at: '2026-01-01T00:00:00Z',
  finished_at: null, bytes: 0, chunks: 0, lines: 0, owned: true, ...over,
});
const hint = (id: string, over = {}) => ({ id, state: 'running' as const, seq: 1, lines: 1, bytes: 10, ...over });

describe('merging', () => {
  it('never takes a final state back', () => {
    const { jobs } = setup();
    jobs.merge(job('a', { state: 'failed', exit_code: 2, finished_at: '2026-01-01T00:01:00Z' }));
    jobs.merge(job('a', { state: 'running' }));
    jobs.hint(hint('a', { state: 'running', seq: 0 }));
    expect(jobs.get('a')).toMatchObject({ state: 'failed', exit_code: 2 });
  });
  it('never lets numbers shrink, whichever of hint and job comes last', () => {
    const { jobs } = setup();
    jobs.merge(job('a', { chunks: 5, lines: 5, bytes: 50 }));
    jobs.hint(hint('a', { seq: 9, lines: 8, bytes: 90 }));
    jobs.merge(job('a', { chunks: 7, lines: 7, bytes: 70 }));
    jobs.hint(hint('a', { seq: 3, lines: 3, bytes: 30 }));
    expect(jobs.get('a')).toMatchObject({ chunks: 9, lines: 8, bytes: 90 });
  });
  it('a late hint does not bring a full disk back', () => {
    const { jobs } = setup();
    jobs.merge(job('a', { chunks: 9, stalled: '' }));
    jobs.hint(hint('a', { seq: 4, stalled: 'disk full' }));
    expect(jobs.get('a')?.stalled).toBe('');
    jobs.hint(hint('a', { seq: 9, stalled: 'disk full' }));
    expect(jobs.get('a')?.stalled).toBe('disk full');
    expect(jobs.stalled.map((j) => j.id)).toEqual(['a']);
  });
  it('lists newest first by id, in whatever order jobs come', () => {
    const { jobs } = setup();
    for (const id of ['b', 'd', 'a', 'c']) jobs.merge(job(id));
    flushSync();
    expect(jobs.recent.map((j) => j.id)).toEqual(['d', 'c', 'b', 'a']);
  });
});

describe('hints', () => {
  it('of an unknown job fetch it', async () => {
    const { jobs, backend } = setup();
    const get = vi.spyOn(backend.jobs, 'get').mockResolvedValue(job('x'));
    jobs.hint(hint('x'));
    await vi.waitFor(() => expect(jobs.get('x')).toBeDefined());
    expect(get).toHaveBeenCalledTimes(1);
  });
  it('of an ending fetch how it ended, once for many', async () => {
    const { jobs, backend } = setup();
    jobs.merge(job('x', { chunks: 1 }));
    const get = vi.spyOn(backend.jobs, 'get').mockResolvedValue(job('x', { state: 'failed', exit_code: 7, chunks: 3 }));
    for (let i = 0; i < 20; i++) jobs.hint(hint('x', { state: 'failed', seq: 3 }));
    await vi.waitFor(() => expect(jobs.lastResult?.exit_code).toBe(7));
    expect(get.mock.calls.length).toBeLessThanOrEqual(2);
  });
  it('reach listeners after they were merged', () => {
    const { jobs } = setup();
    jobs.merge(job('x'));
    const seen: (number | undefined)[] = [];
    jobs.listen(({ id }) => seen.push(jobs.get(id)?.chunks));
    jobs.hint(hint('x', { seq: 4 }));
    expect(seen).toEqual([4]);
  });
  it('that were lost are made up for', async () => {
    vi.useFakeTimers();
    const { jobs, backend } = setup();
    vi.spyOn(backend.jobs, 'list').mockResolvedValue([job('x')]);
    vi.spyOn(backend.jobs, 'get').mockResolvedValue(job('x', { state: 'succeeded', exit_code: 0 }));
    const close = jobs.open();
    await vi.advanceTimersByTimeAsync(5000);
    expect(jobs.get('x')?.state).toBe('succeeded');
    close();
  });
});

describe('paging', () => {
  it('starts with ten and goes on before the oldest, also after a refresh', async () => {
    const { jobs } = setup(true);
    await jobs.refresh();
    expect(jobs.recent).toHaveLength(10);
    await jobs.more();
    expect(jobs.recent).toHaveLength(35);
    await jobs.refresh();
    expect(jobs.recent).toHaveLength(35);
    expect(jobs.hasMore).toBe(true);
    await jobs.more();
    expect(jobs.hasMore).toBe(false);
    expect(jobs.recent.map((j) => j.id)).toEqual([...jobs.recent.map((j) => j.id)].sort().reverse());
  });
  it('an old job that is looked at leaves no hole in the list', async () => {
    const { jobs, backend } = setup(true);
    await jobs.refresh();
    const all = await backend.jobs.list({ limit: 100, before: '', filter: {} });
    await jobs.ask(all.at(-1)?.id ?? '');
    expect(jobs.recent).toHaveLength(10);
    expect(jobs.get(all.at(-1)?.id ?? '')).toBeDefined();
  });
});

it('cancel asks first and forces when asked again', async () => {
  const { jobs, backend } = setup();
  const cancel = vi.spyOn(backend.jobs, 'cancel').mockResolvedValue();
  await jobs.cancel('x');
  await jobs.cancel('x');
  expect(cancel.mock.calls).toEqual([['x', false], ['x', true]]);
});

it('what fails is kept, and counted instead of repeated', async () => {
  const { jobs, problems } = setup();
  await jobs.ask('nowhere');
  await jobs.ask('nowhere');
  expect(problems.entries).toMatchObject([{ doing: 'read a job', code: 'not-found', times: 2 }]);
  problems.dismiss(problems.entries[0]?.key ?? 0);
  expect(problems.entries).toEqual([]);
});
