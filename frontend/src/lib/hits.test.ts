import { describe, expect, it } from 'vitest';
import { addHits, shortLead, type HitRow } from './hits';
import type { SearchHit } from './types';

const lines = Array.from({ length: 30 }, (_, i) => `line ${i}`);
const hit = (line: number, context = 1, over: Partial<SearchHit> = {}): SearchHit => ({
  job: 'a', line, at: 0, stream: 1, lead: 'li', match: 'ne', rest: ` ${line}`, problem: '',
  before: lines.slice(Math.max(0, line - context), line), after: lines.slice(line + 1, line + 1 + context), ...over,
});
/** A row as a person sees it: > is a hit. */
const seen = (rows: HitRow[]): string[] =>
  rows.map((row) => (row.kind === 'job' ? `# ${row.job}` : row.kind === 'gap' ? '--' : row.kind === 'problem' ? `! ${row.text}` : `${row.match ? '>' : ' '} ${row.line} ${row.lead}${row.match}${row.rest}`));

describe('hits as rows', () => {
  it('stand under their job, with context, and gaps between', () => {
    expect(seen(addHits([], [hit(5), hit(9), hit(2, 1, { job: 'b' })]))).toEqual([
      '# a', '  4 line 4', '> 5 line 5', '  6 line 6', '--', '  8 line 8', '> 9 line 9', '  10 line 10',
      '# b', '  1 line 1', '> 2 line 2', '  3 line 3',
    ]);
  });

  it.each([
    [[5, 6], ['  4 line 4', '> 5 line 5', '> 6 line 6', '  7 line 7']],
    [[5, 7], ['  4 line 4', '> 5 line 5', '  6 line 6', '> 7 line 7', '  8 line 8']],
    [[5, 8], ['  4 line 4', '> 5 line 5', '  6 line 6', '  7 line 7', '> 8 line 8', '  9 line 9']],
    [[0, 1], ['> 0 line 0', '> 1 line 1', '  2 line 2']],
  ])('of the lines %j share what both have as context', (at, want) => {
    const all = seen(addHits([], at.map((n) => hit(n)))).slice(1);
    expect(all).toEqual(want);
    // However they were paged.
    expect(seen(at.reduce<HitRow[]>((rows, n) => addHits(rows, [hit(n)]), [])).slice(1)).toEqual(want);
  });

  it('share a wide context, too, and no line stands there twice', () => {
    const rows = addHits([], [hit(5, 4), hit(7, 4), hit(8, 4), hit(20, 4)]);
    const numbers = rows.flatMap((row) => (row.kind === 'line' ? [row.line] : []));
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    expect(new Set(rows.map((row) => row.key)).size).toBe(rows.length);
    expect(rows.filter((row) => row.kind === 'line' && row.match !== '').map((row) => row.kind === 'line' && row.line)).toEqual([5, 7, 8, 20]);
  });

  it('a line that matches twice is one line', () => expect(seen(addHits([], [hit(5, 0), hit(5, 0)]))).toEqual(['# a', '> 5 line 5']));

  it('what could not be searched stands in its place', () => {
    expect(seen(addHits([], [hit(5, 0), hit(6, 0, { problem: 'block 7 is damaged' }), hit(9, 0)]))).toEqual(['# a', '> 5 line 5', '! block 7 is damaged', '> 9 line 9']);
  });

  it('an empty match is a hit all the same', () => expect(addHits([], [hit(3, 0, { match: '' })]).at(-1)).toMatchObject({ kind: 'line', match: ' ' }));
});

it('of a long line, what stands just before the match is shown', () => {
  expect(shortLead('short')).toBe('short');
  expect(shortLead('x'.repeat(500) + 'tail')).toMatch(/^…x+tail$/);
});
