/* Pure functions from hosts and their questions to words. */

import { visible } from './format';
import type { Forward, ForwardKind, Host, HostDetail, HostState, HostStatus, Hop } from './types';

const WORDS: Record<HostStatus, string> = {
  unknown: 'not connected',
  connecting: 'connecting',
  connected: 'connected',
  disconnected: 'disconnected',
  unreachable: 'unreachable',
  'auth-failed': 'log-in refused',
  'host-key': 'host key refused',
};

export const statusWord = (status: HostStatus): string => WORDS[status] ?? status;

/** A time of the wire in ms; null for Go's zero time, which means that it is not known. */
export function known(time: string): number | null {
  const at = Date.parse(time);
  return Number.isNaN(at) || at <= 0 ? null : at;
}

/** 40 s, 3 m, 5 h, 2 d: how old something is, for a narrow list. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m`;
  return s < 86_400 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86_400)} d`;
}

export const latency = (ms: number): string => (ms <= 0 ? '' : ms < 1 ? '< 1 ms' : `${Math.round(ms)} ms`);

/** "connected 12 ms · 3 m": how a host stands, as its own connections have shown it. */
export function standing(host: Host, now: number): string {
  if (host.local) return 'this machine';
  const { status, latency_ms, since } = host.state;
  const at = known(since);
  const words = [statusWord(status), status === 'connected' ? latency(latency_ms) : ''].filter(Boolean).join(' ');
  return at === null || status === 'unknown' ? words : `${words} · ${age(now - at)}`;
}

/** Whether the operator has something to do about the connection. */
export const failed = (status: HostStatus): boolean => status === 'unreachable' || status === 'auth-failed' || status === 'host-key';

/** user@address:port, with what is written down. */
export function written(host: Host): string {
  const address = host.address || host.destination.alias;
  const user = host.user || host.destination.user || '';
  const port = host.port || host.destination.port || 0;
  const at = port && address.includes(':') ? `[${address}]` : address;
  return visible(`${user ? `${user}@` : ''}${at}${port ? `:${port}` : ''}`);
}

/** "attempt 3, next try in 4 s": while a lost connection is made again. */
export function retry(state: HostState, now: number): string {
  const next = known(state.next);
  const left = next === null ? 0 : Math.ceil((next - now) / 1000);
  const when = left > 0 ? `next try in ${left} s` : 'trying now';
  return state.attempt > 0 ? `attempt ${state.attempt}, ${when}` : when;
}

/** "bastion, 1 of 2 on the way to web1": who asks. */
export function hopName(hop: Hop): string {
  const name = visible(hop.name);
  return hop.of > 1 && hop.name !== hop.host ? `${name}, ${hop.number} of ${hop.of} on the way to ${visible(hop.host)}` : name;
}

/** A machine on the way to a host, and how it stands as far as anybody knows. */
export interface Stop {
  name: string;
  addr: string;
  status: HostStatus;
  word: string;
  banner: string;
  listed: boolean; // it has a page of its own
}

/** The way to a host. How its connections stand is known best; else what the last attempt has shown; before the
    first one the names that ssh's configuration gives, when it was asked. */
export function wayTo(host: Host, detail: HostDetail | null, listed: (name: string) => Host | undefined): Stop[] {
  const { status, way } = host.state;
  const points = way.length > 0 ? way : [...(detail?.jumps ?? []), ...(detail ? [host.name] : [])].map((name) => ({ name, addr: '', came: '' as const, banner: '' }));
  const end = points.findIndex((point) => point.came === 'stopped');
  return points.map(({ name, addr, came, banner }, i) => {
    const last = i === points.length - 1;
    const own = last ? host : listed(name);
    const base = { name: last ? host.name : name, addr, banner, listed: own !== undefined && !last };
    if (end >= 0 && i > end) return { ...base, status: 'unknown', word: 'not tried' };
    if (own && (last || own.state.status !== 'unknown')) return { ...base, status: own.state.status, word: statusWord(own.state.status) };
    if (came === 'through' && status === 'connected') return { ...base, status: 'connected', word: statusWord('connected') };
    if (came === 'through' && status !== 'disconnected') return { ...base, status: 'connected', word: 'let us in' };
    if (came === 'stopped') return { ...base, status, word: statusWord(status) };
    return { ...base, status: 'unknown', word: status === 'unknown' ? statusWord('unknown') : 'not known' };
  });
}

const FLAGS: Record<ForwardKind, string> = { local: '-L', remote: '-R', dynamic: '-D' };

/** A forward as it stands behind ssh's option for it. */
export const forwardSpec = ({ listen, to }: Pick<Forward, 'listen' | 'to'>): string => (to === '' ? listen : `${listen}:${to}`);

export const forwardFlag = (forward: Forward): string => `${FLAGS[forward.kind] ?? '?'} ${forwardSpec(forward)}`;

/** Where a forward leads, in words. */
export function forwardWay({ kind, listen, to }: Forward, host: string): string {
  if (to === '') return kind === 'remote' ? `SOCKS on ${listen} of ${host} → out from here` : `SOCKS on ${listen} here → out from ${host}`;
  return kind === 'remote' ? `${listen} on ${host} → ${to} from here` : `${listen} here → ${to} from ${host}`;
}

/** Whether others than this machine can reach what listens here. */
export const isOpenToOthers = ({ kind, listen }: Forward): boolean => kind !== 'remote' && !listen.includes('/') && /^(.+):\d*$/.test(listen) && !/^(localhost|127\.[\d.]+|\[::1\]):/.test(listen);

/** The colour of a host: always the same for one name, wherever it stands. */
export function hostColour(name: string): string {
  let hash = 2_166_136_261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16_777_619) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b) >>> 0; // names that differ in one digit differ in colour
  return `var(--host-${(hash ^ (hash >>> 13)) >>> 29})`;
}

const bare = (fingerprint: string): string => fingerprint.trim().replace(/^SHA256:/i, '').replace(/=+$/, '');

/** Whether a pasted fingerprint is the one that the server showed; null while nothing was pasted. A whole line of
    `ssh-keygen -l` is welcome. */
export function sameFingerprint(shown: string, pasted: string): boolean | null {
  if (pasted.trim() === '') return null;
  const wanted = bare(shown);
  return wanted !== '' && pasted.trim().split(/\s+/).some((word) => bare(word) === wanted);
}
