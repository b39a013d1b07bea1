import { describe, expect, it } from 'vitest';
import { bytes, commandLine, count, duration, ending, makeCommand, noteText, pasteable, position, quote, relative, shortDir, visible } from './format';
import type { Job } from './types';

/** Numbers that look random and are the same in every run. */
function* noise(seed: number): Generator<number> {
  for (let x = seed; ; ) yield (x = (x * 1_103_515_245 + 12_345) % 2_147_483_648);
}
function text(random: Generator<number>, length: number): string {
  return Array.from({ length }, () => String.fromCodePoint([0x20 + (random.next().value as number) % 0x60, (random.next().value as number) % 0x20, 0x2000 + ((random.next().value as number) % 0x80), 0x27, 0x1f600][(random.next().value as number) % 5] ?? 0x41)).join('');
}

describe('durations', () => {
  it.each([[-5, '0 s'], [0, '0 ms'], [999, '999 ms'], [1000, '1.0 s'], [9999, '9.9 s'], [10_000, '10 s'], [59_999, '59 s'], [60_000, '1 m 00 s'], [190_000, '3 m 10 s'], [7_500_000, '2 h 05 m'], [273_600_000, '3 d 04 h'], [NaN, '0 s']])('%d ms is %s', (ms, want) => {
    expect(duration(ms)).toBe(want);
  });
  it('never shrink as time goes on', () => {
    const rank = (s: string): number => s.split(' ').reduce((sum, part, i, all) => (i % 2 ? sum : sum + Number(part) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[all[i + 1] ?? ''] ?? 0)), 0);
    for (let ms = 0, before = 0; ms < 1e9; ms += 997 + ms / 50) {
      const now = rank(duration(ms));
      expect(now).toBeGreaterThanOrEqual(before);
      before = now;
    }
  });
});

describe('numbers', () => {
  it.each([[0, '0'], [999, '999'], [1204, '1\u00a0204'], [1_000_000, '1\u00a0000\u00a0000']])('%d reads %s', (n, want) => expect(count(n)).toBe(want));
  it.each([[0, '0 B'], [999, '999 B'], [1000, '1.0 kB'], [1_048_576, '1.0 MB'], [99_960, '100 kB'], [999_600, '1.0 MB'], [5e15, '5000 TB']])('%d bytes read %s', (n, want) => expect(bytes(n)).toBe(want));
  it.each([[0, '0:00'], [67_000, '1:07'], [3_729_000, '1:02:09'], [-1, '0:00']])('position %d reads %s', (ms, want) => expect(position(ms)).toBe(want));
});

it('relative times grow coarser', () => {
  const now = Date.parse('2026-11-23T12:00:00');
  const ago = (s: number) => relative(now - s * 1000, now);
  expect([1, 40, 300, 10_800, 100_000, 11 * 86_400, 400 * 86_400].map(ago)).toEqual(['just now', '40 s ago', '5 min ago', '3 h ago', 'yesterday', '12 Nov', '19 Oct 2025']);
});

describe('names from outside', () => {
  it('spell out what could deceive', () => {
    expect(visible('a\u202eb\x1b[31m\u200bc\n\ud800')).toBe('a⟨202E⟩b⟨001B⟩[31m⟨200B⟩c⟨000A⟩⟨D800⟩');
  });
  it('leave honest text alone', () => {
    for (const name of ['build', 'größe', '部署', 'שלום', '🚀 go', 'a/b.c-d_e']) expect(visible(name)).toBe(name);
  });
  it('never contain a control, bidi or zero-width character, whatever comes in', () => {
    const random = noise(7);
    for (let i = 0; i < 500; i++) expect(visible(text(random, 40))).not.toMatch(/[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/);
  });
});

describe('pastes', () => {
  it('lose escapes, controls and bidi characters and keep lines and tabs', () => {
    expect(pasteable('ls\x1b[201~\r\nrm\x03 \u202e\x9bx\ty\u200b')).toBe('ls[201~\nrm x\ty');
  });
});

describe('command lines', () => {
  it('quote what a shell would act on', () => {
    expect(commandLine(makeCommand('deploy', { ENV: "it's", V: '', N: '1', P: '$(x)' }))).toBe(`make deploy ENV='it'\\''s' V= N=1 P='$$(x)'`);
  });
  it('come back as they were from a POSIX shell', () => {
    const unquote = (s: string): string => s.replace(/'([^']*)'|\\(.)|([^'\\]+)/g, (_, single, escaped, bare) => single ?? escaped ?? bare ?? '');
    const random = noise(3);
    for (let i = 0; i < 500; i++) {
      const arg = text(random, 12).replaceAll('\0', '');
      expect(unquote(quote(arg))).toBe(arg);
    }
    expect(quote('')).toBe("''");
  });
});

it('an ending is a signal, a code, or why there is none', () => {
  const job = { exit_code: null, signal: '', cause: '' } as Job;
  expect([ending({ ...job, signal: 'SIGKILL' }), ending({ ...job, exit_code: 0 }), ending({ ...job, cause: 'not-started' }), ending(job)]).toEqual(['SIGKILL', 'exit 0', 'not started', '']);
});

it('notes say what is missing', () => {
  expect(noteText({ kind: 'gap', bytes: 2000 })).toContain('2.0 kB not recorded');
  expect(noteText({ kind: 'damage', text: 'bad\x1b' })).toBe('some output of the record cannot be read – bad⟨001B⟩');
});

it('long paths keep their end', () => {
  expect([shortDir('/home/ada/src/shop'), shortDir('/srv/shop'), shortDir('C:\\Users\\ada\\src\\shop')]).toEqual(['…/src/shop', '/srv/shop', '…/src/shop']);
});
