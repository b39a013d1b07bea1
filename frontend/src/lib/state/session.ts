/* A terminal on a job: output in, keys out. What was recorded before the terminal opened is only shown:
   a terminal answers the questions in it (what are you, where is the cursor), and an answer to a question
   of yesterday must never reach the program of today. */

import { noteText } from '../format';
import { Stream, type Frame } from '../types';
import type { InputQueue } from './input';
import type { Pump, Tap } from './pump';

/** What the session needs of a terminal; xterm.js in the window, a stub in tests. */
export interface Screen {
  write(data: Uint8Array | string, done: () => void): void;
  resize(cols: number, rows: number): void;
}

export interface SessionOptions {
  job: string;
  pump: Pump;
  screen: Screen;
  /** The last sequence number whose questions are not ours to answer; 0 if all of them are. */
  old: number;
  /** Missing when nothing may be typed: the job has ended or belongs to another process. */
  input?: InputQueue;
  /** The recorded size counts, as when somebody else's terminal is shown. */
  follow?: boolean;
  onoutput?: (at: number) => void;
  oncaughtup?: () => void;
}

const encoder = new TextEncoder();

export class Session {
  #options: SessionOptions;
  #tap: Tap;
  #drawn = 0;
  #key: string | null = null;
  #pasting = false;
  #caughtUp: boolean;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#caughtUp = options.old === 0;
    this.#tap = options.pump.add(options.job, 0, {
      frame: (frame, done) => this.#frame(frame, done),
      idle: () => this.#advance(options.old),
    });
  }

  get caughtUp(): boolean {
    return this.#caughtUp;
  }
  get drawn(): number {
    return this.#drawn;
  }

  /** The operator pressed a key; the data that follows at once is his and not the terminal's answer. */
  key(data: string): void {
    this.#key = data;
  }

  /** The operator pastes: all that the terminal says during act is his. */
  paste(act: () => void): void {
    this.#pasting = true;
    act();
    this.#pasting = false;
  }

  /** Data from the terminal: keys, pastes, and answers to what the program asked. */
  data(data: string): void {
    const typed = this.#pasting || this.#key === data;
    this.#key = null;
    if (!this.#caughtUp && !typed) return;
    this.#options.input?.push(encoder.encode(data));
  }

  /** Bytes that are not text: mouse reports of old programs. */
  binary(data: string): void {
    if (this.#caughtUp) this.#options.input?.push(Uint8Array.from(data, (c) => c.charCodeAt(0) & 0xff));
  }

  /** What was typed has arrived: look for its echo. */
  sent(): void {
    this.#options.pump.poke(this.#tap);
  }

  close(): void {
    this.#options.pump.remove(this.#tap);
    this.#options.input?.close();
  }

  #frame(frame: Frame, done: () => void): void {
    const finished = (): void => {
      this.#drawn = Math.max(this.#drawn, frame.last);
      this.#advance(this.#drawn);
      done();
    };
    if (frame.stream !== Stream.event) {
      this.#options.onoutput?.(frame.at);
      this.#options.screen.write(frame.data, finished);
      return;
    }
    const note = frame.note;
    if (note?.kind === 'resize') {
      if (this.#options.follow && note.size) this.#options.screen.resize(note.size.cols, note.size.rows);
      this.#options.screen.write('', finished); // in its turn
    } else if (note && note.kind !== 'signal') {
      this.#options.screen.write(rule(noteText(note)), finished);
    } else {
      this.#options.screen.write('', finished);
    }
  }

  #advance(seq: number): void {
    if (this.#caughtUp || seq < this.#options.old) return;
    this.#caughtUp = true;
    this.#options.oncaughtup?.();
  }
}

/** A line across the terminal. CAN ends a sequence that the gap may have cut in two. */
export const rule = (text: string): string => `\x18\x1b[0m\r\n\x1b[7m ${text} \x1b[0m\r\n`;
