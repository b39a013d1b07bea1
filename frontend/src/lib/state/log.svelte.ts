/* A window onto the lines of a job. It never holds the log: only the lines in view, some around them, and
   those that are selected. One request is in flight at most; while following, a hint asks for the tail
   once more, so a job that prints 50 000 lines a second costs one short page for each hint. */

import { carry, lineText } from '../ansi';
import { clamp } from '../scroll';
import { AppError, type Line, type LinePage } from '../types';

/** Colours may outlive their line. To draw a line the same way wherever the window stands, colours are
    carried from the last multiple of BLOCK before it, and no further. */
const BLOCK = 128;
const AHEAD = 64; // lines beyond the view
/** While following, the tail is asked for at most this often, in ms: nobody reads faster, and what a flood leaves
    of the page belongs to the terminal beside it. The first hint after a pause is answered at once. */
const PACE = 40;
const PINNED = 2000; // selected lines kept although they are out of view
const COPY_PAGE = 2000;
export const COPY_LIMIT = 100_000;

/** A line to draw, with the colours that it inherits. */
export interface Row {
  line: Line;
  carried: string;
}

export interface Spot {
  line: number;
  col: number;
}

export class Log {
  #fetch: (from: number, count: number) => Promise<LinePage>;
  #onerror: (error: AppError) => void;
  #known = new Map<number, Row>(); // what was fetched last, and the pinned lines
  #window = $state.raw<{ from: number; rows: Row[] }>({ from: 0, rows: [] });
  #total = $state(0);
  #complete = $state(false);
  #top = $state(0);
  #rows = $state(0);
  #following = $state(true);
  #mark = $state<number | null>(null);
  #found = $state<number | null>(null); // the line that the operator came for
  #aim: number | null = null; // it, until it stands in the middle of the view
  #loaded = $state(false);
  #failed = $state.raw<AppError | null>(null);
  #pinned = $state.raw<Row[]>([]);
  #lastAt = $state(0);
  #dirty = true;
  #busy = false;
  #shown = false;
  #hinted = 0;
  #next = 0; // not before then
  #later = false; // a timer will ask

  constructor(fetch: (from: number, count: number) => Promise<LinePage>, onerror: (error: AppError) => void = () => {}) {
    this.#fetch = fetch;
    this.#onerror = onerror;
  }

  get total(): number {
    return this.#total;
  }
  /** The job has ended and everything is in total. */
  get complete(): boolean {
    return this.#complete;
  }
  /** First line in view; a fraction while scrolling smoothly. */
  get top(): number {
    return this.#top;
  }
  get rows(): number {
    return this.#rows;
  }
  get following(): boolean {
    return this.#following;
  }
  /** Where the operator stopped following: a thin line is drawn there. */
  get mark(): number | null {
    return this.#mark;
  }
  /** The line that the operator was led to. */
  get found(): number | null {
    return this.#found;
  }
  /** Lines that came while following was paused. */
  get unseen(): number {
    return this.#following || this.#mark === null ? 0 : Math.max(0, this.#total - this.#mark);
  }
  get loaded(): boolean {
    return this.#loaded;
  }
  get failed(): AppError | null {
    return this.#failed;
  }
  get lastAt(): number {
    return this.#lastAt;
  }

  /** The lines to draw. */
  get visible(): Row[] {
    const { from, rows } = this.#window;
    const first = clamp(Math.floor(this.#top) - 4 - from, 0, rows.length);
    const last = clamp(Math.ceil(this.#top + this.#rows) + 4 - from, first, rows.length);
    const seen = rows.slice(first, last);
    if (this.#pinned.length === 0) return seen;
    const inView = new Set(seen.map((row) => row.line.n));
    return [...this.#pinned.filter((row) => !inView.has(row.line.n)), ...seen].sort((a, b) => a.line.n - b.line.n);
  }

  get #lastTop(): number {
    return Math.max(0, this.#total - this.#rows);
  }

  /** A hidden view asks for nothing; shown again it catches up with one request. */
  show(shown: boolean): void {
    this.#shown = shown;
    this.#next = 0;
    if (shown) this.#need(true);
  }

  resize(rows: number): void {
    if (rows === this.#rows) return;
    this.#rows = rows;
    this.#top = this.#following ? this.#lastTop : clamp(this.#top, 0, this.#lastTop);
    this.#centre();
    this.#need(false);
  }

  /** There may be more output than was fetched. lines counts newlines, so a bar that redraws its line moves
      only seq. */
  hint(seq: number, lines: number, again = false): void {
    if (seq <= this.#hinted && !again) return;
    this.#hinted = Math.max(this.#hinted, seq);
    if (this.#following || !this.#loaded) {
      this.#need(true);
      return;
    }
    this.#total = Math.max(this.#total, lines);
    // Paused: fetch again only if what is in view may have changed, which is the unfinished last line.
    const end = this.#window.from + this.#window.rows.length;
    if (again || this.#top + this.#rows >= end - 1) this.#need(true);
  }

  /** The operator scrolled. Up pauses; down to the very end follows again. */
  scrollTo(top: number): void {
    const up = top < this.#top - 0.01;
    this.#aim = null;
    this.#top = clamp(top, 0, this.#lastTop);
    if (up && this.#top < this.#lastTop - 0.5) this.pause();
    else if (!up && !this.#following && this.#pinned.length === 0 && this.#top >= this.#lastTop - 0.5) this.follow();
    this.#need(false);
  }

  pause(): void {
    if (!this.#following) return;
    this.#following = false;
    this.#mark = this.#total;
  }

  /** Shows a line in the middle, and where it stands. */
  reveal(line: number): void {
    this.#following = false;
    this.#pinned = [];
    this.#found = line;
    this.#aim = line;
    this.#total = Math.max(this.#total, line + 1); // the record has it; how much more there is comes with the lines
    this.#centre();
    this.#need(true);
  }

  #centre(): void {
    if (this.#aim !== null && this.#rows > 0) this.#top = clamp(Math.floor(this.#aim - this.#rows / 2), 0, this.#lastTop);
  }

  follow(): void {
    this.#following = true;
    this.#aim = null;
    this.#pinned = [];
    this.#top = this.#lastTop;
    this.#next = 0;
    this.#need(true);
  }

  toggle(): void {
    if (this.#following) this.pause();
    else this.follow();
  }

  /** Keeps the selected lines although they may scroll out of view; null lets them go. */
  pin(range: { from: number; to: number } | null): void {
    if (range === null) {
      if (this.#pinned.length > 0) this.#pinned = [];
      return;
    }
    this.pause();
    const rows: Row[] = [];
    for (let n = range.from; n <= range.to && rows.length < PINNED; n++) {
      const row = this.#known.get(n);
      if (row) rows.push(row);
    }
    this.#pinned = rows;
  }

  /** The text between two spots if all of it is in memory. */
  textNow(a: Spot, b: Spot): string | null {
    const texts: string[] = [];
    for (let n = a.line; n <= b.line; n++) {
      const line = this.#known.get(n)?.line;
      if (!line) return null;
      if (!isNote(line)) texts.push(cutText(line, a, b));
    }
    return texts.join('\n');
  }

  /** The text between two spots, fetched as needed: exactly the output, no numbers, times or marks. */
  async text(a: Spot = { line: 0, col: 0 }, b: Spot = { line: Number.MAX_SAFE_INTEGER, col: Infinity }): Promise<string> {
    const end = Math.min(b.line, Math.max(this.#total, 1) - 1);
    if (end - a.line >= COPY_LIMIT) {
      throw new AppError('invalid', `the selection has ${end - a.line + 1} lines; at most ${COPY_LIMIT} fit the clipboard`, 'Select less, or write the whole output to a file with: vmo show JOB > FILE');
    }
    const texts: string[] = [];
    for (let from = a.line; from <= end; ) {
      const page = await this.#fetch(from, Math.min(COPY_PAGE, end - from + 1));
      if (page.lines.length === 0) break;
      for (const line of page.lines) if (!isNote(line)) texts.push(cutText(line, a, b));
      from = (page.lines.at(-1)?.n ?? from) + 1;
    }
    return texts.join('\n');
  }

  #need(again: boolean): void {
    if (again) this.#dirty = true;
    if (!this.#shown || this.#rows === 0 || this.#busy) return;
    const ask = this.#wanted();
    if (!ask) return;
    const wait = this.#following && this.#loaded ? this.#next - performance.now() : 0;
    if (wait > 0) {
      if (!this.#later) setTimeout(() => {
        this.#later = false;
        this.#need(false);
      }, wait);
      this.#later = true;
      return;
    }
    void this.#load(ask);
  }

  #wanted(): { from: number; count: number } | null {
    const rows = Math.ceil(this.#rows);
    if (this.#following) return this.#dirty ? { from: -(rows + BLOCK + 1), count: rows + BLOCK + 1 } : null;
    const first = blockOf(Math.max(0, Math.floor(this.#top) - AHEAD));
    const last = Math.min(this.#total, Math.ceil(this.#top + rows) + AHEAD);
    const { from, rows: lines } = this.#window;
    const seen = { first: Math.max(0, Math.floor(this.#top)), last: Math.min(this.#total, Math.ceil(this.#top + rows)) };
    const covered = from <= seen.first && seen.last <= from + lines.length && from === blockOf(from);
    return covered && !this.#dirty ? null : { from: first, count: last - first + 1 };
  }

  async #load(ask: { from: number; count: number }): Promise<void> {
    this.#busy = true;
    this.#dirty = false;
    this.#next = performance.now() + PACE;
    try {
      this.#take(await this.#fetch(ask.from, ask.count));
      this.#failed = null;
    } catch (thrown) {
      this.#failed = AppError.from(thrown);
      this.#onerror(this.#failed);
      return;
    } finally {
      this.#busy = false;
    }
    this.#need(false);
  }

  #take(page: LinePage): void {
    this.#total = page.total;
    this.#complete = page.complete;
    this.#loaded = true;
    if (this.#following) this.#top = this.#lastTop;
    else this.#top = clamp(this.#top, 0, this.#lastTop);
    this.#centre();
    if (!this.#following && this.#rows > 0) this.#aim = null;
    // A page that was counted from the end begins anywhere; its first whole block is where colours begin.
    const skip = page.from === blockOf(page.from) ? 0 : Math.min(page.lines.length, blockOf(page.from) + BLOCK - page.from);
    const useful = page.from + skip <= this.#top ? skip : 0;
    const rows: Row[] = [];
    let state = '';
    for (const line of page.lines.slice(useful)) {
      if (line.n % BLOCK === 0) state = '';
      rows.push({ line, carried: state });
      for (const part of line.parts) state = carry(part.t, state);
    }
    this.#window = { from: page.from + useful, rows };
    this.#known = new Map([...this.#pinned, ...rows].map((row) => [row.line.n, row]));
    this.#lastAt = Math.max(this.#lastAt, rows.at(-1)?.line.at ?? 0);
  }
}

const blockOf = (n: number): number => Math.floor(n / BLOCK) * BLOCK;

/** A line that is only an event is drawn, never copied. */
export const isNote = (line: Line): boolean => line.event !== undefined && line.parts.length === 0;

function cutText(line: Line, a: Spot, b: Spot): string {
  const text = lineText(line);
  return text.slice(line.n === a.line ? a.col : 0, line.n === b.line ? b.col : undefined);
}
