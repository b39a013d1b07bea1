import { describe, expect, it } from 'vitest';
import { age, forwardFlag, forwardWay, hopName, hostColour, isOpenToOthers, known, latency, retry, sameFingerprint, standing, statusWord, wayTo, written } from './format.hosts';
import type { Forward, Host, HostDetail, HostState } from './types';

const at = Date.UTC(2026, 10, 23, 12);
const state = (over: Partial<HostState> = {}): HostState => ({
  destination: { alias: 'web1' }, status: 'connected', since: new Date(at - 190_000).toISOString(), latency_ms: 12.4, attempt: 0, next: '0001-01-01T00:00:00Z', error: '', hint: '', steps: [], way: [],
  key_changed: false, engine: '', connections: 1, sessions: 0, max_sessions: 0, server: '', host_key: '', kex: '', cipher: '', mac: '', ...over,
});
const host = (over: Partial<Host> = {}): Host => ({
  name: 'web1', local: false, environment: '', address: '10.0.0.1', user: '', port: 0, tags: [], origins: [], conflicts: [], destination: { alias: 'web1' }, state: state(), ...over,
});

describe('how a host stands', () => {
  it.each([
    [host(), 'connected 12 ms · 3 m'],
    [host({ state: state({ latency_ms: 0 }) }), 'connected · 3 m'],
    [host({ state: state({ status: 'unknown', since: '0001-01-01T00:00:00Z' }) }), 'not connected'],
    [host({ state: state({ status: 'auth-failed' }) }), 'log-in refused · 3 m'],
    [host({ local: true }), 'this machine'],
  ])('says it in words %#', (given, want) => expect(standing(given, at)).toBe(want));

  it('tells the next try of a lost connection', () => {
    expect(retry(state({ attempt: 3, next: new Date(at + 3200).toISOString() }), at)).toBe('attempt 3, next try in 4 s');
    expect(retry(state({ attempt: 1, next: '0001-01-01T00:00:00Z' }), at)).toBe('attempt 1, trying now');
  });

  it('knows the zero time of Go for what it is', () => {
    expect(known('0001-01-01T00:00:00Z')).toBeNull();
    expect(known('')).toBeNull();
    expect(known('2026-11-23T12:00:00Z')).toBe(at);
  });

  it('keeps ages and latencies short', () => {
    expect([0, 61_000, 7_200_000, 200_000_000].map(age)).toEqual(['0 s', '1 m', '2 h', '2 d']);
    expect([0, 0.4, 12.6].map(latency)).toEqual(['', '< 1 ms', '13 ms']);
  });

  it('has a word for what a newer Go may say', () => expect(statusWord('resting' as never)).toBe('resting'));
});

it('writes an address as it stands in the files, brackets and hostile characters included', () => {
  expect(written(host())).toBe('10.0.0.1');
  expect(written(host({ user: 'deploy', port: 2222 }))).toBe('deploy@10.0.0.1:2222');
  expect(written(host({ address: 'fe80::1', port: 22 }))).toBe('[fe80::1]:22');
  expect(written(host({ address: 'a\u202eb' }))).toBe('a⟨202E⟩b');
});

describe('the way to a host', () => {
  const banner = 'Authorised users only.';
  const points = (...came: ('' | 'through' | 'stopped')[]) => came.map((c, i) => ({ name: ['bastion', 'web1'][i] ?? '', addr: '', came: c, banner: i === 0 ? banner : '' }));
  const nobody = () => undefined;
  const words = (stops: { name: string; word: string }[]) => stops.map((stop) => `${stop.name}: ${stop.word}`);

  it('is connected throughout when the host is', () => {
    const stops = wayTo(host({ state: state({ way: points('through', 'through') }) }), null, nobody);
    expect(words(stops)).toEqual(['bastion: connected', 'web1: connected']);
    expect(stops.map((stop) => stop.banner)).toEqual([banner, '']);
  });

  it('says where an attempt ended, and nothing of what was not tried', () => {
    expect(words(wayTo(host({ state: state({ status: 'unreachable', way: points('stopped', '') }) }), null, nobody))).toEqual(['bastion: unreachable', 'web1: not tried']);
    expect(words(wayTo(host({ state: state({ status: 'auth-failed', way: points('through', 'stopped') }) }), null, nobody))).toEqual(['bastion: let us in', 'web1: log-in refused']);
  });

  it('does not call a hop connected that may have gone with the connection', () => {
    expect(words(wayTo(host({ state: state({ status: 'disconnected', way: points('through', 'through') }) }), null, nobody))).toEqual(['bastion: not known', 'web1: disconnected']);
  });

  it('knows of a hop that is in the list how its own connections stand', () => {
    const bastion = host({ name: 'bastion', state: state({ status: 'disconnected' }) });
    const stops = wayTo(host({ state: state({ way: points('through', 'through') }) }), null, (name) => (name === 'bastion' ? bastion : undefined));
    expect(words(stops)).toEqual(['bastion: disconnected', 'web1: connected']);
    expect(stops.map((stop) => stop.listed)).toEqual([true, false]);
  });

  it('is what ssh was asked for before the first connection, and nothing before that', () => {
    const fresh = host({ state: state({ status: 'unknown', way: [] }) });
    expect(wayTo(fresh, null, nobody)).toEqual([]);
    expect(words(wayTo(fresh, { jumps: ['bastion'] } as HostDetail, nobody))).toEqual(['bastion: not connected', 'web1: not connected']);
  });
});

it('names who asks', () => {
  expect(hopName({ host: 'web1', name: 'bastion', user: '', addr: '', number: 1, of: 2 })).toBe('bastion, 1 of 2 on the way to web1');
  expect(hopName({ host: 'web1', name: 'web1', user: '', addr: '', number: 2, of: 2 })).toBe('web1');
});

it('a host has one colour, and many hosts have all of them', () => {
  expect(hostColour('web1')).toBe(hostColour('web1'));
  expect(new Set(Array.from({ length: 60 }, (_, i) => hostColour(`web${i}`))).size).toBe(8);
});

describe('comparing fingerprints', () => {
  const shown = 'SHA256:uNiVztksCsDhcc0u9e8BrwQrGr6pKoC8TkVWx6nTqhM';
  it.each([
    ['', null],
    [shown, true],
    ['uNiVztksCsDhcc0u9e8BrwQrGr6pKoC8TkVWx6nTqhM=', true],
    [`256 ${shown} root@web1 (ED25519)\n`, true],
    [shown.toLowerCase(), false],
    [shown.slice(0, -1), false],
    ['SHA256:', false],
  ])('%j is %j', (pasted, want) => expect(sameFingerprint(shown, pasted)).toBe(want));
  it('nothing is the same as a missing fingerprint', () => expect(sameFingerprint('', 'SHA256: x')).toBe(false));
});

describe('forwards', () => {
  const forward = (kind: Forward['kind'], listen: string, to = ''): Forward => ({ kind, listen, to });
  it('are written as ssh takes them, and in words', () => {
    expect(forwardFlag(forward('local', '5432', 'localhost:5432'))).toBe('-L 5432:localhost:5432');
    expect(forwardFlag(forward('dynamic', '1080'))).toBe('-D 1080');
    expect(forwardWay(forward('local', '5432', 'localhost:5432'), 'db1')).toBe('5432 here → localhost:5432 from db1');
    expect(forwardWay(forward('remote', '8080', 'localhost:3000'), 'web1')).toBe('8080 on web1 → localhost:3000 from here');
    expect(forwardWay(forward('dynamic', '1080'), 'web1')).toBe('SOCKS on 1080 here → out from web1');
  });
  it.each([
    ['8080', false],
    ['localhost:8080', false],
    ['127.0.0.1:8080', false],
    ['[::1]:8080', false],
    ['/run/x.sock', false],
    ['*:8080', true],
    ['0.0.0.0:8080', true],
    ['[::]:8080', true],
    ['10.0.0.5:8080', true],
  ])('%s is open to others: %s', (listen, want) => expect(isOpenToOthers(forward('local', listen, 'a:1'))).toBe(want));
});
