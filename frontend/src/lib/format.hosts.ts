/* Pure functions from hosts and their questions to words. */

import { visible } from './format';
import type { Host, HostState, HostStatus, Hop } from './types';

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
