/* Whether there is a newer release. Asked of Go when it says so; Go asks nobody unless the operator wants that. */

import type { Backend, UpdateInfo } from '../types';
import { again } from './again';
import type { Problems } from './problems.svelte';

export class Updates {
  #backend: Backend;
  #problems: Problems;
  #info = $state.raw<UpdateInfo | null>(null);

  constructor(backend: Backend, problems: Problems) {
    this.#backend = backend;
    this.#problems = problems;
  }

  get info(): UpdateInfo | null {
    return this.#info;
  }

  /** The version that is newer for certain, for the status bar; "" if there is none. */
  get newer(): string {
    const release = this.#info?.release;
    return release && !release.unsure ? release.version : '';
  }

  open(): () => void {
    const off = this.#backend.on('updates', () => void this.refresh());
    void this.refresh();
    return off;
  }

  readonly refresh = again(async () => {
    const info = await this.#problems.guard('read whether newer releases are looked for', () => this.#backend.updates.status());
    if (info) this.#info = info;
  });
}
