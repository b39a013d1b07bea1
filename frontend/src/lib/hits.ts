/* Hits of a search as rows to draw: a heading for each job, lines with their context, gaps between. */

import type { SearchHit } from './types';

export type HitRow =
  | { kind: 'job'; key: string; job: string }
  | { kind: 'line'; key: string; job: string; line: number; lead: string; match: string; rest: string } // match "" is context
  | { kind: 'gap'; key: string; job: string }
  | { kind: 'problem'; key: string; job: string; text: string };

const LEAD = 60; // characters before a match that are shown: a narrow view must show the match itself

/** The end of what stands before a match. */
export const shortLead = (lead: string): string => (lead.length > LEAD ? `…${lead.slice(-LEAD)}` : lead);

/** Adds hits to rows. They come in the order of their lines, job after job; what two hits have both as context, or
    one as context and one as hit, is drawn once. */
export function addHits(rows: HitRow[], hits: SearchHit[]): HitRow[] {
  const out = [...rows];
  for (const hit of hits) {
    const { job } = hit;
    const last = out.at(-1);
    if (last?.job !== job) out.push({ kind: 'job', key: `j ${job}`, job });
    if (hit.problem) {
      out.push({ kind: 'problem', key: `p ${job} ${hit.line} ${out.length}`, job, text: hit.problem });
      continue;
    }
    const line = (n: number, lead: string, match: string, rest: string): HitRow => ({ kind: 'line', key: `l ${job} ${n}`, job, line: n, lead, match, rest });
    // Lines that stand there already as context behind the hit before.
    let until = out.at(-1);
    while (until?.kind === 'line' && until.job === job && until.match === '' && until.line >= hit.line) {
      out.pop();
      until = out.at(-1);
    }
    const drawn = until?.kind === 'line' ? until.line : -1;
    const from = hit.line - hit.before.length;
    if (drawn >= 0 && from > drawn + 1) out.push({ kind: 'gap', key: `g ${job} ${hit.line}`, job });
    hit.before.forEach((text, i) => from + i > drawn && out.push(line(from + i, text, '', '')));
    if (hit.line > drawn) out.push(line(hit.line, hit.lead, hit.match || ' ', hit.rest));
    hit.after.forEach((text, i) => out.push(line(hit.line + 1 + i, text, '', '')));
  }
  return out;
}
