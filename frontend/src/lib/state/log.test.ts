import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LinePage } from '../types';
import { COPY_LIMIT, Log } from './log.svelte';

/** A log that grows when told to, and answers when told to. */
function setup(total: number, text = (n: number) => `line ${n}`) {
  const state = { total, complete: false, asked: [] as { from: number; count: number }[], held: [] as (() => void)[], hold: false };
  const page = (from: number, count: number): LinePage => {
    const first = Math.max(0, from < 0 ? state.total + from : from);
    const last = Math.min(state.total, first + count);
    return { from: first, total: state.total, complete: state.complete, lines: Array.from({ length: Math.max(0, last - first) }, (_, i) => ({ n: first + i, at: first + i, parts: [{ s: 1, t: text(first + i) }] })) };
  };
  const log = new Log((from, count) => {
    state.asked.push({ from, count });
    if (!state.hold) return Promise.resolve(page(from, count));
    return new Promise((resolve) => state.held.push(() => resolve(page(from, count))));
  });
  log.resize(20);
  log.show(true);
  return { log, state };
}
const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
/** A frame or two pass: long enough for a view that follows to ask again. */
const pass = async () => {
  vi.advanceTimersByTime(40);
  await settle();
};
const seen = (log: Log) => log.visible.map((row) => row.line.n);

describe('following', () => {
  it('shows the tail and no more than it needs', async () => {
    const { log, state } = setup(1_000_000);
    await settle();
    expect(log.top).toBe(999_980);
    expect(seen(log).at(-1)).toBe(999_999);
    expect(seen(log).length).toBeLessThan(40);
    expect(state.asked).toHaveLength(1);
  });
  it('has one request in flight, and after it one for all hints that came', async () => {
    const { log, state } = setup(100);
    await settle();
    state.hold = true;
    for (let i = 1; i <= 50; i++) log.hint(i, (state.total = 100 + i * 1000));
    expect(state.asked).toHaveLength(1); // it has just asked: nobody reads faster
    await pass();
    expect(state.asked).toHaveLength(2);
    for (let i = 51; i <= 99; i++) log.hint(i, state.total);
    await pass();
    expect(state.asked).toHaveLength(2); // no answer yet
    state.held.shift()?.();
    await settle();
    expect(state.asked).toHaveLength(3);
    state.held.shift()?.();
    await pass();
    expect(state.asked).toHaveLength(3);
    expect(log.total).toBe(50_100);
  });
  it('the first hint after a pause is answered at once', async () => {
    const { log, state } = setup(100);
    await pass();
    log.hint(1, (state.total = 101));
    expect(state.asked).toHaveLength(2);
    await settle();
    expect(log.total).toBe(101);
  });
  it('a hint that says nothing new asks for nothing', async () => {
    const { log, state } = setup(100);
    await settle();
    log.hint(5, 100);
    await settle();
    const before = state.asked.length;
    log.hint(5, 100);
    log.hint(4, 90);
    await settle();
    expect(state.asked).toHaveLength(before);
  });
  it('a hidden view asks for nothing and catches up when shown', async () => {
    const { log, state } = setup(100);
    await settle();
    log.show(false);
    for (let i = 1; i < 100; i++) log.hint(i, (state.total = 100 + i));
    await settle();
    expect(state.asked).toHaveLength(1);
    log.show(true);
    await settle();
    expect(log.total).toBe(199);
  });
});

describe('pausing', () => {
  it('scrolling up pauses, counts what is new, and nothing moves', async () => {
    const { log, state } = setup(1000);
    await settle();
    log.scrollTo(900);
    expect(log.following).toBe(false);
    await settle();
    const before = seen(log);
    state.total = 1128;
    log.hint(9, 1128);
    await settle();
    expect(log.unseen).toBe(128);
    expect(log.mark).toBe(1000);
    expect(seen(log)).toEqual(before);
    log.follow();
    await settle();
    expect(log.unseen).toBe(0);
    expect(seen(log).at(-1)).toBe(1127);
  });
  it('scrolling down to the end follows again', async () => {
    const { log } = setup(1000);
    await settle();
    log.scrollTo(500);
    log.scrollTo(600);
    expect(log.following).toBe(false);
    log.scrollTo(5000);
    expect(log.following).toBe(true);
  });
  it('a paused view asks again only when its place may have changed', async () => {
    const { log, state } = setup(1000);
    await settle();
    log.scrollTo(100);
    await settle();
    const before = state.asked.length;
    for (let i = 1; i < 50; i++) log.hint(i, (state.total = 1000 + i));
    await settle();
    expect(state.asked).toHaveLength(before);
  });
  it('selecting pauses and keeps the lines while they are out of view', async () => {
    const { log } = setup(10_000);
    await settle();
    log.pin({ from: 9985, to: 9987 });
    expect(log.following).toBe(false);
    log.scrollTo(3000);
    await settle();
    expect(seen(log)).toContain(9985);
    expect(log.textNow({ line: 9985, col: 5 }, { line: 9987, col: 4 })).toBe('9985\nline 9986\nline');
    log.pin(null);
    expect(seen(log)).not.toContain(9985);
  });
});

describe('any place', () => {
  it('of a large log is one request away', async () => {
    const { log, state } = setup(10_000_000);
    await settle();
    log.scrollTo(5_000_000);
    await settle();
    expect(seen(log)).toContain(5_000_000);
    expect(state.asked).toHaveLength(2);
    expect(state.asked[1]?.count).toBeLessThan(500);
  });
  it('looks the same from wherever one comes', async () => {
    const colour = (n: number) => (n % 100 === 30 ? '\x1b[31mred' : n % 100 === 60 ? '\x1b[0mplain' : `line ${n}`);
    const from = async (...stops: number[]) => {
      const { log } = setup(5000, colour);
      await settle();
      for (const stop of stops) {
        log.scrollTo(stop);
        await settle();
      }
      return new Map(log.visible.map((row) => [row.line.n, row.carried]));
    };
    const direct = await from(2040);
    for (const [n, carried] of await from(100, 2030, 2055, 2040)) expect([n, carried]).toEqual([n, direct.get(n)]);
    for (const [n, carried] of await from(4000, 2060, 2040)) expect([n, carried]).toEqual([n, direct.get(n)]);
  });
});

describe('a line that was found', () => {
  it('stands in the middle, whether the log was there before or not', async () => {
    const { log } = setup(1_000_000);
    log.reveal(500_000); // before anything is here
    await settle();
    expect(log.top).toBe(499_990);
    expect(seen(log)).toContain(500_000);
    expect(log).toMatchObject({ found: 500_000, following: false, unseen: 0, mark: null });
    log.reveal(40);
    await settle();
    expect(log.top).toBe(30);
    expect(seen(log)).toContain(40);
  });

  it('stands there too when the view gets its size later, and is let go when one scrolls', async () => {
    const { log } = setup(10_000);
    log.resize(0);
    log.reveal(5000);
    await settle();
    log.resize(30);
    await settle();
    expect(log.top).toBe(4985);
    log.scrollTo(100);
    log.resize(40);
    await settle();
    expect(log.top).toBe(100);
    expect(seen(log)).toContain(110);
  });

  it('near an end is where it can be', async () => {
    const { log } = setup(100);
    log.reveal(3);
    await settle();
    expect(log.top).toBe(0);
    log.reveal(98);
    await settle();
    expect(log.top).toBe(80);
  });
});

describe('copying', () => {
  it('fetches what is not in memory and gives exactly the text', async () => {
    const { log } = setup(6000, (n) => `\x1b[32ml${n}\x1b[0m`);
    await settle();
    const text = await log.text({ line: 0, col: 1 }, { line: 4999, col: 2 });
    const lines = text.split('\n');
    expect(lines).toHaveLength(5000);
    expect([lines[0], lines[1], lines[4998], lines[4999]]).toEqual(['0', 'l1', 'l4998', 'l4']);
  });
  it('refuses what no clipboard should hold, and says what to do', async () => {
    const { log } = setup(COPY_LIMIT + 1);
    await settle();
    await expect(log.text()).rejects.toMatchObject({ code: 'invalid', hint: expect.stringContaining('vmo show') });
  });
});

it('an error is kept and the next hint tries again', async () => {
  let fail = true;
  const log = new Log(() => (fail ? Promise.reject(new Error('gone')) : Promise.resolve({ from: 0, total: 1, complete: false, lines: [{ n: 0, at: 0, parts: [] }] })));
  log.resize(5);
  log.show(true);
  await settle();
  expect(log.failed?.message).toBe('gone');
  fail = false;
  log.hint(1, 1);
  await settle();
  expect(log.failed).toBeNull();
  expect(log.total).toBe(1);
});
