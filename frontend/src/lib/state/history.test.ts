import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeBackend } from '../backend.fake';
import { localTime, since } from '../format.history';
import type { Counts, Filter, Job, JobState, TeamJob } from '../types';
import { History } from './history.svelte';
import { Jobs } from './jobs.svelte';
import { Problems } from './problems.svelte';

/** A journal of n jobs, the newest first by id, of which every third has failed. */
function setup(n: number, page = 10) {
  const backend = new FakeBackend({ history: false });
  const problems = new Problems();
  const jobs = new Jobs(backend, problems);
  const id = (i: number): string => `id-${String(i).padStart(6, '0')}`;
  const all = new Map<string, JobState>();
  const begin = (state: JobState = all.size % 3 === 0 ? 'failed' : 'succeeded'): string => {
    const name = id(all.size);
    all.set(name, state);
    return name;
  };
  for (let i = 0; i < n; i++) begin();
  const fits = (filter: Filter, state: JobState): boolean => !filter.states || filter.states.includes(state);
  const list = vi.fn(async ({ limit, before, filter }: { limit: number; before: string; filter: Filter }): Promise<Job[]> =>
    [...all]
      .filter(([name, state]) => (before === '' || name < before) && fits(filter, state))
      .reverse()
      .slice(0, limit)
      .map(([name, state]) => ({ id: name, state }) as Job),
  );
  const count = vi.fn(async (): Promise<Counts> => [...all.values()].reduce<Counts>((sum, state) => ({ ...sum, [state]: (sum[state] ?? 0) + 1 }), {}));
  Object.assign(backend.jobs, { list, count });
  const history = new History(backend, jobs, problems, { page });
  const hint = (name: string, state: JobState) => backend.emit('jobs', { jobs: [{ id: name, state, seq: 1, lines: 1, bytes: 1 }], more: false });
  const names = () => history.rows.map((job) => job.id);
  return { backend, problems, jobs, history, all, begin, list, count, hint, names, id };
}

/** The jobs that hints speak of are asked for one by one; here nobody is interested. */
function listening(jobs: Jobs, backend: FakeBackend) {
  vi.spyOn(backend.jobs, 'get').mockImplementation(async (id) => ({ id, state: 'running' }) as Job);
  return jobs.open();
}

describe('the history', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('has every job once, however many pages it takes', async () => {
    const { history, all, names } = setup(35);
    await history.refresh();
    while (history.hasMore) await history.more();
    expect(names()).toEqual([...all.keys()].reverse());
    expect(history.total).toBe(35);
  });

  it('asks for one page at a time', async () => {
    const { history, list } = setup(35);
    await history.refresh();
    await Promise.all([history.more(), history.more(), history.more()]);
    expect(list).toHaveBeenCalledTimes(2);
    expect(history.rows).toHaveLength(20);
  });

  it('takes in what is new above what is looked at, and keeps the pages below', async () => {
    const { history, begin, names, all, jobs, backend, hint, list } = setup(35);
    const close = listening(jobs, backend);
    const stop = history.open();
    await vi.advanceTimersByTimeAsync(0);
    await history.more();
    const before = names();
    const asked = list.mock.calls.length;
    for (let i = 0; i < 5; i++) hint(begin('running'), 'running');
    await vi.advanceTimersByTimeAsync(1000);
    expect(names()).toEqual([...all.keys()].reverse().slice(0, before.length + 5));
    expect(list.mock.calls.length - asked).toBe(1); // once for all five
    stop();
    close();
  });

  it('begins anew when more came than a page holds: a gap would be a lie', async () => {
    const { history, begin, names, all } = setup(35);
    await history.refresh();
    await history.more();
    for (let i = 0; i < 15; i++) begin();
    await history.refresh();
    expect(names()).toEqual([...all.keys()].reverse().slice(0, 10));
    while (history.hasMore) await history.more();
    expect(history.rows).toHaveLength(50);
  });

  it('is not asked for again by output, only by jobs that begin or end', async () => {
    const { history, jobs, backend, hint, list, id, all } = setup(12);
    all.set(id(11), 'running');
    const close = listening(jobs, backend);
    const stop = history.open();
    await vi.advanceTimersByTimeAsync(500);
    const asked = list.mock.calls.length;
    for (let i = 0; i < 50; i++) hint(id(11), 'running');
    await vi.advanceTimersByTimeAsync(1000);
    expect(list.mock.calls.length).toBe(asked);
    hint(id(11), 'failed');
    await vi.advanceTimersByTimeAsync(1000);
    expect(list.mock.calls.length).toBe(asked + 1);
    stop();
    hint(id(11), 'succeeded');
    await vi.advanceTimersByTimeAsync(1000);
    expect(list.mock.calls.length).toBe(asked + 1);
    close();
  });

  it('shows the last filter, whichever answer comes last', async () => {
    const { history, list } = setup(35);
    await history.refresh();
    const real = list.getMockImplementation();
    let release: () => void = () => {};
    list.mockImplementationOnce(async (query) => {
      await new Promise<void>((done) => (release = done));
      return real?.(query) ?? [];
    });
    history.set({ states: ['succeeded'] });
    history.set({ states: ['failed'] });
    release();
    await vi.advanceTimersByTimeAsync(0);
    expect(new Set(history.rows.map((job) => job.state))).toEqual(new Set(['failed']));
  });

  it('counts all states but totals those of the filter', async () => {
    const { history, count } = setup(35);
    history.set({ states: ['failed'], text: 'x' });
    await vi.advanceTimersByTimeAsync(0);
    expect(count).toHaveBeenLastCalledWith({ text: 'x', states: undefined });
    expect(history.counts).toEqual({ failed: 12, succeeded: 23 });
    expect(history.total).toBe(12);
  });

  it('says when it cannot be read, and shows what it had', async () => {
    const { history, list, problems } = setup(5);
    await history.refresh();
    list.mockRejectedValueOnce(new Error('disk gone'));
    await history.refresh();
    expect(history.rows).toHaveLength(5);
    expect(problems.entries[0]).toMatchObject({ doing: 'list the jobs', message: expect.stringContaining('disk gone') });
  });
});

describe('the history of the team', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** Its database, of which the fake tells only what a test says. */
  function shared() {
    const here = setup(0);
    const rows = new Map<string, JobState>();
    const jobs = vi.fn(async (): Promise<TeamJob[]> => [...rows].reverse().map(([id, state]) => ({ id, state, laptop: 'bob@desk' }) as TeamJob));
    const watch = vi.fn(async (_shown: boolean): Promise<void> => {});
    Object.assign(here.backend.archive, { jobs, watch, count: async () => Object.fromEntries([...new Set(rows.values())].map((state) => [state, [...rows.values()].filter((one) => one === state).length])) });
    const news = (...ids: string[]) => here.backend.emit('team', { jobs: ids, more: false });
    const states = () => here.history.rows.map((job) => job.state);
    return { ...here, rows, jobs, watch, news, states };
  }

  it('asks when the database has news, and never because time has passed', async () => {
    const { history, rows, jobs, news, states } = shared();
    const stop = history.open();
    history.team = true;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(jobs).toHaveBeenCalledTimes(1);
    rows.set('a', 'running');
    news('a');
    await vi.advanceTimersByTimeAsync(1000);
    expect(states()).toEqual(['running']);
    rows.set('a', 'succeeded');
    news('a');
    await vi.advanceTimersByTimeAsync(1000);
    expect(states()).toEqual(['succeeded']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(jobs).toHaveBeenCalledTimes(3);
    stop();
  });

  it('is not asked for more than once a second, however much is printed', async () => {
    const { history, jobs, news } = shared();
    const stop = history.open();
    history.team = true;
    await vi.advanceTimersByTimeAsync(5000);
    const before = jobs.mock.calls.length;
    for (let i = 0; i < 500; i++) {
      news('a');
      await vi.advanceTimersByTimeAsync(20);
    }
    expect(jobs.mock.calls.length - before).toBeLessThanOrEqual(11);
    stop();
  });

  it('counts all states, as that of this machine does', async () => {
    const { history, rows } = shared();
    for (const [id, state] of [['a', 'running'], ['b', 'failed'], ['c', 'failed']] as const) rows.set(id, state);
    history.team = true;
    await vi.advanceTimersByTimeAsync(0);
    history.set({ states: ['failed'] });
    await vi.advanceTimersByTimeAsync(0);
    expect(history.counts).toEqual({ running: 1, failed: 2 });
    expect(history.total).toBe(2);
  });

  it('is watched while it is shown', async () => {
    const { history, watch } = shared();
    history.team = true; // in a history that nobody looks at
    expect(watch).not.toHaveBeenCalled();
    const stop = history.open();
    expect(watch).toHaveBeenLastCalledWith(true);
    history.team = false;
    expect(watch).toHaveBeenLastCalledWith(false);
    history.team = true;
    expect(watch).toHaveBeenLastCalledWith(true);
    stop();
    expect(watch).toHaveBeenLastCalledWith(false);
    expect(watch).toHaveBeenCalledTimes(4);
  });

  it('says that the database is away, and is there again when that is', async () => {
    const { history, rows, jobs, watch, news, states } = shared();
    rows.set('a', 'running');
    const stop = history.open();
    history.team = true;
    await vi.advanceTimersByTimeAsync(0);
    jobs.mockRejectedValueOnce(new Error('connection refused'));
    news(); // nobody listens any more
    await vi.advanceTimersByTimeAsync(2000);
    expect(history.error?.message).toContain('connection refused');
    expect(states()).toEqual(['running']);
    news(); // somebody does again
    await vi.advanceTimersByTimeAsync(2000);
    expect(history.error).toBeNull();
    history.retry();
    expect(watch).toHaveBeenLastCalledWith(true);
    stop();
  });
});

describe('times of filters', () => {
  it('an age is a moment from now on', () => {
    expect(since('24h', Date.UTC(2026, 10, 23, 12))).toBe('2026-11-22T12:00:00.000Z');
    expect(since('', 0)).toBeUndefined();
  });
  it('a moment stands in the form in local time, and back', () => {
    const moment = '2026-11-23T12:34:00.000Z';
    expect(new Date(localTime(moment)).toISOString()).toBe(moment);
    expect(localTime(undefined)).toBe('');
    expect(localTime('nonsense')).toBe('');
  });
});
