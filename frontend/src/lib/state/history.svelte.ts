/* Jobs by a filter. Pages are asked for as they are looked at; what is new comes in at the top while the rest stays
   as it is. The rows are not kept among the jobs that the window knows: there may be a hundred thousand. */

import { AppError, type Backend, type Counts, type Filter, type Job, type JobState, type TeamJob } from '../types';
import { again } from './again';
import type { Jobs } from './jobs.svelte';
import type { Problems } from './problems.svelte';

const PACE = 400; // ms between two looks at the newest, whatever happens meanwhile
const TEAM = 1000; // and between two at what the whole team does

export interface HistoryOptions {
  filter?: Filter;
  page?: number; // rows to ask for at once
}

export class History {
  #backend: Backend;
  #jobs: Jobs;
  #problems: Problems;
  #page: number;
  #filter = $state.raw<Filter>({});
  #rows = $state.raw<Job[]>([]);
  #counts = $state.raw<Counts>({});
  #team = $state(false);
  #error = $state.raw<AppError | null>(null);
  #loaded = $state(false);
  #loading = $state(false);
  #hasMore = $state(false);
  #asked = 0; // counts the filters: an answer to an older one is dropped
  #states = new Map<string, JobState>(); // of every job that was heard of, as it was last
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(backend: Backend, jobs: Jobs, problems: Problems, options: HistoryOptions = {}) {
    this.#backend = backend;
    this.#jobs = jobs;
    this.#problems = problems;
    this.#page = options.page ?? 60;
    this.#filter = options.filter ?? {};
  }

  get filter(): Filter {
    return this.#filter;
  }
  get loaded(): boolean {
    return this.#loaded;
  }
  get loading(): boolean {
    return this.#loading;
  }
  get hasMore(): boolean {
    return this.#hasMore;
  }
  /** Newest first. What the window knows better, because it listens to a job, is taken from there. */
  get rows(): Job[] {
    return this.#rows;
  }
  now(job: Job): Job {
    return this.#jobs.get(job.id) ?? job;
  }
  /** Whether the jobs are those of the whole team, from its database, and not those of this machine. */
  get team(): boolean {
    return this.#team;
  }
  set team(shown: boolean) {
    if (shown === this.#team) return;
    this.#team = shown;
    if (this.#open) this.#watch(shown);
    this.#asked++;
    this.#loaded = false;
    this.#rows = [];
    this.#counts = {};
    this.#hasMore = false;
    void this.refresh();
  }

  /** Why the jobs of the team cannot be listed. */
  get error(): AppError | null {
    return this.#error;
  }

  /** How many there are in each state, whatever states the filter names. */
  get counts(): Counts {
    return this.#counts;
  }
  /** How many the filter means. */
  get total(): number {
    const wanted = this.#filter.states;
    return Object.entries(this.#counts).reduce((sum, [state, n]) => (wanted?.length && !wanted.includes(state as JobState) ? sum : sum + n), 0);
  }

  #open = false;
  #watch(shown: boolean): void {
    void this.#problems.guard('watch the database', () => this.#backend.archive.watch(shown));
  }

  /** Asks again after the database was away. */
  retry(): void {
    this.#watch(true);
    void this.refresh();
  }

  /** Looks at the newest, and again whenever jobs begin or end; of the team's whenever the database has news. The
      returned function stops it. */
  open(): () => void {
    const offs = [
      this.#jobs.listen(({ id, state }) => {
        if (this.#team) return; // of which the database tells
        if (this.#states.get(id) === state) return;
        this.#states.set(id, state);
        this.#soon();
      }),
      this.#backend.on('jobs', ({ more }) => more && !this.#team && this.#soon()),
      this.#backend.on('team', () => this.#team && this.#soon(TEAM)),
    ];
    this.#open = true;
    if (this.#team) this.#watch(true);
    void this.refresh();
    return () => {
      this.#open = false;
      if (this.#team) this.#watch(false);
      offs.forEach((off) => off());
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  set(filter: Filter): void {
    if (JSON.stringify(filter) === JSON.stringify(this.#filter)) return;
    this.#filter = filter;
    this.#asked++;
    void this.refresh();
  }

  #soon(pace = PACE): void {
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined;
        void this.refresh();
      },
      Math.max(PACE, this.#last + pace - Date.now()),
    );
  }

  /** Asks for the newest page and the counts. */
  #last = 0; // when that was last
  readonly refresh = again(async () => {
    this.#last = Date.now();
    const asked = this.#asked;
    const filter = this.#filter;
    const ask = (): Promise<[Job[], Counts]> =>
      Promise.all([this.#list('', filter), (this.#team ? this.#backend.archive : this.#backend.jobs).count({ ...filter, states: undefined })]);
    // A database that is away is no problem of the window: it is said where its jobs would stand.
    this.#error = null;
    const answer = await (this.#team ? ask().catch((thrown: unknown) => void (asked === this.#asked && (this.#error = AppError.from(thrown)))) : this.#problems.guard('list the jobs', ask));
    if (!answer || asked !== this.#asked) return;
    const [page, counts] = answer;
    const last = page.at(-1);
    // Rows that further pages brought stay behind the newest one, unless so much is new that there is a gap.
    const behind = page.length < this.#page || !last ? -1 : this.#rows.findIndex((job) => job.id === last.id);
    const kept = behind >= 0 && this.#keep === asked ? this.#rows.slice(behind + 1) : [];
    if (kept.length === 0) this.#hasMore = page.length === this.#page;
    this.#keep = asked;
    this.#take([...page, ...kept]);
    this.#counts = counts;
    this.#loaded = true;
  });
  #keep = 0; // the filter that the rows answer

  #list(before: string, filter: Filter): Promise<Job[] | TeamJob[]> {
    const query = { limit: this.#page, before, filter };
    return this.#team ? this.#backend.archive.jobs(query) : this.#backend.jobs.list(query);
  }

  /** Asks for the page behind the oldest row. */
  async more(): Promise<void> {
    const last = this.#rows.at(-1);
    if (!last || !this.#hasMore || this.#loading) return;
    const asked = this.#asked;
    this.#loading = true;
    const page = await this.#problems.guard('list older jobs', () => this.#list(last.id, this.#filter));
    this.#loading = false;
    // A refresh may have cut the rows meanwhile; what is behind the cut is asked for when it is looked at again.
    if (!page || asked !== this.#asked || this.#rows.at(-1)?.id !== last.id) return;
    this.#hasMore = page.length === this.#page;
    this.#take([...this.#rows, ...page]);
  }

  #take(rows: Job[]): void {
    for (const { id, state } of rows) this.#states.set(id, state);
    this.#rows = rows;
  }
}
