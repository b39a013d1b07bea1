/* How the team's database stands. Asked for again when Go says so, and every few seconds, since what is unsaved
   changes with every line that is printed. */

import type { ArchiveInfo, Backend } from '../types';
import { again } from './again';
import type { Problems } from './problems.svelte';

const RECHECK = 2000; // ms

export class Archive {
  #backend: Backend;
  #problems: Problems;
  #info = $state.raw<ArchiveInfo | null>(null);

  constructor(backend: Backend, problems: Problems) {
    this.#backend = backend;
    this.#problems = problems;
  }

  get info(): ArchiveInfo | null {
    return this.#info;
  }

  open(): () => void {
    const off = this.#backend.on('archive', () => void this.refresh());
    const timer = setInterval(() => void this.refresh(), RECHECK);
    void this.refresh();
    return () => {
      off();
      clearInterval(timer);
    };
  }

  readonly refresh = again(async () => {
    const info = await this.#problems.guard('read how the database stands', () => this.#backend.archive.status());
    if (info && JSON.stringify(info) !== JSON.stringify(this.#info)) this.#info = info;
  });
}
