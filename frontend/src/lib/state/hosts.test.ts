import { describe, expect, it, vi } from 'vitest';
import { FakeBackend } from '../backend.fake';
import type { Prompt } from '../types';
import { Hosts } from './hosts.svelte';
import { Problems } from './problems.svelte';
import { Prompts } from './prompts.svelte';

function setup() {
  const backend = new FakeBackend({ history: false });
  const problems = new Problems();
  return { backend, problems, hosts: new Hosts(backend, problems), prompts: new Prompts(backend, problems) };
}

const hop = { host: 'web1', name: 'web1', user: 'ada', addr: 'web1:22', number: 1, of: 1 };
const key = (id: string): Prompt => ({ id, kind: 'host-key', hop, host_key: { hop, type: 'ssh-ed25519', fingerprint: 'SHA256:x', file: '', others: [] }, secret: null, challenge: null });
const secret = (id: string): Prompt => ({ id, kind: 'secret', hop, host_key: null, secret: { hop, kind: 'password', of: 'ada@web1', try: 1 }, challenge: null });

describe('hosts', () => {
  it('are asked for once at a time, and once more if something changed meanwhile', async () => {
    const { hosts, backend } = setup();
    const list = vi.spyOn(backend.there, 'list');
    vi.spyOn(backend, 'hosts', 'get').mockReturnValue({ ...backend.hosts, list });
    await Promise.all(Array.from({ length: 20 }, () => hosts.refresh()));
    expect(list).toHaveBeenCalledTimes(2);
    expect(hosts.get('web1')?.state.status).toBe('connected');
  });

  it('looking at them connects to none', async () => {
    const { hosts, backend } = setup();
    const connect = vi.spyOn(backend.there, 'connect');
    await hosts.refresh();
    for (const host of hosts.list.hosts) hosts.select(host.name);
    await hosts.loadDetail('web2');
    expect(connect).not.toHaveBeenCalled();
    expect(hosts.detail('web2')?.value?.resolved).toBe('deploy@10.20.0.12:22');
  });

  it('a failed connection is told by the host and is no problem of the window', async () => {
    const { hosts, problems } = setup();
    await hosts.refresh();
    await hosts.connect('stage1');
    expect(hosts.get('stage1')?.state).toMatchObject({ status: 'unreachable', steps: [{ ok: true }, { ok: false }] });
    expect(problems.entries).toEqual([]);
    expect(hosts.busy('stage1')).toBe(false);
  });

  it('keep the selection by name when the list is replaced', async () => {
    const { hosts, backend } = setup();
    await hosts.refresh();
    hosts.select('web2');
    backend.there.set('web2', { status: 'connected' });
    await hosts.refresh();
    expect(hosts.current?.state.status).toBe('connected');
  });

  it('a folder that is not there is said where it was asked for', async () => {
    const { hosts, problems } = setup();
    await hosts.refresh();
    await hosts.loadTargets('web1', '/nowhere');
    expect(hosts.targets('web1')?.error?.hint).toContain('folder');
    expect(hosts.dir('web1')).toBe('/nowhere');
    expect(problems.entries).toEqual([]);
  });
});

describe('questions', () => {
  it('come one after another, but unknown host keys together', async () => {
    const { prompts, backend } = setup();
    const pending = vi.fn(async () => [key('a'), secret('b'), key('c')]);
    vi.spyOn(backend, 'prompts', 'get').mockReturnValue({ pending, answer: async () => {} });
    await prompts.refresh();
    expect(prompts.shown.map((p) => p.id)).toEqual(['a', 'c']);
    await prompts.answer('a', { accept: true, values: [] });
    await prompts.answer('c', { accept: true, values: [] });
    expect(prompts.shown.map((p) => p.id)).toEqual(['b']); // what Go still lists is not asked twice
    pending.mockResolvedValue([]);
    await prompts.refresh();
    expect(prompts.shown).toEqual([]);
  });

  it('stay the same while the list is read again, so that nothing typed is lost', async () => {
    const { prompts, backend } = setup();
    vi.spyOn(backend, 'prompts', 'get').mockReturnValue({ pending: async () => [secret('b')], answer: async () => {} });
    await prompts.refresh();
    const before = prompts.shown[0];
    await prompts.refresh();
    expect(prompts.shown[0]).toBe(before);
  });

  it('an answer that nobody waits for any more is reported without its text', async () => {
    const { prompts, backend, problems } = setup();
    vi.spyOn(backend, 'prompts', 'get').mockReturnValue({ pending: async () => [], answer: () => Promise.reject(new Error('nobody waits for it')) });
    await prompts.answer('gone', { accept: true, values: ['hunter2'] });
    expect(JSON.stringify(problems.entries)).not.toContain('hunter2');
    expect(problems.entries).toHaveLength(1);
  });
});
