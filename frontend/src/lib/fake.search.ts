/* The search of the fake backend: through the lines that its records have. */

import { plain } from './ansi';
import type { Record as JobRecord } from './fake.record';
import { AppError, type Backend, type Filter, type Job, type SearchHit, type SearchQuery } from './types';

const PAGE = 100;
const LINES = 5000; // of one job

export class FakeSearch {
  #jobs: (filter: Filter) => Job[];
  #record: (id: string) => JobRecord;
  #serial = 0;
  #now = new Map<boolean, { id: string; hits: SearchHit[]; jobs: Map<string, Job> }>(); // true: through one job

  constructor(jobs: (filter: Filter) => Job[], record: (id: string) => JobRecord) {
    this.#jobs = jobs;
    this.#record = record;
  }

  readonly backend: Backend['search'] = {
    begin: async (query) => {
      const jobs = this.#jobs(query.jobs)
        .filter((job) => query.job === '' || job.id === query.job)
        .sort((a, b) => (a.id < b.id ? 1 : -1));
      const wanted = pattern(query);
      const search = { id: `search-${++this.#serial}`, hits: jobs.flatMap((job) => this.#matches(job.id, query.context, wanted)), jobs: new Map(jobs.map((job) => [job.id, job])) };
      this.#now.set(query.job !== '', search);
      return search.id;
    },
    more: async (id) => {
      const search = [...this.#now.values()].find((one) => one.id === id);
      if (!search) throw new AppError('not-found', 'the search has ended');
      await new Promise((done) => setTimeout(done, 30));
      const hits = search.hits.splice(0, PAGE);
      const jobs = [...new Set(hits.map((hit) => hit.job))].flatMap((job) => search.jobs.get(job) ?? []);
      jobs.forEach((job) => search.jobs.delete(job.id)); // each is told once
      return { hits, jobs, done: search.hits.length === 0, failure: null };
    },
    end: async (id) => {
      for (const [kind, one] of this.#now) if (one.id === id) this.#now.delete(kind);
    },
  };

  #matches(job: string, context: number, wanted: RegExp): SearchHit[] {
    const record = this.#record(job);
    const lines = Array.from({ length: Math.min(record.total, LINES) }, (_, n) => record.line(n));
    const texts = lines.map((line) => plain((line?.parts ?? []).map((part) => part.t).join('')));
    return texts.flatMap((text, n) => {
      const match = wanted.exec(text);
      if (!match) return [];
      const end = match.index + match[0].length;
      return [{ job, line: n, at: lines[n]?.at ?? 0, stream: 1, lead: text.slice(0, match.index), match: match[0], rest: text.slice(end), before: texts.slice(Math.max(0, n - context), n), after: texts.slice(n + 1, n + 1 + context), problem: '' }];
    });
  }
}

function pattern(query: SearchQuery): RegExp {
  try {
    return new RegExp(query.literal ? query.pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : query.pattern, query.ignore_case ? 'i' : '');
  } catch {
    throw new AppError('invalid', `${query.pattern} is no regular expression: missing closing )`, 'Write it in the syntax of RE2, or search for it as it is.');
  }
}
