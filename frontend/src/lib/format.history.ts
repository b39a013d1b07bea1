/* Times of the filters of the history. */

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
