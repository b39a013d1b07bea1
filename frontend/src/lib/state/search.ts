/* Fuzzy search, strict enough for names: letters must stand in order, ranked by where they stand. */

import uFuzzy from '@leeoniya/ufuzzy';

const fuzzy = new uFuzzy({ intraMode: 0, intraIns: 4, interIns: 20 });
const MANY = 3000; // beyond this many hits ranking costs more than it helps

export interface Hit {
  index: number; // into the haystack
  ranges: number[]; // pairs of start and end in it
}

export function search(haystack: string[], needle: string): Hit[] {
  const wanted = needle.trim();
  if (wanted === '') return haystack.map((_, index) => ({ index, ranges: [] }));
  const [found, info, order] = fuzzy.search(haystack, wanted, 1, MANY);
  if (!found) return [];
  if (!info || !order) return found.map((index) => ({ index, ranges: [] }));
  return order.map((at) => ({ index: info.idx[at] ?? 0, ranges: info.ranges[at] ?? [] }));
}
