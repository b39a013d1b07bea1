/* What stands in the dock. A pane shows a job and never owns it: closing one stops nothing. */

import type { Job } from '../types';
import { Persisted } from './persisted.svelte';

export interface Pane {
  job: string;
  view: 'live' | 'replay' | 'lines'; // lines: as in a log, although it ran in a terminal
  /** A line to show, and the count of wishes: the same line may be wished for again. */
  line?: { n: number; wish: number };
  /** The window started this job just now, so its terminal answers from the first byte on. */
  fresh: boolean;
}

export class Panes {
  #list = $state.raw<Pane[]>([]);
  #active = $state<string | null>(null);
  #open = $state(false);
  #magnified = $state(false);
  #focus = $state.raw<{ job: string; n: number } | null>(null);
  #wishes = 0;
  /** Called when a pane was closed. */
  onclose: (job: string) => void = () => {};
  #tiles = new Persisted('dock.tiles', false);

  get list(): Pane[] {
    return this.#list;
  }
  get active(): string | null {
    return this.#active;
  }
  get open(): boolean {
    return this.#open && this.#list.length > 0;
  }
  get magnified(): boolean {
    return this.#magnified && this.open;
  }
  get tiles(): boolean {
    return this.#tiles.current;
  }
  /**
   * Changes when the pane of a job is to take the keyboard; 0: it is not. The wish is for the pane that was meant,
   * and only until another one is looked at: a pane that is shown or built anew must not take it without being asked to.
   */
  focus(job: string): number {
    return this.#focus?.job === job ? this.#focus.n : 0;
  }

  has(job: string): boolean {
    return this.#list.some((pane) => pane.job === job);
  }

  show(job: Job, options: { view?: Pane['view']; fresh?: boolean; line?: number; focus?: boolean } = {}): void {
    const { fresh = false, focus = true } = options;
    const line = options.line === undefined ? undefined : { n: options.line, wish: ++this.#wishes };
    const view = options.view ?? (line && job.tty ? 'lines' : 'live');
    this.#list = this.has(job.id)
      ? this.#list.map((pane) => (pane.job === job.id ? { ...pane, view, line } : pane))
      : [...this.#list, { job: job.id, view, fresh, line }];
    this.activate(job.id, focus);
  }

  setView(job: string, view: Pane['view']): void {
    // A terminal that is opened again must not answer what it answered before.
    this.#list = this.#list.map((pane) => (pane.job === job ? { ...pane, view, fresh: false, line: undefined } : pane));
    this.activate(job); // the button that was pressed is gone, and the keyboard would be with it
  }

  activate(job: string, focus = true): void {
    this.#active = job;
    this.#open = true;
    this.#focus = focus ? { job, n: ++this.#wishes } : null;
  }

  at(index: number): void {
    const pane = this.#list[index];
    if (pane) this.activate(pane.job);
  }

  close(job: string): void {
    const at = this.#list.findIndex((pane) => pane.job === job);
    this.#list = this.#list.filter((pane) => pane.job !== job);
    if (this.#active === job) {
      this.#active = (this.#list[at] ?? this.#list[at - 1])?.job ?? null;
      this.#focus = this.#active === null ? null : { job: this.#active, n: ++this.#wishes };
    }
    if (this.#list.length === 0) this.#magnified = false;
    this.onclose(job);
  }

  toggle(): void {
    this.#open = !this.#open;
    if (!this.#open) this.#magnified = false;
  }

  magnify(): void {
    this.#magnified = !this.#magnified;
    if (this.#magnified) this.#open = true;
  }

  arrange(tiles: boolean): void {
    this.#tiles.current = tiles;
  }
}
