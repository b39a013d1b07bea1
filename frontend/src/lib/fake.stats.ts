/* How the targets of the fake backend do. */

import { isFinal, type Job, type Stat } from './types';

export function statsOf(jobs: Job[]): Stat[] {
  const groups = new Map<string, Job[]>();
  for (const job of [...jobs].sort((a, b) => (a.id < b.id ? 1 : -1))) {
    if (job.target === '' || !isFinal(job.state)) continue;
    const key = JSON.stringify([job.project, job.target, job.host]);
    groups.set(key, [...(groups.get(key) ?? []), job]);
  }
  return [...groups.values()].map((runs) => {
    const of = (state: Job['state']): Job[] => runs.filter((job) => job.state === state);
    const took = of('succeeded')
      .map((job) => Date.parse(job.finished_at ?? '') - Date.parse(job.started_at ?? ''))
      .sort((a, b) => a - b);
    const share = (p: number): number | null => took[Math.max(0, Math.ceil(p * took.length) - 1)] ?? null;
    const [succeeded, failed, timed_out] = [took.length, of('failed').length, of('timed-out').length];
    const counted = succeeded + failed + timed_out;
    const { project = '', target = '', host = '', queued_at = '' } = runs[0] ?? {};
    return {
      project, target, host, runs: runs.length, succeeded, failed, timed_out, cancelled: of('cancelled').length, lost: of('lost').length,
      rate: counted > 0 ? succeeded / counted : null, p50_ms: share(0.5), p95_ms: share(0.95), newest: queued_at,
    };
  });
}
