/* A small choice of the operator that outlives the window, such as a width. Never anything that matters:
   storage may be missing or full, and then the choice lasts as long as the window. */

export class Persisted<T> {
  #key: string;
  #value: T;
  #version = $state(0);

  constructor(key: string, initial: T) {
    this.#key = `vmo.${key}`;
    this.#value = initial;
    try {
      const stored = localStorage.getItem(this.#key);
      if (stored !== null) {
        const value = JSON.parse(stored) as T;
        if (typeof value === typeof initial) this.#value = value;
      }
    } catch {
      // unreadable: the initial value is as good
    }
  }

  get current(): T {
    void this.#version;
    return this.#value;
  }

  set current(value: T) {
    this.#value = value;
    this.#version++;
    try {
      localStorage.setItem(this.#key, JSON.stringify(value));
    } catch {
      // full or forbidden: see above
    }
  }
}
