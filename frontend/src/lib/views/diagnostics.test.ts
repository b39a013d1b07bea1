/* Diagnostics on the backend in memory, in every state they can be in. */

import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { expect, it } from 'vitest';
import Window from '../../App.svelte';
import { FakeBackend } from '../backend.fake';
import { AppError } from '../types';

async function open(prepare: (backend: FakeBackend) => void) {
  const backend = new FakeBackend();
  prepare(backend);
  render(Window, { backend });
  await fireEvent.click(await screen.findByTestId('diagnostics-button'));
  return backend;
}

const verdict = async () => (await screen.findByTestId('diagnostics-verdict')).textContent;
const good = { name: 'make', ok: true, optional: false, found: 'GNU Make 4.3', origin: '', next: 'never shown' };

it('says in one line how it stands', async () => {
  await open((backend) => (backend.doctor.checks = [good]));
  expect(await verdict()).toBe('Everything is there.');
  expect(screen.getByTestId('diagnostics').textContent).not.toContain('never shown');
});

it('tells notes from problems', async () => {
  await open((backend) => (backend.doctor.checks = [good, { ...good, name: 'agent', ok: false, optional: true }]));
  expect(await verdict()).toBe('Everything that is needed is there; 1 note.');
  expect(screen.getAllByTestId('diagnostics-check').map((row) => row.dataset.state)).toEqual(['ok', 'note']);
});

it('shows what comes from outside as text', async () => {
  await open((backend) => (backend.doctor.checks = [{ ...good, found: '<img src=x>\u202e\x1b[31m' }]));
  await verdict();
  expect(screen.getByTestId('diagnostics').querySelector('img')).toBeNull();
  expect(screen.getByTestId('diagnostics').textContent).not.toMatch(/[\u202e\x1b]/);
});

it('says what failed, and that nothing was saved when the dialog is dismissed', async () => {
  const backend = await open((backend) => (backend.doctor.saved = ''));
  await verdict();
  await fireEvent.click(screen.getByTestId('diagnostics-save'));
  await waitFor(() => expect((screen.getByTestId('diagnostics-save') as HTMLButtonElement).disabled).toBe(false));
  expect(screen.getByTestId('diagnostics').textContent).not.toContain('Written');
  backend.doctor.backend.save = () => Promise.reject(new AppError('internal', 'write the report: permission denied', 'Choose a folder that you may write to.'));
  await fireEvent.click(screen.getByTestId('diagnostics-save'));
  const alert = await screen.findByRole('alert');
  expect(alert.textContent).toContain('Could not save the report');
  expect(alert.textContent).toContain('permission denied');
  expect(alert.textContent).toContain('Choose a folder');
});
