/* Newer releases on the backend in memory. */

import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import Window from '../../App.svelte';
import { FakeBackend } from '../backend.fake';
import { AppError } from '../types';

async function open(prepare: (backend: FakeBackend) => void = () => {}) {
  const backend = new FakeBackend();
  prepare(backend);
  render(Window, { backend });
  await fireEvent.click(await screen.findByTestId('diagnostics-button'));
  await fireEvent.click(await screen.findByTestId('diagnostics-updates'));
  await screen.findByTestId('updates-dialog');
  return backend;
}

const words = () => screen.getByTestId('updates-words').textContent;

it('asks nobody until it is turned on, and then at once', async () => {
  const backend = await open();
  expect(words()).toBe('Off: nothing is asked.');
  expect(screen.queryByTestId('update-there')).toBeNull();
  expect(backend.releases.asked).toBe(0);
  await fireEvent.click(screen.getByTestId('updates-on'));
  await waitFor(() => expect(words()).toBe('v0.8.0 is there; this is v0.7.0.'));
  expect(backend.releases.asked).toBe(1);
  expect(screen.getByTestId('updates-schema').textContent).toContain('vmo db migrate');
  expect(screen.getByTestId('updates-dialog').textContent).toContain('sudo apt install ./vmo_0.8.0_amd64.deb');
  expect(screen.getByTestId('update-there').textContent).toContain('v0.8.0');
  await fireEvent.click(screen.getByTestId('updates-off'));
  await waitFor(() => expect(words()).toBe('Off: nothing is asked.'));
  expect(screen.queryByTestId('update-there')).toBeNull();
});

it('says so when there is nothing, or nothing that can be compared', async () => {
  const backend = await open((b) => (b.releases.next = null));
  await fireEvent.click(screen.getByTestId('updates-on'));
  await waitFor(() => expect(words()).toMatch(/^Nothing newer than v0\.7\.0 on /));
  backend.releases.next = { unsure: true, version: 'v0.8.0', date: '2026-12-01T09:00:00Z', notes: '', schema: '', migrate: false, journal: '', how: '', from: '', files: [] };
  await fireEvent.click(screen.getByTestId('updates-check'));
  await waitFor(() => expect(words()).toContain('cannot be compared'));
  expect(screen.queryByTestId('update-there')).toBeNull();
});

it('shows notes as text', async () => {
  await open((b) => b.releases.set({ state: 'on', checked: '2026-12-01T09:00:00Z', release: { unsure: false, version: 'v0.8.0', date: '2026-12-01T09:00:00Z', notes: '<img src=x>\u202e\x1b[31m\n\tnext', schema: '', migrate: false, journal: '', how: '', from: '', files: [] } }));
  expect(screen.getByTestId('updates-notes').querySelector('img')).toBeNull();
  expect(screen.getByTestId('updates-notes').textContent).not.toMatch(/[\u202e\x1b\t]/);
  expect(screen.getByTestId('updates-notes').textContent).toContain('\n    next');
});

it('offers nothing where it is forbidden', async () => {
  await open((b) => b.releases.set({ state: 'forbidden', error: 'read the policy of this machine /etc/vm-orchestrator/policy.json:2: invalid', hint: 'Whoever manages this machine can correct it.' }));
  expect(words()).toContain('/etc/vm-orchestrator/policy.json');
  expect(screen.getByRole('alert').textContent).toContain('policy.json:2');
  expect(screen.queryByTestId('updates-on')).toBeNull();
  expect(screen.queryByLabelText('Where releases are published')).toBeNull();
});

it('says what failed and what to do', async () => {
  const backend = await open((b) => b.releases.set({ state: 'on' }));
  backend.releases.backend.check = async () => {
    backend.releases.set({ error: 'look for a newer release: it is not signed with the known key', hint: 'Install nothing because of it.' });
    throw new AppError('internal', 'look for a newer release: it is not signed with the known key', 'Install nothing because of it.');
  };
  await fireEvent.click(screen.getByTestId('updates-check'));
  const alerts = await screen.findAllByRole('alert');
  expect(alerts).toHaveLength(1);
  expect(alerts[0]?.textContent).toContain('not signed');
  expect(alerts[0]?.textContent).toContain('Install nothing');
});

it('tells a first question that fails from turning it on', async () => {
  await open((b) => {
    b.releases.backend.check = () => Promise.reject(new AppError('internal', 'look for a newer release: ask releases.example.com for releases: no route to host', 'Look whether it can be reached.'));
  });
  await fireEvent.click(screen.getByTestId('updates-on'));
  expect((await screen.findByRole('alert')).textContent).toContain('Could not look for a newer release');
  expect(words()).toBe('On, and not asked yet.');
});
