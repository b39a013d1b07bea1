import { describe, expect, it } from 'vitest';
import { heightOf, isScaled, lastTop, LIMIT, scrollTopOf, topOf } from './scroll';

const g = (total: number) => ({ total, rowHeight: 18, viewport: 400 });

describe('the scrollbar', () => {
  it('is exact while a browser can hold it', () => {
    expect(heightOf(g(1000))).toBe(18_000);
    expect(topOf(1800, g(1000))).toBe(100);
    expect(scrollTopOf(100, g(1000))).toBe(1800);
  });
  it.each([444_445, 1_000_000, 10_000_000, 1_000_000_000])('shows the proportion of %d lines', (total) => {
    expect(isScaled(g(total))).toBe(true);
    expect(heightOf(g(total))).toBe(LIMIT);
    expect(topOf(0, g(total))).toBe(0);
    expect(topOf(LIMIT - 400, g(total))).toBe(lastTop(g(total)));
    for (const part of [0, 0.1, 0.5, 0.99, 1]) {
      const top = lastTop(g(total)) * part;
      expect(topOf(scrollTopOf(top, g(total)), g(total))).toBeCloseTo(top, 3);
    }
  });
  it('stays in bounds', () => {
    expect(topOf(99_999, g(10))).toBe(0);
    expect(lastTop(g(0))).toBe(0);
    expect(scrollTopOf(5, g(0))).toBe(90);
  });
});
