/* The binary body of /journal/output: 32 bytes of header, little endian, then the data. */

import { AppError, Stream, type Frame, type Note } from './types';

const HEADER = 32;

export function decodeFrames(body: ArrayBuffer): Frame[] {
  const view = new DataView(body);
  const frames: Frame[] = [];
  for (let at = 0; at < body.byteLength; ) {
    if (at + HEADER > body.byteLength) throw torn();
    const length = view.getUint32(at + 4, true);
    if (at + HEADER + length > body.byteLength) throw torn();
    const stream = view.getUint8(at + 2);
    const data = new Uint8Array(body, at + HEADER, length);
    frames.push({
      index: view.getUint16(at, true),
      stream,
      first: Number(view.getBigUint64(at + 8, true)),
      last: Number(view.getBigUint64(at + 16, true)),
      at: view.getFloat64(at + 24, true),
      data,
      note: stream === Stream.event ? (JSON.parse(new TextDecoder().decode(data)) as Note) : null,
    });
    at += HEADER + length;
  }
  return frames;
}

const torn = (): AppError =>
  new AppError('internal', 'the journal’s answer ends in the middle of a frame', 'Open the job again; its record is not affected.');

/** For the fake backend and tests. */
export function encodeFrames(frames: Frame[]): ArrayBuffer {
  const payload = (f: Frame): Uint8Array => (f.note ? new TextEncoder().encode(JSON.stringify(f.note)) : f.data);
  const parts = frames.map((frame) => ({ frame, data: payload(frame) }));
  const body = new ArrayBuffer(parts.reduce((sum, part) => sum + HEADER + part.data.length, 0));
  const view = new DataView(body);
  let at = 0;
  for (const { frame, data } of parts) {
    view.setUint16(at, frame.index, true);
    view.setUint8(at + 2, frame.stream);
    view.setUint32(at + 4, data.length, true);
    view.setBigUint64(at + 8, BigInt(frame.first), true);
    view.setBigUint64(at + 16, BigInt(frame.last), true);
    view.setFloat64(at + 24, frame.at, true);
    new Uint8Array(body, at + HEADER, data.length).set(data);
    at += HEADER + data.length;
  }
  return body;
}
