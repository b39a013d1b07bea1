/* vmo:// links that came. One that shows a record is followed at once; one that wishes for a target waits here as
   a form until the operator has answered it, and the next link waits behind it, unread. */

import type { Backend, Followed, Wish } from '../types';
import { again } from './again';
import type { Problems } from './problems.svelte';

export interface Asked {
  link: string;
  wish: Wish;
}

export class Links {
  #backend: Backend;
  #problems: Problems;
  #show: (followed: Followed) => Promise<void>;
  #asked = $state.raw<Asked | null>(null);

  constructor(backend: Backend, problems: Problems, show: (followed: Followed) => Promise<void>) {
    this.#backend = backend;
    this.#problems = problems;
    this.#show = show;
  }

  /** What a link wishes for and nobody has answered yet. */
  get asked(): Asked | null {
    return this.#asked;
  }

  open(): () => void {
    const off = this.#backend.on('link', () => void this.#take());
    void this.#take(); // one given as argument came before this page could listen
    return off;
  }

  answered(): void {
    this.#asked = null;
    void this.#take();
  }

  readonly #take = again(async () => {
    while (this.#asked === null) {
      let followed: Followed;
      try {
        followed = await this.#backend.links.next();
      } catch (thrown) {
        this.#problems.report('open the link', thrown);
        continue; // it is gone; the next one may be better
      }
      if (followed.link === '') return;
      if (followed.wish) this.#asked = { link: followed.link, wish: followed.wish };
      else await this.#show(followed);
    }
  });
}
