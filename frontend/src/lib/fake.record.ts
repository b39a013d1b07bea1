/* Records for the fake backend: what the journal would hold. One kind stores chunks as they come; the other
   computes them, so that a job of a million lines costs nothing. */

import { Stream, type Frame, type Line, type Note, type OutputQuery } from './types';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export interface Chunk {
  seq: number;
  stream: number;
  at: number;
  data: Uint8Array;
  note: Note | null;
}

export interface Record {
  readonly chunks: number;
  readonly bytes: number;
  readonly lines: number; // newlines
  readonly total: number; // lines, counting an unfinished last one
  chunk(seq: number): Chunk;
  line(n: number): Line;
}

/** Keeps what is appended, and the lines of it. */
export class StoredRecord implements Record {
  #chunks: Chunk[] = [];
  #lines: Line[] = [];
  #open = false; // the last line has no newline yet
  bytes = 0;
  lines = 0;

  get chunks(): number {
    return this.#chunks.length;
  }
  get total(): number {
    return this.#lines.length;
  }

  append(stream: number, text: string, at: number): void {
    const data = encoder.encode(text);
    this.#chunks.push({ seq: this.#chunks.length + 1, stream, at, data, note: null });
    this.bytes += data.length;
    text.split('\n').forEach((piece, i, all) => {
      const ends = i < all.length - 1;
      if (!this.#open && piece === '' && !ends) return;
      if (!this.#open) this.#lines.push({ n: this.#lines.length, at, parts: [] });
      const line = this.#lines.at(-1);
      if (line && piece !== '') {
        const last = line.parts.at(-1);
        if (last?.s === stream) last.t += piece;
        else line.parts.push({ s: stream, t: piece });
      }
      this.#open = !ends;
      if (ends) this.lines++;
    });
  }

  note(note: Note, at: number): void {
    this.#chunks.push({ seq: this.#chunks.length + 1, stream: Stream.event, at, data: new Uint8Array(), note });
    if (note.kind === 'gap' || note.kind === 'damage') {
      this.#lines.push({ n: this.#lines.length, at, parts: [], event: note });
      this.#open = false;
    }
  }

  chunk(seq: number): Chunk {
    const chunk = this.#chunks[seq - 1];
    if (!chunk) throw new Error(`no chunk ${seq}`);
    return chunk;
  }

  line(n: number): Line {
    const line = this.#lines[n];
    if (!line) throw new Error(`no line ${n}`);
    return structuredClone(line);
  }
}

/** Computes its lines. Its count may grow with time, as a flood's does. */
export class PatternRecord implements Record {
  #text: (n: number) => string;
  #count: () => number;
  #at: (n: number) => number;

  constructor(text: (n: number) => string, count: () => number, at: (n: number) => number) {
    this.#text = text;
    this.#count = count;
    this.#at = at;
  }

  static readonly perChunk = 200;

  get chunks(): number {
    return Math.ceil(this.#count() / PatternRecord.perChunk);
  }
  get bytes(): number {
    return this.#count() * 96;
  }
  get lines(): number {
    return this.#count();
  }
  get total(): number {
    return this.#count();
  }

  chunk(seq: number): Chunk {
    const first = (seq - 1) * PatternRecord.perChunk;
    const last = Math.min(this.#count(), first + PatternRecord.perChunk);
    let text = '';
    for (let n = first; n < last; n++) text += `${this.#text(n)}\n`;
    return { seq, stream: Stream.stdout, at: this.#at(first), data: encoder.encode(text), note: null };
  }

  line(n: number): Line {
    return { n, at: this.#at(n), parts: [{ s: Stream.stdout, t: this.#text(n) }] };
  }
}

/** What /journal/output would answer, merging included. */
export function outputOf(records: (Record | undefined)[], query: OutputQuery): Frame[] {
  const frames: Frame[] = [];
  let room = query.max ?? 1 << 20;
  query.after.forEach(({ seq }, index) => {
    const record = records[index];
    if (!record) return;
    let end = record.chunks;
    while (query.until !== undefined && end > seq && record.chunk(end).at > query.until) end--;
    let first = seq + 1;
    if (query.tail !== undefined) {
      let size = 0;
      let from = end + 1;
      while (from > first && size + record.chunk(from - 1).data.length <= query.tail) size += record.chunk(--from).data.length;
      if (from > first && from <= end) {
        const bytes = record instanceof PatternRecord ? (from - first) * PatternRecord.perChunk * 96 : (from - first) * 100;
        frames.push({ index, stream: Stream.event, first, last: from - 1, at: record.chunk(from - 1).at, data: new Uint8Array(), note: { kind: 'skipped', bytes } });
        first = from;
      }
    }
    for (let n = first; n <= end && room > 0; n++) {
      const chunk = record.chunk(n);
      room -= chunk.data.length;
      const last = frames.at(-1);
      if (last && last.index === index && last.stream === chunk.stream && chunk.stream !== Stream.event && chunk.at - last.at <= 8) {
        const data = new Uint8Array(last.data.length + chunk.data.length);
        data.set(last.data);
        data.set(chunk.data, last.data.length);
        frames[frames.length - 1] = { ...last, last: n, data };
      } else {
        frames.push({ index, stream: chunk.stream, first: n, last: n, at: chunk.at, data: chunk.data, note: chunk.note });
      }
    }
  });
  return frames;
}

export const textOf = (data: Uint8Array): string => decoder.decode(data);
