/* Times of the filters of the history, and what was said of its jobs. */

import { visible } from './format';
import type { Remark } from './types';

/** What can be chosen instead of dates. */
export const AGES = [
  { age: '1h', name: 'last hour', ms: 3_600_000 },
  { age: '24h', name: 'last 24 hours', ms: 86_400_000 },
  { age: '7d', name: 'last 7 days', ms: 7 * 86_400_000 },
  { age: '30d', name: 'last 30 days', ms: 30 * 86_400_000 },
] as const;

/** The moment that an age means now, in the words of the wire; undefined for any time. */
export function since(age: string, now: number): string | undefined {
  const found = AGES.find((one) => one.age === age);
  return found && new Date(now - found.ms).toISOString();
}

/** A moment of the wire as an input for date and time wants it: local, to the minute. */
export function localTime(moment: string | undefined): string {
  const at = moment === undefined ? NaN : Date.parse(moment);
  if (Number.isNaN(at)) return '';
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

/** What somebody said of a job besides notes, in words. */
export function remarkWords({ kind, text }: Pick<Remark, 'kind' | 'text'>): string {
  switch (kind) {
    case 'label':
      return `labelled it “${visible(text)}”`;
    case 'unlabel':
      return `took “${visible(text)}” off`;
    case 'pin':
      return text ? `pinned it: ${visible(text)}` : 'pinned it';
    case 'unpin':
      return 'unpinned it';
    default:
      return visible(text);
  }
}
