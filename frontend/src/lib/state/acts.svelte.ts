/* Everything that was done, by the filters of the history that can be meant: host, operator, time. Pages go back in time. */

import { AppError, type Act, type Backend, type Filter } from '../types';
import { again } from './again';
import type { History } from './history.svelte';

const PAGE = 100;
const PACE = 400; // ms between two looks, whatever happens meanwhile

export class Acts {
  #backend: Backend;
  #history: History;
  #rows = $state.raw<Act[]>([]);
  #more = $state(false);
  #loaded = $state(false);
  #loading = false;
  #error = $state.raw<AppError | null>(null);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(backend: Backend, history: History) {
    this.#backend = backend;
    this.#history = history;
  }

  get rows(): Act[] {
    return this.#rows;
  }
  get hasMore(): boolean {
    return this.#more;
  }
  get loaded(): boolean {
    return this.#loaded;
  }
  get error(): AppError | null {
    return this.#error;
  }

  /** What of the filter counts. */
  get filter(): Filter {
    const { hosts, operator, since, until } = this.#history.filter;
    return { hosts, operator, since, until };
  }

  /** Looks at the newest, and again when something happens. The returned function stops it. */
  open(): () => void {
    const soon = () => {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        void this.refresh();
      }, PACE);
    };
    const offs = [this.#backend.on('jobs', soon), this.#backend.on('team', () => this.#history.team && soon())];
    void this.refresh();
    return () => {
      offs.forEach((off) => off());
      clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  readonly refresh = again(async () => {
    const page = await this.#ask(this.filter);
    if (!page) return;
    // What was read of the past stays behind the newest page, unless there is a gap.
    const last = page.acts.at(-1);
    const behind = last && page.more ? this.#rows.findIndex((act) => act.at < last.at) : -1;
    const joins = behind > 0 && this.#rows[behind - 1]?.at === last?.at;
    this.#rows = joins ? [...page.acts, ...this.#rows.slice(behind)] : page.acts;
    if (!joins) this.#more = page.more;
    this.#loaded = true;
  });

  /** Asks for what was before the last row. */
  async more(): Promise<void> {
    const last = this.#rows.at(-1);
    if (!last || !this.#more || this.#loading) return;
    this.#loading = true;
    const page = await this.#ask({ ...this.filter, until: last.at });
    this.#loading = false;
    if (!page || this.#rows.at(-1) !== last) return;
    this.#more = page.more;
    this.#rows = [...this.#rows, ...page.acts];
  }

  async #ask(filter: Filter) {
    const asked = JSON.stringify([filter, this.#history.team]);
    try {
      const page = await this.#backend.jobs.acts({ filter, limit: PAGE, team: this.#history.team });
      if (JSON.stringify([{ ...this.filter, ...(filter.until !== this.filter.until && { until: filter.until }) }, this.#history.team]) !== asked) return null;
      this.#error = null;
      return page;
    } catch (thrown) {
      this.#error = AppError.from(thrown);
      return null;
    }
  }
}
