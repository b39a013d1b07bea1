import { describe, expect, it } from 'vitest';
import { outputOf, StoredRecord } from '../fake.record';
import { Replay } from './replay.svelte';

const START = 1_000_000;
const settle = async () => {
  for (let i = 0; i < 60; i++) await Promise.resolve();
};

/** A record with a letter at each of the given times, and a screen that keeps what is written. */
function setup(times: number[], options: { live?: boolean; slow?: boolean } = {}) {
  const record = new StoredRecord();
  times.forEach((at, i) => record.append(1, String.fromCharCode(97 + i), START + at));
  const state = { text: '', writes: [] as (() => void)[], live: options.live ?? false, end: START + (times.at(-1) ?? 0) };
  const replay = new Replay({
    job: 'j', started: START, ended: () => state.end, live: () => state.live,
    backend: { output: async (query) => outputOf([record], query) },
    screen: {
      write(data, done) {
        state.text += typeof data === 'string' ? data : new TextDecoder().decode(data);
        if (options.slow) state.writes.push(done);
        else done();
      },
      resize() {},
      reset: () => (state.text = ''),
    },
  });
  return { replay, state, record };
}
const pass = async (replay: Replay, ms: number) => {
  for (let left = ms; left > 0; left -= 16) {
    replay.tick(Math.min(16, left));
    await settle();
  }
};

describe('the clock', () => {
  it('shows output at its time', async () => {
    const { replay, state } = setup([0, 500, 1000]);
    replay.play();
    await settle();
    await pass(replay, 400);
    expect(state.text).toBe('a');
    await pass(replay, 200);
    expect(state.text).toBe('ab');
    await pass(replay, 600);
    expect(state.text).toBe('abc');
    expect(replay.playing).toBe(false);
    expect(replay.position).toBe(1000);
  });
  it('runs faster and slower', async () => {
    const { replay, state } = setup([0, 1600]);
    replay.setSpeed(16);
    replay.play();
    await settle();
    await pass(replay, 120);
    expect(state.text).toBe('ab');
  });
  it('cuts a silence to the longest pause', async () => {
    const { replay, state } = setup([0, 3_600_000]);
    replay.setIdle(1);
    replay.play();
    await settle();
    await pass(replay, 900);
    expect(state.text).toBe('a');
    await pass(replay, 200);
    expect(state.text).toBe('ab');
  });
  it('waits for a terminal that is still drawing', async () => {
    const { replay, state } = setup([0, 100, 200, 300, 400], { slow: true });
    replay.play();
    await settle();
    await pass(replay, 1000);
    expect(state.text).toBe('ab');
    expect(replay.position).toBeLessThan(200);
    while (state.text.length < 5) {
      state.writes.splice(0).forEach((done) => done());
      await pass(replay, 100);
    }
    expect(state.text).toBe('abcde');
  });
  it('stands still while paused', async () => {
    const { replay, state } = setup([0, 100]);
    replay.play();
    await settle();
    await pass(replay, 32);
    replay.pause();
    await pass(replay, 1000);
    expect(state.text).toBe('a');
  });
});

describe('seeking', () => {
  it('shows what stood there, forwards and backwards', async () => {
    const { replay, state } = setup([0, 1000, 2000, 3000]);
    await replay.seek(2500);
    expect(state.text).toBe('abc');
    await replay.seek(1000);
    expect(state.text).toBe('ab');
    await replay.seek(99_999);
    expect(state.text).toBe('abcd');
    await replay.seek(-5);
    expect(state.text).toBe('a');
  });
  it('goes on from there without repeating or missing anything', async () => {
    const { replay, state } = setup([0, 1000, 2000, 3000]);
    replay.play();
    await settle();
    await pass(replay, 50);
    await replay.seek(1500);
    await pass(replay, 700);
    expect(state.text).toBe('abc');
    await pass(replay, 1000);
    expect(state.text).toBe('abcd');
  });
  it('the last of several wins', async () => {
    const { replay, state } = setup([0, 1000, 2000]);
    await Promise.all([replay.seek(2000), replay.seek(500), replay.seek(1500)]);
    await settle();
    expect(state.text).toBe('ab');
    expect(replay.seeking).toBe(false);
  });
  it('steps from output to output', async () => {
    const { replay, state } = setup([0, 1000, 2000]);
    await replay.seek(0);
    await replay.step(1);
    expect(state.text).toBe('ab');
    await replay.step(1);
    expect(state.text).toBe('abc');
    await replay.step(-1);
    expect(state.text).toBe('ab');
  });
});

it('a running job is followed to its live edge', async () => {
  const { replay, state, record } = setup([0, 100], { live: true });
  replay.play();
  await settle();
  await pass(replay, 300);
  expect(state.text).toBe('ab');
  expect(replay.playing).toBe(true);
  record.append(1, 'c', START + 200);
  state.end = START + 200;
  replay.hint();
  await settle();
  await pass(replay, 300);
  expect(state.text).toBe('abc');
});

it('a play after the end starts again', async () => {
  const { replay, state } = setup([0, 100]);
  await replay.seek(100);
  replay.play();
  await settle();
  expect(state.text).toBe('a');
  await pass(replay, 150);
  expect(state.text).toBe('ab');
});
