/* Brings output to every terminal on screen: one loop, one request in flight, one question for each
   terminal that has room. Asking is the flow control: a terminal that still draws two chunks is not asked
   for. Nothing here waits for animation frames, which stop when the window is hidden. */

import { AppError, type Frame, type OutputQuery } from '../types';

const MAX = 1 << 20; // bytes in one answer
const OPEN_TAIL = 1 << 20; // how much of an old job is drawn when its terminal opens
const LIVE_TAIL = 2 << 20; // how far a terminal may fall behind a flood before it skips
const FULL = 64 * 1024; // an answer of this size may have been cut
const ROOM = 2; // chunks that may be on their way into a terminal
const NET = 1000; // ms after which a living job is asked for without a hint
const ECHO = [0, 1, 2, 4, 8, 16]; // ms between looks for the echo of a key

export interface Sink {
  /** Takes a frame; calls done when it is drawn. */
  frame(frame: Frame, done: () => void): void;
  /** Everything recorded so far has been handed over. */
  idle?(): void;
}

export class Tap {
  job: string;
  after: number;
  sink: Sink;
  head = 0; // the highest sequence number that was heard of
  open = 0; // frames handed over and not drawn
  fresh = true; // nothing has come yet, so only the tail is wanted
  dirty = true; // there may be more than was fetched
  live = true;
  echo = 0; // looks for an echo still to come; see ECHO

  constructor(job: string, after: number, sink: Sink) {
    this.job = job;
    this.after = after;
    this.sink = sink;
  }

  get wants(): boolean {
    return this.open < ROOM && (this.dirty || this.head > this.after);
  }
}

export class Pump {
  #output: (query: OutputQuery) => Promise<Frame[]>;
  #onerror: (error: AppError) => void;
  #taps = new Set<Tap>();
  #busy = false;
  #net: ReturnType<typeof setInterval> | undefined;
  #turn = 0;

  constructor(output: (query: OutputQuery) => Promise<Frame[]>, onerror: (error: AppError) => void = () => {}) {
    this.#output = output;
    this.#onerror = onerror;
  }

  add(job: string, after: number, sink: Sink): Tap {
    const tap = new Tap(job, after, sink);
    this.#taps.add(tap);
    this.#net ??= setInterval(() => this.#look(), NET);
    this.kick();
    return tap;
  }

  remove(tap: Tap): void {
    this.#taps.delete(tap);
    if (this.#taps.size === 0) {
      clearInterval(this.#net);
      this.#net = undefined;
    }
  }

  /** A hint: the job has chunks up to seq. */
  bell(job: string, seq: number, live: boolean): void {
    for (const tap of this.#taps) {
      if (tap.job !== job) continue;
      tap.head = Math.max(tap.head, seq);
      // The last hint of a job may come before this terminal has everything: look once more.
      if (tap.live && !live) tap.dirty = true;
      tap.live = live;
    }
    this.kick();
  }

  /** Something was typed: its echo is expected now, before any hint. */
  poke(tap: Tap): void {
    tap.dirty = true;
    tap.echo = ECHO.length - 1;
    this.kick();
  }

  kick(): void {
    if (!this.#busy && [...this.#taps].some((tap) => tap.wants)) void this.#run();
  }

  #look(): void {
    for (const tap of this.#taps) if (tap.live) tap.dirty = true;
    this.kick();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    try {
      for (let taps = this.#next(); taps.length > 0; taps = this.#next()) await this.#pull(taps);
    } catch (thrown) {
      // The net asks again; the record waits.
      for (const tap of this.#taps) {
        tap.dirty = false;
        tap.head = Math.min(tap.head, tap.after);
      }
      this.#onerror(AppError.from(thrown));
    } finally {
      this.#busy = false;
    }
  }

  /** Those to ask for now: all fresh ones or all others, because the tail is said once for a request. */
  #next(): Tap[] {
    const ready = [...this.#taps].filter((tap) => tap.wants);
    const fresh = ready.filter((tap) => tap.fresh);
    const others = ready.filter((tap) => !tap.fresh);
    if (fresh.length > 0 && (others.length === 0 || this.#turn++ % 2 === 0)) return fresh;
    return others;
  }

  async #pull(taps: Tap[]): Promise<void> {
    const tail = taps[0]?.fresh ? OPEN_TAIL : LIVE_TAIL;
    const heads = taps.map((tap) => tap.head);
    for (const tap of taps) tap.dirty = false;
    const frames = await this.#output({ after: taps.map((tap) => ({ job: tap.job, seq: tap.after })), max: MAX, tail });
    const got = new Set<Tap>();
    const more = taps[0]?.fresh || frames.reduce((sum, frame) => sum + frame.data.length, 0) >= FULL;
    for (const frame of frames) {
      const tap = taps[frame.index];
      if (!tap || !this.#taps.has(tap) || frame.last <= tap.after) continue;
      got.add(tap);
      tap.after = frame.last;
      tap.open++;
      tap.sink.frame(frame, () => {
        tap.open--;
        this.kick();
      });
    }
    for (const [i, tap] of taps.entries()) {
      tap.fresh = false;
      if (got.has(tap)) {
        if (more) tap.dirty = true; // else the next hint says when
        tap.echo = 0;
        continue;
      }
      // A hint that the journal does not confirm is no reason to spin; one that came meanwhile is one to ask.
      if (tap.head === heads[i]) tap.head = Math.min(tap.head, tap.after);
      if (tap.echo > 0) this.#listen(tap);
      else tap.sink.idle?.();
    }
  }

  #listen(tap: Tap): void {
    const wait = ECHO[ECHO.length - tap.echo--] ?? 0;
    setTimeout(() => {
      if (tap.echo < 0 || !this.#taps.has(tap)) return;
      tap.dirty = true;
      this.kick();
    }, wait);
  }
}
