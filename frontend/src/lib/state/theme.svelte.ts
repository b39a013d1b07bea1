/* Light or dark: follows the system until the operator says otherwise. */

import { createSubscriber } from 'svelte/reactivity';
import { Persisted } from './persisted.svelte';

export type Choice = 'system' | 'light' | 'dark';

export class Theme {
  #choice = new Persisted<Choice>('theme', 'system');
  #media = matchMedia('(prefers-color-scheme: dark)');
  #subscribe = createSubscriber((update) => {
    this.#media.addEventListener('change', update);
    return () => this.#media.removeEventListener('change', update);
  });

  get choice(): Choice {
    return this.#choice.current;
  }

  get current(): 'light' | 'dark' {
    this.#subscribe();
    if (this.#choice.current !== 'system') return this.#choice.current;
    return this.#media.matches ? 'dark' : 'light';
  }

  next(): void {
    const order: Choice[] = ['system', 'light', 'dark'];
    this.#choice.current = order[(order.indexOf(this.#choice.current) + 1) % order.length] ?? 'system';
  }
}
