import { expect, it } from 'vitest';
import { decodeFrames, encodeFrames } from './frames';
import { AppError, type Frame } from './types';

const frames: Frame[] = [
  { index: 0, stream: 1, first: 1, last: 3, at: 1_700_000_000_123.5, data: new Uint8Array([0, 255, 27]), note: null },
  { index: 2, stream: 4, first: 4, last: 4, at: 1, data: new Uint8Array(), note: { kind: 'gap', bytes: 7 } },
  { index: 0, stream: 3, first: 2 ** 40, last: 2 ** 40 + 1, at: 2, data: new Uint8Array(), note: null },
];

it('frames survive the wire', () => {
  const got = decodeFrames(encodeFrames(frames));
  expect(got.map(({ data: _data, ...rest }) => rest)).toEqual(frames.map(({ data: _data, ...rest }) => rest));
  expect([...(got[0]?.data ?? [])]).toEqual([0, 255, 27]);
  expect(decodeFrames(new ArrayBuffer(0))).toEqual([]);
});

it('a header is read as Go writes it', () => {
  const bytes = [1, 0, 2, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 104, 105];
  expect(decodeFrames(new Uint8Array(bytes).buffer)[0]).toMatchObject({ index: 1, stream: 2, first: 5, last: 6, at: 1, note: null });
});

it('a torn answer is an error and never half a frame', () => {
  const whole = encodeFrames(frames);
  for (const size of [1, 31, 33, whole.byteLength - 1]) expect(() => decodeFrames(whole.slice(0, size))).toThrow(AppError);
});

it('errors of every shape become one', () => {
  expect(AppError.from({ code: 'read-only', message: 'm', hint: 'h' })).toMatchObject({ code: 'read-only', message: 'm', hint: 'h' });
  expect(AppError.from('{"code":"c","message":"m","hint":""}')).toMatchObject({ code: 'c', message: 'm' });
  expect(AppError.from('json: cannot unmarshal')).toMatchObject({ code: 'internal', message: 'json: cannot unmarshal' });
  expect(AppError.from(new TypeError('x'))).toMatchObject({ code: 'internal', message: 'x' });
  expect(AppError.from(undefined).message).toBe('undefined');
});
