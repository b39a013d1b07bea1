/* The one way in for a terminal. Calls to Go may overtake each other, so what is typed goes through a
   queue: one call in flight, and what piled up meanwhile goes with the next. */

const LIMIT = 32 * 1024; // bytes for each call

export class InputQueue {
  #send: (data: Uint8Array) => Promise<void>;
  #onsent: () => void;
  #onerror: (thrown: unknown) => void;
  #waiting: Uint8Array[] = [];
  #busy = false;
  #closed = false;

  constructor(send: (data: Uint8Array) => Promise<void>, on: { sent?: () => void; error?: (thrown: unknown) => void } = {}) {
    this.#send = send;
    this.#onsent = on.sent ?? (() => {});
    this.#onerror = on.error ?? (() => {});
  }

  push(data: Uint8Array): void {
    if (this.#closed || data.length === 0) return;
    this.#waiting.push(data);
    if (!this.#busy) void this.#drain();
  }

  /** Refuses what comes from now on; what is in flight is not taken back. */
  close(): void {
    this.#closed = true;
    this.#waiting = [];
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      try {
        await this.#send(this.#next());
      } catch (thrown) {
        // Later keys must not arrive without the earlier ones.
        this.#waiting = [];
        if (!this.#closed) this.#onerror(thrown);
        break;
      }
      this.#onsent();
    }
    this.#busy = false;
  }

  #next(): Uint8Array {
    let size = 0;
    let n = 0;
    while (n < this.#waiting.length && (n === 0 || size + (this.#waiting[n]?.length ?? 0) <= LIMIT)) size += this.#waiting[n++]?.length ?? 0;
    const taken = this.#waiting.splice(0, n);
    const data = new Uint8Array(size);
    let at = 0;
    for (const part of taken) {
      data.set(part, at);
      at += part.length;
    }
    if (size <= LIMIT) return data;
    this.#waiting.unshift(data.subarray(LIMIT)); // one large paste
    return data.subarray(0, LIMIT);
  }
}
