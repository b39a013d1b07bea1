import { describe, expect, it } from 'vitest';
import { carry, collapse, hasStderr, lineText, show, spans } from './ansi';
import type { Line } from './types';

const line = (t: string, s = 1): Line => ({ n: 0, at: 0, parts: [{ s, t }] });
const styles = (t: string, carried = '') => spans(line(t), carried).map(({ text, class: c, style }) => [text, c, style]);

describe('carriage returns', () => {
  it.each([['a\rb', 'b'], ['10 %\r20 %\r', '20 %'], ['\r\r', ''], ['done\r', 'done'], ['\x1b[32m1\r2', '2']])('%j shows %j', (t, want) => expect(lineText(line(t))).toBe(want));
  it('keep a colour that was set before them', () => {
    expect(styles('\x1b[32m10 %\r20 %')).toEqual([['20 %', '', 'color:var(--ansi-2)']]);
  });
});

describe('colours', () => {
  it('are made of parsed numbers', () => {
    expect(styles('\x1b[1;31mx\x1b[0m \x1b[38;5;208my\x1b[48;2;1;2;3mz')).toEqual([
      ['x', 'bold', 'color:var(--ansi-1)'],
      [' ', '', ''],
      ['y', '', 'color:rgb(255 135 0)'],
      ['z', '', 'color:rgb(255 135 0);background:rgb(1 2 3)'],
    ]);
  });
  it('may be written with colons', () => {
    expect(styles('\x1b[38:2::1:2:3mx\x1b[0;4:3my')).toEqual([['x', '', 'color:rgb(1 2 3)'], ['y', 'underline', '']]);
  });
  it('stay legible on a coloured ground', () => {
    expect(styles('\x1b[41mx')).toEqual([['x', '', 'color:var(--on-ansi);background:var(--ansi-1)']]);
    expect(styles('\x1b[7;32mx')).toEqual([['x', '', 'color:var(--on-ansi);background:var(--ansi-2)']]);
    expect(styles('\x1b[48;2;250;250;250mx')).toEqual([['x', '', 'color:black;background:rgb(250 250 250)']]);
  });
  it('outlive their line until they are reset', () => {
    expect(carry('\x1b[1m\x1b[31mred')).toBe('\x1b[1m\x1b[31m');
    expect(carry('x\x1b[0m', '\x1b[31m')).toBe('');
    expect(carry('x\x1b[0;32m', '\x1b[31m')).toBe('\x1b[0;32m');
    expect(carry('plain', '\x1b[31m')).toBe('\x1b[31m');
    expect(styles('x', '\x1b[31m')).toEqual([['x', '', 'color:var(--ansi-1)']]);
  });
  it('cannot be carried without bound', () => {
    let state = '';
    for (let i = 0; i < 1000; i++) state = carry(`\x1b[38;5;${i % 256}m`, state);
    expect(state.length).toBeLessThanOrEqual(256);
  });
});

describe('hostile output', () => {
  it.each([
    ['\x1b]0;title\x07text', 'text'],
    ['\x1b]8;;file:///etc/passwd\x1b\\link\x1b]8;;\x1b\\', 'link'],
    ['\x1bP$qm\x1b\\text', 'text'],
    ['\x1b[2J\x1b[1;1H\x1b[?25ltext\x1b[K', 'text'],
    ['\x1b(Btext\x1b=', 'text'],
    ['text\x1b', 'text'],
    ['text\x1b[31', 'text'],
    ['<img src=x onerror=alert(1)>', '<img src=x onerror=alert(1)>'],
  ])('%j is %j', (t, want) => {
    expect(lineText(line(t))).toBe(want);
    expect(spans(line(t)).map((span) => span.text).join('')).toBe(want);
  });
  it('cannot put its own text into a style', () => {
    for (const t of ['\x1b[38;5;999mx', '\x1b[38;2;300;0;0mx', '\x1b[38;5;1;url(x)mx', '\x1b[31;}body{mx']) {
      for (const span of spans(line(t))) expect(span.style).toMatch(/^(color:(var\(--ansi-\d+\)|rgb\([\d ]+\)))?$/);
    }
  });
  it('shows one character for each one it copies', () => {
    const t = 'a\u202eb\x07c\x9bd\te';
    expect(show(t)).toHaveLength(t.length);
    expect(show(t)).toBe('a\ufffdb\ufffdc\ufffdd\te');
  });
  it('drawn and copied texts agree for anything', () => {
    const pieces = ['a', '\r', '\x1b[31m', '\x1b[0m', '\x1b[K', '\x1b]0;x\x07', '\u202e', '\t', '\x07', 'ü', '🚀', '\x1b', '[', 'm', '7'];
    for (let seed = 1, i = 0; i < 2000; i++) {
      let t = '';
      for (let k = 0; k < 12; k++) t += pieces[(seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % pieces.length];
      expect(spans(line(t)).map((span) => span.text).join(''), JSON.stringify(t)).toBe(lineText(line(t)));
    }
  });
});

it('tells stderr apart', () => {
  expect(hasStderr(line('x', 2))).toBe(true);
  expect(hasStderr(line('x', 1))).toBe(false);
  expect(collapse('x')).toBe('x');
});
