/* One clock for everything that ticks. It runs only while something shows it. */

import { createSubscriber } from 'svelte/reactivity';

class Clock {
  #subscribe: () => void;

  constructor(period: number) {
    this.#subscribe = createSubscriber((update) => {
      const timer = setInterval(update, period);
      return () => clearInterval(timer);
    });
  }

  /** Now, and again whenever the period has passed. */
  get now(): number {
    this.#subscribe();
    return Date.now();
  }
}

export const seconds = new Clock(500); // durations of running jobs
export const minutes = new Clock(15_000); // "5 min ago"
