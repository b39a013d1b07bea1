/* All jobs that the window knows. Hints may come late, twice or not at all, and a full job may be older
   than a hint that overtook it; merging never goes back: a final state stays, numbers only grow. */

import { SvelteMap, SvelteSet } from 'svelte/reactivity';
import { isFinal, type Backend, type Job, type JobHint, type Size, type Start } from '../types';
import type { Problems } from './problems.svelte';

const FIRST = 10;
const PAGE = 25;
const RECHECK = 2000; // ms without a hint after which a living job is asked for

export type Listener = (hint: JobHint) => void;

export class Jobs {
  #backend: Backend;
  #problems: Problems;
  #jobs = new SvelteMap<string, Job>();
  #oldest = $state<string | null>(null); // id of the last row that a page brought
  #more = $state(false);
  #loaded = $state(false);
  #loading = $state(false);
  #result = $state.raw<Job | null>(null);
  #listeners = new Set<Listener>();
  #asking = new Map<string, boolean>(); // id → ask once more when the answer is here
  #heard = new Map<string, number>(); // when each living job was last heard of
  #output = new Map<string, number>(); // when each living job last printed, by this window's clock
  /** Jobs of colleagues that were opened: they do not run here. */
  readonly foreign = new SvelteSet<string>();
  #cancels = new SvelteMap<string, number>(); // how often this window asked a job to stop

  #own: Job[] = $derived.by(() => [...this.#jobs.values()].filter((job) => !this.foreign.has(job.id)));

  /** Newest first; without gaps down to the oldest row loaded. */
  readonly recent: Job[] = $derived.by(() =>
    this.#own.filter((job) => this.#oldest === null || job.id >= this.#oldest).sort((a, b) => (a.id < b.id ? 1 : -1)),
  );
  readonly running: Job[] = $derived.by(() => this.#own.filter((job) => job.state === 'running'));
  readonly queued: Job[] = $derived.by(() => this.#own.filter((job) => job.state === 'pending'));
  readonly stalled: Job[] = $derived.by(() => this.running.filter((job) => job.stalled));

  constructor(backend: Backend, problems: Problems) {
    this.#backend = backend;
    this.#problems = problems;
  }

  get hasMore(): boolean {
    return this.#more;
  }
  get loaded(): boolean {
    return this.#loaded;
  }
  get loading(): boolean {
    return this.#loading;
  }
  /** The job that ended last while the window looked on. */
  get lastResult(): Job | null {
    return this.#result;
  }

  get(id: string): Job | undefined {
    return this.#jobs.get(id);
  }

  cancelled(id: string): number {
    return this.#cancels.get(id) ?? 0;
  }

  /** When the job last printed, or undefined while nobody knows. */
  lastOutput(id: string): number | undefined {
    return this.#output.get(id);
  }

  noteOutput(id: string, at: number): void {
    if (at > (this.#output.get(id) ?? 0)) this.#output.set(id, at);
  }

  /** Starts listening and loads the newest jobs. The returned function stops it. */
  open(): () => void {
    const off = this.#backend.on('jobs', ({ jobs, more }) => {
      for (const hint of jobs) this.hint(hint);
      if (more) void this.refresh();
    });
    const timer = setInterval(() => this.#recheck(), RECHECK);
    void this.refresh();
    return () => {
      off();
      clearInterval(timer);
    };
  }

  /** Calls back on every hint, after it was merged. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Loads the newest page again, as on start or after a list of hints was cut. */
  async refresh(): Promise<void> {
    await this.#page('', FIRST);
  }

  async more(): Promise<void> {
    if (this.#more && this.#oldest !== null) await this.#page(this.#oldest, PAGE);
  }

  async #page(before: string, limit: number): Promise<void> {
    this.#loading = true;
    const page = await this.#problems.guard('list recent jobs', () => this.#backend.jobs.list({ limit, before, filter: {} }));
    this.#loading = false;
    if (!page) return;
    for (const job of page) this.merge(job);
    const last = page.at(-1)?.id ?? null;
    // A refreshed first page must not hide rows that "show more" brought.
    if (before !== '' || this.#oldest === null || !this.#loaded) {
      this.#more = page.length === limit;
      if (last !== null) this.#oldest = last;
    }
    this.#loaded = true;
  }

  hint(hint: JobHint): void {
    const known = this.#jobs.get(hint.id);
    this.#heard.set(hint.id, Date.now());
    if (!known) {
      void this.ask(hint.id);
    } else {
      const late = hint.seq < known.chunks || (isFinal(known.state) && !isFinal(hint.state));
      if (hint.bytes > known.bytes) this.noteOutput(hint.id, Date.now());
      const next: Job = {
        ...known,
        chunks: Math.max(known.chunks, hint.seq),
        lines: Math.max(known.lines, hint.lines),
        bytes: Math.max(known.bytes, hint.bytes),
        stalled: late ? known.stalled : hint.stalled,
      };
      if (next.chunks !== known.chunks || next.lines !== known.lines || next.bytes !== known.bytes || (next.stalled ?? '') !== (known.stalled ?? '')) {
        this.#jobs.set(hint.id, next);
      }
      // How a job ended is more than its state, so the state is only taken from the job itself.
      if (hint.state !== known.state && !late) void this.ask(hint.id);
    }
    for (const listener of this.#listeners) listener(hint);
  }

  /** Puts a job into the list unless what is known is newer. */
  merge(job: Job): Job {
    const known = this.#jobs.get(job.id);
    if (!known) {
      this.#jobs.set(job.id, job);
      return job;
    }
    if (isFinal(known.state) && !isFinal(job.state)) return known;
    const merged: Job = {
      ...job,
      state: known.state === 'running' && job.state === 'pending' ? known.state : job.state,
      started_at: job.started_at ?? known.started_at,
      chunks: Math.max(known.chunks, job.chunks),
      lines: Math.max(known.lines, job.lines),
      bytes: Math.max(known.bytes, job.bytes),
    };
    if (JSON.stringify(merged) === JSON.stringify(known)) return known;
    this.#jobs.set(job.id, merged);
    if (isFinal(merged.state) && !isFinal(known.state)) {
      this.#heard.delete(job.id);
      this.#output.delete(job.id);
      this.#result = merged;
    }
    return merged;
  }

  /** Asks for one job; one question at a time for each, and once more if another came meanwhile. */
  async ask(id: string): Promise<Job | undefined> {
    if (this.#asking.has(id)) {
      this.#asking.set(id, true);
      return this.#jobs.get(id);
    }
    this.#asking.set(id, false);
    let job: Job | undefined;
    try {
      do {
        this.#asking.set(id, false);
        const answer = await this.#problems.guard('read a job', () => this.#backend.jobs.get(id));
        if (!answer) break;
        this.#heard.set(id, Date.now());
        const before = this.#jobs.get(id);
        job = this.merge(answer);
        if (before !== job) {
          const { state, chunks, lines, bytes, stalled } = job;
          for (const listener of this.#listeners) listener({ id, state, seq: chunks, lines, bytes, stalled });
        }
      } while (this.#asking.get(id));
    } finally {
      this.#asking.delete(id);
    }
    return job;
  }

  /** The safety net: a living job that nobody spoke of is asked for, in case a hint was lost. */
  #recheck(): void {
    const now = Date.now();
    for (const job of [...this.running, ...this.queued]) {
      if (now - (this.#heard.get(job.id) ?? 0) >= RECHECK) void this.ask(job.id);
    }
  }

  /** Runs a target: a job for each host, or one here; none if it cannot be started. */
  async start(request: Start): Promise<Job[]> {
    const jobs = await this.#problems.guard(`start ${request.target}`, () => this.#backend.jobs.start(request));
    return (jobs ?? []).map((job) => this.took(job));
  }

  async again(job: Job, size: Size): Promise<Job | undefined> {
    return this.begin('run the job again', () => this.#backend.jobs.again(job.id, size));
  }

  /** Begins a job by an act and takes it into the list. */
  async begin(doing: string, act: () => Promise<Job>): Promise<Job | undefined> {
    const job = await this.#problems.guard(doing, act);
    return job && this.took(job);
  }

  /** Takes a job into the list that this window has begun just now. */
  took(job: Job): Job {
    this.#heard.set(job.id, Date.now());
    this.noteOutput(job.id, Date.now());
    return this.merge(job);
  }

  /** Asks a job to stop; asked again, it is killed. */
  async cancel(id: string, force = this.cancelled(id) > 0): Promise<void> {
    this.#cancels.set(id, this.cancelled(id) + 1);
    await this.#problems.guard('cancel the job', () => this.#backend.jobs.cancel(id, force));
  }

  async unrecorded(id: string): Promise<void> {
    await this.#problems.guard('go on without recording', () => this.#backend.jobs.unrecorded(id));
  }
}
