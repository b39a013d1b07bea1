/* What went wrong. A problem stays until the operator dismisses it: no error may only flash by. */

import { AppError } from '../types';

export interface Entry {
  key: number;
  at: number;
  doing: string; // what the window was doing, as in "start build"
  code: string;
  message: string;
  hint: string;
  times: number;
}

export class Problems {
  #entries = $state.raw<Entry[]>([]);
  #next = 1;

  get entries(): Entry[] {
    return this.#entries;
  }

  /** Reports what was thrown while doing something. The same problem again only counts up. */
  report(doing: string, thrown: unknown): void {
    const error = AppError.from(thrown);
    const known = this.#entries.find((e) => e.doing === doing && e.code === error.code && e.message === error.message);
    const entry: Entry = {
      key: known?.key ?? this.#next++,
      at: Date.now(),
      doing,
      code: error.code,
      message: error.message,
      hint: error.hint,
      times: (known?.times ?? 0) + 1,
    };
    this.#entries = [entry, ...this.#entries.filter((e) => e !== known)].slice(0, 100);
  }

  dismiss(key: number): void {
    this.#entries = this.#entries.filter((entry) => entry.key !== key);
  }

  clear(): void {
    this.#entries = [];
  }

  /** Runs an act and reports its failure; undefined then. */
  async guard<T>(doing: string, act: () => Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (thrown) {
      this.report(doing, thrown);
      return undefined;
    }
  }
}
