/* How lines map to the scrollbar. Browsers stop at about 16 million pixels of height, which is less than
   a million lines; beyond LIMIT the scrollbar shows the proportion and the wheel moves by lines. */

export const LIMIT = 8_000_000;

export interface Geometry {
  total: number; // lines
  rowHeight: number; // px
  viewport: number; // px
}

export const rowsIn = (g: Geometry): number => g.viewport / g.rowHeight;

export const heightOf = (g: Geometry): number => Math.min(g.total * g.rowHeight, LIMIT);

/** Whether a pixel of the scrollbar is no longer a pixel of the log. */
export const isScaled = (g: Geometry): boolean => g.total * g.rowHeight > LIMIT;

/** The largest first line; the last line then stands at the bottom. */
export const lastTop = (g: Geometry): number => Math.max(0, g.total - rowsIn(g));

export function topOf(scrollTop: number, g: Geometry): number {
  if (!isScaled(g)) return clamp(scrollTop / g.rowHeight, 0, lastTop(g));
  const range = LIMIT - g.viewport;
  return range <= 0 ? 0 : clamp(scrollTop / range, 0, 1) * lastTop(g);
}

export function scrollTopOf(top: number, g: Geometry): number {
  if (!isScaled(g)) return top * g.rowHeight;
  const last = lastTop(g);
  return last <= 0 ? 0 : (clamp(top, 0, last) / last) * (LIMIT - g.viewport);
}

export const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), Math.max(low, high));
