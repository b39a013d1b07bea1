/* Plays a record with its timing. It holds at most one answer ahead of the screen, whatever the size of the
   record: a seek asks for the last megabyte before the new position and goes on from there. */

import { clamp } from '../scroll';
import { AppError, Stream, type Backend, type Frame } from '../types';
import { rule, type Screen } from './session';
import { noteText } from '../format';

const PAGE = 256 * 1024;
const TAIL = 1 << 20;
export const SPEEDS = [0.5, 1, 2, 4, 8, 16];
export const IDLES = [0.5, 1, 2, 5, Infinity]; // seconds

export interface ReplayScreen extends Screen {
  reset(): void;
}

export interface ReplayOptions {
  job: string;
  started: number; // unix ms
  ended: () => number; // unix ms; moves while the job runs
  live: () => boolean;
  backend: Pick<Backend, 'output'>;
  screen: ReplayScreen;
  onerror?: (error: AppError) => void;
}

export class Replay {
  #o: ReplayOptions;
  #position = $state(0); // ms since the start
  #playing = $state(false);
  #speed = $state(1);
  #idle = $state(2); // longest silence, in seconds
  #seeking = $state(false);
  #queue: Frame[] = [];
  #after = 0;
  #end = false; // the journal had nothing more when asked last
  #loading = false;
  #open = 0; // writes not drawn
  #turn = 0; // a seek makes older answers stale
  #steps: number[] = []; // positions of what was drawn, for stepping back

  constructor(options: ReplayOptions) {
    this.#o = options;
  }

  get position(): number {
    return this.#position;
  }
  get total(): number {
    return Math.max(0, this.#o.ended() - this.#o.started);
  }
  get playing(): boolean {
    return this.#playing;
  }
  get speed(): number {
    return this.#speed;
  }
  get idle(): number {
    return this.#idle;
  }
  get seeking(): boolean {
    return this.#seeking;
  }
  /** Everything was played and nothing more will come. */
  get done(): boolean {
    return this.#end && this.#queue.length === 0 && !this.#o.live();
  }

  play(): void {
    if (this.#position >= this.total && !this.#o.live()) void this.seek(0);
    this.#playing = true;
    void this.#fill();
  }

  pause(): void {
    this.#playing = false;
  }

  toggle(): void {
    if (this.#playing) this.pause();
    else this.play();
  }

  setSpeed(speed: number): void {
    this.#speed = clamp(speed, SPEEDS[0] ?? 1, SPEEDS.at(-1) ?? 1);
  }

  faster(by: 1 | -1): void {
    const at = SPEEDS.findIndex((speed) => speed >= this.#speed);
    this.#speed = SPEEDS[clamp(at + by, 0, SPEEDS.length - 1)] ?? 1;
  }

  setIdle(seconds: number): void {
    this.#idle = seconds;
  }

  /** Lets the given wall time pass. Called by the view for each frame of its animation. */
  tick(elapsed: number): void {
    if (!this.#playing || this.#seeking) return;
    // A flood is drawn as fast as the terminal can; the clock waits for it instead of running away.
    if (this.#open >= 2) return;
    const next = this.#queue[0];
    if (!next && !this.#end) {
      void this.#fill();
      return;
    }
    let target = this.#position + elapsed * this.#speed;
    if (next) {
      const wait = next.at - this.#o.started - this.#position;
      if (wait > this.#idle * 1000) target = Math.max(target, next.at - this.#o.started - this.#idle * 1000);
    } else if (this.#o.live()) {
      target = Math.min(target, this.total); // the live edge; a hint brings the rest
    }
    this.#position = next ? Math.min(target, Math.max(this.total, next.at - this.#o.started)) : Math.min(target, this.total);
    this.#draw();
    if (!next && this.#position >= this.total && !this.#o.live()) this.#playing = false;
  }

  /** Goes to a position and shows what stood there. */
  async seek(position: number): Promise<void> {
    const turn = ++this.#turn;
    this.#seeking = true;
    this.#position = clamp(position, 0, this.total);
    const until = this.#o.started + this.#position;
    let first = true;
    let after = 0;
    try {
      for (;;) {
        const frames = await this.#o.backend.output({ after: [{ job: this.#o.job, seq: after }], tail: TAIL, until });
        if (turn !== this.#turn) return;
        if (first) {
          this.#o.screen.reset();
          this.#queue = [];
          this.#steps = [];
          first = false;
        }
        if (frames.length === 0) break;
        for (const frame of frames) {
          after = Math.max(after, frame.last);
          await this.#write(frame);
          if (turn !== this.#turn) return;
        }
      }
      this.#after = after;
      this.#end = false;
    } catch (thrown) {
      if (turn === this.#turn) this.#fail(thrown);
    } finally {
      if (turn === this.#turn) this.#seeking = false;
    }
    if (turn === this.#turn) await this.#fill();
  }

  /** To the next output, or back to the one before. */
  async step(by: 1 | -1): Promise<void> {
    this.pause();
    if (by < 0) {
      let before = this.#steps.pop();
      while (before !== undefined && before >= this.#position) before = this.#steps.pop();
      await this.seek(before ?? Math.max(0, this.#position - 1000));
      return;
    }
    if (this.#queue.length === 0) await this.#fill();
    const next = this.#queue[0];
    if (!next) return;
    this.#position = Math.max(this.#position, next.at - this.#o.started);
    this.#draw();
  }

  /** The job printed more. */
  hint(): void {
    if (this.#playing && this.#queue.length === 0) {
      this.#end = false;
      void this.#fill();
    }
  }

  close(): void {
    this.#turn++;
    this.#playing = false;
    this.#queue = [];
  }

  #draw(): void {
    while (this.#open < 2) {
      const next = this.#queue[0];
      if (!next || next.at - this.#o.started > this.#position) break;
      this.#queue.shift();
      if (next.stream !== Stream.event) {
        this.#steps.push(next.at - this.#o.started);
        if (this.#steps.length > 10_000) this.#steps.splice(0, 5000);
      }
      void this.#write(next).then(() => {
        if (this.#playing) this.#draw();
      });
    }
    if (this.#queue.length < 8 && !this.#end) void this.#fill();
  }

  #write(frame: Frame): Promise<void> {
    this.#open++;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#open--;
        resolve();
      };
      const note = frame.note;
      if (note?.kind === 'resize' && note.size) this.#o.screen.resize(note.size.cols, note.size.rows);
      if (frame.stream !== Stream.event) this.#o.screen.write(frame.data, done);
      else if (note && note.kind !== 'resize' && note.kind !== 'signal') this.#o.screen.write(rule(noteText(note)), done);
      else this.#o.screen.write('', done);
    });
  }

  async #fill(): Promise<void> {
    if (this.#loading || this.#seeking || this.#queue.length >= 8) return;
    this.#loading = true;
    const turn = this.#turn;
    try {
      const frames = await this.#o.backend.output({ after: [{ job: this.#o.job, seq: this.#after }], max: PAGE });
      if (turn !== this.#turn) return;
      for (const frame of frames) {
        this.#after = Math.max(this.#after, frame.last);
        this.#queue.push(frame);
      }
      this.#end = frames.length === 0;
    } catch (thrown) {
      if (turn === this.#turn) this.#fail(thrown);
    } finally {
      this.#loading = false;
    }
  }

  #fail(thrown: unknown): void {
    this.#playing = false;
    this.#end = true;
    this.#o.onerror?.(AppError.from(thrown));
  }
}
