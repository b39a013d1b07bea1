/* A search through the output of jobs. Hits are pulled as they are looked at: a search that nobody scrolls stands
   still in Go, and one that is replaced ends there. */

import { addHits, type HitRow } from '../hits';
import { AppError, type Backend, type Job, type SearchQuery } from '../types';

const SCREEN = 200; // hits to have ready

export class Finding {
  #backend: Backend;
  #query = $state.raw<SearchQuery | null>(null);
  #rows = $state.raw<HitRow[]>([]);
  #jobs = $state.raw<ReadonlyMap<string, Job>>(new Map());
  #hits = $state(0);
  #busy = $state(false);
  #done = $state(false);
  #error = $state.raw<AppError | null>(null);
  #since = $state(0);
  #wanted = 0;
  #serial = 0; // counts the searches: what comes for an older one is dropped
  #id: Promise<string> | null = null;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get query(): SearchQuery | null {
    return this.#query;
  }
  get rows(): HitRow[] {
    return this.#rows;
  }
  get hits(): number {
    return this.#hits;
  }
  /** How many jobs have a hit so far. */
  get found(): number {
    return this.#jobs.size;
  }
  job(id: string): Job | undefined {
    return this.#jobs.get(id);
  }
  get busy(): boolean {
    return this.#busy;
  }
  /** Everything was searched. */
  get done(): boolean {
    return this.#done;
  }
  get error(): AppError | null {
    return this.#error;
  }
  /** When the search that is shown was begun. */
  get since(): number {
    return this.#since;
  }

  begin(query: SearchQuery): void {
    this.stop();
    this.#query = query;
    this.#rows = [];
    this.#jobs = new Map();
    this.#hits = 0;
    this.#done = false;
    this.#error = null;
    this.#since = Date.now();
    this.#id = this.#backend.search.begin(query);
    this.#wanted = SCREEN;
    void this.#pull();
  }

  /** Ends the search; what it found stays. */
  stop(): void {
    const id = this.#id;
    this.#id = null;
    this.#serial++;
    this.#busy = false;
    // Ended or not, the next one replaces it; and a search that could not begin has nothing to end.
    if (id && !this.#done) void id.then((known) => this.#backend.search.end(known)).catch(() => {});
  }

  clear(): void {
    this.stop();
    this.#query = null;
    this.#rows = [];
    this.#hits = 0;
    this.#done = false;
    this.#error = null;
  }

  /** The end of the rows is near: look for more. */
  more(): void {
    if (this.#done || this.#id === null || this.#hits < this.#wanted) return;
    this.#wanted = this.#hits + SCREEN;
    void this.#pull();
  }

  async #pull(): Promise<void> {
    if (this.#busy || this.#id === null) return;
    const serial = this.#serial;
    this.#busy = true;
    try {
      const id = await this.#id;
      while (serial === this.#serial && !this.#done && this.#hits < this.#wanted) {
        const page = await this.#backend.search.more(id);
        if (serial !== this.#serial) return;
        if (page.jobs.length > 0) this.#jobs = new Map([...this.#jobs, ...page.jobs.map((job) => [job.id, job] as const)]);
        if (page.hits.length > 0) this.#rows = addHits(this.#rows, page.hits);
        this.#hits += page.hits.filter((hit) => !hit.problem).length;
        this.#done = page.done;
        if (page.failure) this.#error = AppError.from(page.failure);
      }
    } catch (thrown) {
      if (serial !== this.#serial) return;
      this.#error = AppError.from(thrown);
      this.#done = true;
    }
    if (serial === this.#serial) this.#busy = false;
  }
}
