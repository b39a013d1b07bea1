import { describe, expect, it, vi } from 'vitest';
import { Stream, type Frame, type OutputQuery } from '../types';
import { InputQueue } from './input';
import { Pump } from './pump';
import { Session, type Screen } from './session';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

describe('input', () => {
  it('keeps its order with one call in flight, and joins what waited', async () => {
    const calls: { data: string; done: () => void }[] = [];
    const queue = new InputQueue((data) => new Promise((done) => calls.push({ data: text(data), done })));
    for (const char of 'hello') queue.push(bytes(char));
    expect(calls.map((c) => c.data)).toEqual(['h']);
    calls[0]?.done();
    await settle();
    expect(calls.map((c) => c.data)).toEqual(['h', 'ello']);
    queue.push(bytes('!'));
    calls[1]?.done();
    await settle();
    expect(calls.map((c) => c.data)).toEqual(['h', 'ello', '!']);
  });
  it('splits a large paste without losing or moving a byte', async () => {
    const got: Uint8Array[] = [];
    const queue = new InputQueue(async (data) => void got.push(data.slice()));
    const paste = Uint8Array.from({ length: 100_001 }, (_, i) => i % 251);
    queue.push(paste);
    queue.push(bytes('end'));
    await settle();
    expect(Math.max(...got.map((part) => part.length))).toBeLessThanOrEqual(32 * 1024);
    expect(got.flatMap((part) => [...part])).toEqual([...paste, ...bytes('end')]);
  });
  it('drops later keys when earlier ones could not be sent, and says so once', async () => {
    const error = vi.fn();
    const sent: string[] = [];
    let fail = true;
    const queue = new InputQueue(async (data) => {
      if (fail) throw new Error('ended');
      sent.push(text(data));
    }, { error });
    queue.push(bytes('a'));
    queue.push(bytes('b'));
    await settle();
    expect(error).toHaveBeenCalledTimes(1);
    fail = false;
    queue.push(bytes('c'));
    await settle();
    expect(sent).toEqual(['c']);
  });
});

/** A journal of one job, each chunk one frame. */
function journal(chunks: string[]) {
  const asked: OutputQuery[] = [];
  const output = async (query: OutputQuery): Promise<Frame[]> => {
    asked.push(query);
    return query.after.flatMap(({ seq }, index) =>
      chunks.slice(seq, seq + 3).map((data, i) => ({ index, stream: Stream.tty, first: seq + i + 1, last: seq + i + 1, at: 0, data: bytes(data), note: null })),
    );
  };
  return { asked, output, chunks };
}

describe('pump', () => {
  it('asks for more only when what it brought is nearly drawn', async () => {
    const { output, asked } = journal(Array.from({ length: 9 }, (_, i) => `${i}`));
    const waiting: (() => void)[] = [];
    const got: string[] = [];
    const pump = new Pump(output);
    const tap = pump.add('j', 0, { frame: (frame, done) => (got.push(text(frame.data)), waiting.push(done)) });
    pump.bell('j', 9, true);
    await settle();
    expect(asked).toHaveLength(1);
    expect(got).toEqual(['0', '1', '2']);
    waiting.shift()?.();
    await settle();
    expect(asked).toHaveLength(1);
    waiting.shift()?.();
    await settle();
    expect(asked).toHaveLength(2);
    while (waiting.length > 0) {
      waiting.shift()?.();
      await settle();
    }
    expect(got).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8']);
    pump.remove(tap);
  });
  it('asks for all terminals at once, and once for many hints', async () => {
    const { output, asked, chunks } = journal([]);
    const pump = new Pump(output);
    const taps = ['a', 'b', 'c'].map((job) => pump.add(job, 0, { frame: (_, done) => done() }));
    await settle();
    const before = asked.length;
    chunks.push('x');
    for (const job of ['a', 'b', 'c', 'a', 'b', 'c']) pump.bell(job, 1, true);
    await settle();
    expect(asked.slice(before).map((query) => query.after.length)).toContain(2);
    expect(asked.length - before).toBeLessThanOrEqual(4);
    taps.forEach((tap) => pump.remove(tap));
  });
  it('a hint that the journal does not confirm is no reason to spin', async () => {
    const { output, asked } = journal([]);
    const pump = new Pump(output);
    const tap = pump.add('j', 0, { frame: (_, done) => done() });
    await settle();
    pump.bell('j', 99, true);
    await settle();
    expect(asked.length).toBeLessThanOrEqual(2);
    pump.remove(tap);
  });
  it('a hint that comes while it asks is not lost', async () => {
    const { output, chunks } = journal([]);
    let answer: (() => void) | undefined;
    const got: string[] = [];
    const pump = new Pump(async (query) => {
      const frames = await output(query);
      await new Promise<void>((resolve) => (answer = resolve));
      return frames;
    });
    const tap = pump.add('j', 0, { frame: (frame, done) => (got.push(text(frame.data)), done()) });
    await settle();
    chunks.push('x'); // after the journal looked, before its answer is here
    pump.bell('j', 1, true);
    answer?.();
    await settle();
    answer?.();
    await settle();
    expect(got).toEqual(['x']);
    pump.remove(tap);
  });
  it('finds a late echo without a hint', async () => {
    vi.useFakeTimers();
    const { output, chunks } = journal([]);
    const got: string[] = [];
    const pump = new Pump(output);
    const tap = pump.add('j', 0, { frame: (frame, done) => (got.push(text(frame.data)), done()) });
    await vi.advanceTimersByTimeAsync(0);
    pump.poke(tap);
    await vi.advanceTimersByTimeAsync(5);
    chunks.push('e');
    await vi.advanceTimersByTimeAsync(16);
    expect(got).toEqual(['e']);
    pump.remove(tap);
  });
  it('recovers from an error within a second', async () => {
    vi.useFakeTimers();
    const { output } = journal(['x']);
    let fail = true;
    const errors: string[] = [];
    const got: string[] = [];
    const pump = new Pump((query) => (fail ? Promise.reject(new Error('away')) : output(query)), (error) => errors.push(error.message));
    const tap = pump.add('j', 0, { frame: (frame, done) => (got.push(text(frame.data)), done()) });
    await vi.advanceTimersByTimeAsync(10);
    expect(errors).toEqual(['away']);
    fail = false;
    await vi.advanceTimersByTimeAsync(1000);
    expect(got).toEqual(['x']);
    pump.remove(tap);
  });
});

describe('a terminal on a job', () => {
  /** A screen that answers each question with its own text, as a terminal does with DA and DSR. */
  function setup(chunks: string[], old: number) {
    const { output } = journal(chunks);
    const sent: string[] = [];
    const pump = new Pump(output);
    const queue = new InputQueue(async (data) => void sent.push(text(data)));
    const screen: Screen = {
      write(data, done) {
        if (text(data as Uint8Array).includes('?')) session.data(`answer to ${text(data as Uint8Array)}`);
        done();
      },
      resize() {},
    };
    const session: Session = new Session({ job: 'j', pump, screen, old, input: queue });
    return { session, sent, pump, chunks };
  }
  it('never answers what was asked before it opened', async () => {
    const { session, sent, pump, chunks } = setup(['old?', 'text', 'older?'], 3);
    await settle();
    expect(sent).toEqual([]);
    expect(session.caughtUp).toBe(true);
    chunks.push('new?');
    pump.bell('j', 4, true);
    await settle();
    expect(sent).toEqual(['answer to new?']);
    session.close();
  });
  it('answers everything when the window started the job', async () => {
    const { session, sent } = setup(['who?'], 0);
    await settle();
    expect(sent).toEqual(['answer to who?']);
    session.close();
  });
  it('passes keys and pastes on even while it catches up', () => {
    const { session, sent } = setup([], 5);
    session.key('k');
    session.data('k');
    session.data('\x1b[0n');
    session.paste(() => session.data('\x1b[200~p\x1b[201~'));
    return settle().then(() => {
      expect(sent.join('')).toBe('k\x1b[200~p\x1b[201~');
      session.close();
    });
  });
});
