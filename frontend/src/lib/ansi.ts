/* Output as text and spans. Nothing here makes HTML: a span is a text and a style that was built from
   parsed numbers only. What a log view shows is one character for each character it copies, so offsets in
   the page are offsets in the text. */

import Anser from 'anser';
import { Stream, type Line } from './types';

export interface Span {
  text: string; // as copied
  shown: string; // as drawn: the same length, hostile characters made visible
  class: string;
  style: string;
}

/** Escape sequences that a line of text can do without: everything but SGR (CSI … m). */
const OTHER =
  // OSC, DCS, PM, APC, SOS up to their end; CSI except SGR; character sets; the two-byte rest.
  /\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)|\x1b[P^_X][^\x1b]*(?:\x1b\\|$)|\x1b\[[\x30-\x3f]*[\x20-\x2f]*(?:[\x40-\x6c\x6e-\x7e]|$)|\x1b\[[<=>?][\x30-\x3f]*m|\x1b[ #%()*+\-./][\x20-\x7e]?|\x1b[\x30-\x4f\x51-\x57\x59\x5a\x5c\x60-\x7e]/g;
const SGR = /\x1b\[([\d;:]*)m/g;
const STRAY = /\x1b(?!\[[\d;:]*m)(?:\[[\x30-\x3f]*)?/g; // begun and never finished

/** Text in which SGR sequences are the only escapes, written the way that anser reads them. */
function clean(text: string): string {
  if (!text.includes('\x1b')) return text;
  return text
    .replace(OTHER, '')
    .replace(STRAY, '')
    .replace(SGR, (sequence, numbers: string) => (numbers.includes(':') ? `\x1b[${numbers.split(';').map(semicolons).join(';')}m` : sequence));
}

/** 38:2::1:2:3 is 38;2;1;2;3, and of 4:3 (a wavy line) 4 is what can be drawn. */
const semicolons = (number: string): string => (/^[34]8:/.test(number) ? number.replace(/:+/g, ';') : (number.split(':')[0] ?? ''));

/** A line as one text: what follows the last carriage return, with the colours that were set before it. */
export function collapse(text: string, carried = ''): string {
  const line = text.replace(/\r+$/, '');
  const cut = line.lastIndexOf('\r') + 1;
  return cut === 0 ? carried + line : carry(line.slice(0, cut), carried) + line.slice(cut);
}

/** The SGR sequences still in force after text, so that a colour can outlive its line. */
export function carry(text: string, before = ''): string {
  if (!text.includes('\x1b[')) return before;
  let state = before;
  for (const [sequence, numbers] of text.matchAll(SGR)) {
    if (/^[0;:]*$/.test(numbers ?? '')) state = '';
    else if (/^0[;:]/.test(numbers ?? '')) state = sequence;
    else state += sequence;
  }
  return state.length > 256 ? state.slice(state.indexOf('\x1b', state.length - 256)) : state;
}

/** Text without any escape sequence. */
export const plain = (text: string): string => clean(text).replace(SGR, '');

/** What a line copies as. */
export const lineText = (line: Line): string => plain(collapse(line.parts.map((part) => part.t).join('')));

export const hasStderr = (line: Line): boolean => line.parts.some((part) => part.s === Stream.stderr && part.t !== '');

/** Control and bidi characters become a visible one, one for one. (Their pictures are in few fonts.) */
export const show = (text: string): string => text.replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');

export function spans(line: Line, carried = ''): Span[] {
  const text = clean(collapse(line.parts.map((part) => part.t).join(''), carried));
  if (!text.includes('\x1b')) return text === '' ? [] : [{ text, shown: show(text), class: '', style: '' }];
  return Anser.ansiToJson(text, { json: true, remove_empty: true, use_classes: true })
    .map((entry) => {
      const text = entry.content;
      const paper = colour(entry.bg, entry.bg_truecolor);
      const ink = paper ? on(paper, colour(entry.fg, entry.fg_truecolor)) : colour(entry.fg, entry.fg_truecolor);
      return {
        text,
        shown: show(text),
        class: entry.decorations.filter((name) => name !== 'blink').join(' '),
        style: [ink && `color:${ink}`, paper && `background:${paper}`].filter(Boolean).join(';'),
      };
    });
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

/** A CSS colour made of parsed numbers, never of the program's text. */
function colour(name: string | null, rgb: string | null): string | null {
  if (!name) return null;
  if (name === 'ansi-truecolor') return triple(rgb);
  const palette = /^ansi-palette-(\d{1,3})$/.exec(name);
  if (palette) return indexed(Number(palette[1]));
  const basic = /^ansi-(bright-)?([a-z]+)$/.exec(name);
  const index = basic ? NAMES.indexOf(basic[2] ?? '') : -1;
  return index < 0 ? null : indexed(index + (basic?.[1] ? 8 : 0));
}

/** Black, white and no colour mean "legible" on a coloured ground, and which of them is depends on the theme. */
function on(paper: string, ink: string | null): string | null {
  if (ink !== null && !/^var\(--ansi-(0|7|15)\)$/.test(ink)) return ink;
  if (paper.startsWith('var')) return 'var(--on-ansi)';
  const [r = 0, g = 0, b = 0] = (paper.match(/\d+/g) ?? []).map(Number);
  return r * 0.299 + g * 0.587 + b * 0.114 > 140 ? 'black' : 'white';
}

function triple(rgb: string | null): string | null {
  const numbers = (rgb ?? '').split(',').map(Number);
  return numbers.length === 3 && numbers.every((n) => n >= 0 && n <= 255) ? `rgb(${numbers.join(' ')})` : null;
}

function indexed(n: number): string | null {
  if (n < 16) return `var(--ansi-${n})`;
  if (n > 255) return null;
  if (n >= 232) return `rgb(${Array(3).fill(8 + (n - 232) * 10).join(' ')})`;
  const step = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  const cube = n - 16;
  return `rgb(${step(Math.floor(cube / 36))} ${step(Math.floor(cube / 6) % 6)} ${step(cube % 6)})`;
}
