/* Times of the filters of the history, and what was said of its jobs. */

import { duration, visible } from './format';
import type { Act, Filter, Remark, Stat } from './types';

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

/** A filter with a name. Its span is an age, which means another moment each time, "dates" or "". */
export interface SavedFilter {
  name: string;
  span: string;
  filter: Filter;
}

/** A filter without the moments that its age stands for. */
export function lasting(filter: Filter, span: string): Filter {
  const { since: from, until, ...rest } = filter;
  return span === 'dates' ? { ...rest, since: from, until } : rest;
}

/** The jobs that a saved filter means now. */
export const meant = ({ filter, span }: SavedFilter, now: number): Filter => (span === '' || span === 'dates' ? filter : { ...filter, since: since(span, now) });

/** Whether two filters mean the same, in whatever order their parts were chosen. */
export const sameFilter = (a: Filter, b: Filter): boolean => plainly(a) === plainly(b);
const plainly = (filter: Filter): string => JSON.stringify(Object.entries(filter).filter(([, value]) => value !== undefined && value !== '').sort(([a], [b]) => (a < b ? -1 : 1)));

/** A moment of the wire as an input for date and time wants it: local, to the minute. */
export function localTime(moment: string | undefined): string {
  const at = moment === undefined ? NaN : Date.parse(moment);
  if (Number.isNaN(at)) return '';
  const local = new Date(at - new Date(at).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}

const ACTS: Record<string, string> = {
  job: 'job', event: 'recorded', key: 'signing key', note: 'note', label: 'label', unlabel: 'label taken off', pin: 'pinned', unpin: 'unpinned', connect: 'connected', setting: 'set', share: 'shares jobs',
  import: 'imported', remove: 'removed', spill: 'emptied in part', 'archive-retention': 'database: removed', 'archive-spill': 'database: emptied', 'archive-hand-over': 'database: handed over',
};

/** What an act was, in a word or two. */
export function actWords({ what, count }: Pick<Act, 'what' | 'count'>): string {
  const word = ACTS[what] ?? visible(what);
  return count && count > 1 ? `${word} × ${count}` : word;
}

/** How a target does, in words: how often it succeeds, how long that takes, what does not count. */
export function statWords(stat: Stat): string {
  const counted = stat.succeeded + stat.failed + stat.timed_out;
  const words = stat.rate === null ? [] : [stat.succeeded === counted ? `all ${counted} succeeded` : `${Math.floor(stat.rate * 100)} % of ${counted} succeeded`];
  if (stat.p50_ms !== null && stat.p95_ms !== null) words.push(stat.succeeded < 3 ? duration(stat.p50_ms) : `half within ${duration(stat.p50_ms)}, 95 % within ${duration(stat.p95_ms)}`);
  for (const [n, word] of [[stat.cancelled, 'cancelled'], [stat.lost, 'lost']] as const) if (n > 0) words.push(`${n} ${word}`);
  return words.join(' · ');
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
