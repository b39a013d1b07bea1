/* Links that are followed, on the backend in memory: what they may do, and above all what not. */

import { configure, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { expect, it, vi } from 'vitest';
import Window from '../../App.svelte';
import { FakeBackend } from '../backend.fake';
import { LINKS } from '../fake.links';
import type { Followed } from '../types';

vi.setConfig({ testTimeout: 60_000 }); // the button of the form waits for real, and a machine may be busy
configure({ asyncUtilTimeout: 20_000 });

async function open(...links: string[]) {
  const backend = new FakeBackend();
  const began = vi.spyOn(backend.jobs, 'start');
  const connected = vi.spyOn(backend.there, 'connect');
  for (const link of links) backend.follow(LINKS[link]!);
  render(Window, { backend });
  return { backend, began, connected };
}

const dialog = () => screen.findByTestId('link-dialog');
const button = () => screen.getByTestId<HTMLButtonElement>('link-run');
const armed = () => waitFor(() => expect(button().disabled).toBe(false), { timeout: 20_000 });

it('fills a form in and starts nothing, not even by keys and early clicks', async () => {
  const { began, connected } = await open('link');
  const box = await dialog();
  expect(box.textContent).toContain('Nothing has been started');
  expect(button().disabled).toBe(true);
  await fireEvent.click(button());
  expect(document.activeElement).toBe(screen.getByTestId('link-cancel'));
  await waitFor(() => expect(screen.getByTestId('link-command').textContent).toBe('make deploy ENV=production VERSION=1.4.2'));
  await fireEvent.keyDown(window, { key: 'Enter' });
  await fireEvent.keyDown(window, { key: 'R' });
  await fireEvent.click(screen.getByTestId('link-cancel'));
  expect(screen.queryByTestId('link-dialog')).toBeNull();
  expect(began).not.toHaveBeenCalled();
  expect(connected).not.toHaveBeenCalled();
});

it('runs what the form says then, after the question whether the folder is trusted', async () => {
  const { backend, began } = await open('link');
  await dialog();
  await armed();
  const version = screen.getAllByTestId<HTMLInputElement>('link-param').find((input) => input.dataset.name === 'VERSION')!;
  await fireEvent.input(version, { target: { value: '1.4.3' } });
  await fireEvent.click(button());
  const question = await screen.findByRole('dialog', { name: 'Trust this folder?' });
  expect(began).not.toHaveBeenCalled();
  await fireEvent.click(within(question).getByText('Cancel'));
  expect(began).not.toHaveBeenCalled();
  await fireEvent.click(button());
  await fireEvent.click(await screen.findByText('Trust it and run'));
  await waitFor(() => expect(began).toHaveBeenCalledTimes(1));
  expect(began.mock.calls[0]?.[0]).toMatchObject({ hosts: [], dir: '/home/ada/src/shop', target: 'deploy', vars: { ENV: 'production', VERSION: '1.4.3' } });
  expect((await backend.projects.targets('/home/ada/src/shop')).trusted).toBe(true);
  expect(screen.queryByTestId('link-dialog')).toBeNull();
});

it('names the hosts, and is one run with a job on each', async () => {
  const { backend, began } = await open('link-hosts');
  const box = await dialog();
  expect(box.textContent).toContain('nothing has been connected to');
  await armed();
  expect(button().textContent).toContain('Run deploy on 2 hosts');
  await fireEvent.click(button());
  await waitFor(() => expect(screen.getAllByTestId('job-pane')).toHaveLength(2));
  expect(began.mock.calls.map(([request]) => request)).toMatchObject([{ hosts: ['web1', 'web2'], dir: '~/shop', target: 'deploy', vars: { ENV: 'staging' } }]);
  const jobs = await backend.jobs.list({ limit: 2, before: '', filter: { targets: ['deploy'] } });
  expect(jobs.map((job) => job.host).sort()).toEqual(['web1', 'web2']);
  expect(new Set(jobs.map((job) => job.run)).size).toBe(1);
});

for (const [link, says] of [
  ['link-stranger', 'evil.example is not in your list of hosts'],
  ['link-missing', 'This folder of your list is not there: no such directory'],
  ['link-gone', 'has no target release. It may be a computed one'],
  ['link-variable', 'deploy has no parameter WHERE'],
] as const) {
  it(`cannot be run: ${says}`, async () => {
    const { began } = await open(link);
    expect((await screen.findByTestId('link-trouble')).textContent).toContain(says);
    await waitFor(() => expect(screen.getByTestId('link-dialog').dataset.armed).toBe('true'), { timeout: 20_000 });
    expect(button().disabled).toBe(true);
    await fireEvent.click(button());
    expect(began).not.toHaveBeenCalled();
  });
}

it('does not look into a folder that is not in the list before it was added', async () => {
  const { backend } = await open();
  const read = vi.spyOn(backend.projects, 'targets');
  backend.follow(LINKS['link-folder']!);
  expect((await dialog()).textContent).toContain('This folder is not in your list');
  expect(button().disabled).toBe(true);
  await waitFor(() => expect(screen.getByTestId<HTMLButtonElement>('link-add').disabled).toBe(false), { timeout: 20_000 });
  expect(read.mock.calls.flat()).not.toContain('/home/ada/Downloads/kit');
  await fireEvent.click(screen.getByTestId('link-add'));
  await waitFor(() => expect(button().disabled).toBe(false));
  expect(screen.getByTestId('link-command').textContent).toBe('make build');
});

it('says what is wrong with a link, and goes on with the next; one at a time', async () => {
  await open('link-bad', 'link', 'link-hosts');
  expect((await dialog()).textContent).toContain('/home/ada/src/shop');
  expect(screen.getByRole('alert').textContent).toMatch(/Could not open the link.*could take for something to do.*Ask for a new one/s);
  await fireEvent.click(screen.getByTestId('link-cancel'));
  await waitFor(() => expect(screen.getByTestId('link-dialog').textContent).toContain('~/shop'));
});

it('shows a link as text, whatever is in it', async () => {
  const { backend } = await open();
  const hostile = LINKS.link as Followed;
  backend.follow({ ...hostile, link: 'vmo://run?<img src=x>\u202e\x1b[31m', wish: { ...hostile.wish!, target: '<b>\u202e' } });
  const box = await dialog();
  expect(box.querySelector('img, b')).toBeNull();
  expect(document.body.textContent).not.toMatch(/[\u202e\x1b]/);
});

it('opens a record at its line, and copies the link of one', async () => {
  const { backend } = await open();
  const [job] = await backend.jobs.list({ limit: 1, before: '', filter: { targets: ['test'] } });
  backend.follow({ link: `vmo://job/${job!.id}#3`, job: job!.id, mine: true, line: 3, wish: null });
  const pane = await screen.findByTestId('job-pane');
  expect(pane.dataset.job).toBe(job!.id);
  await fireEvent.click(within(pane).getByTestId('link-button'));
  expect(await backend.clipboard.read()).toBe(`vmo://job/${job!.id}`);
});

it('brings the record of a colleague here, and says whose it is', async () => {
  const { backend } = await open();
  backend.database.set({ state: 'current', server: 'ada@db.example:5432/vmo', origin: 'VMO_DATABASE_URL', lag_known: true, entries: 52 });
  backend.colleague('slow');
  const [job] = await backend.archive.jobs({ limit: 50, before: '', filter: { targets: ['slow'] } }).then((jobs) => jobs.filter((j) => !j.mine));
  backend.follow({ link: `vmo://job/${job!.id}`, job: job!.id, mine: false, line: 0, wish: null });
  const pane = await screen.findByTestId('job-pane');
  expect(pane.dataset.job).toBe(job!.id);
  expect(within(pane).getByTestId('colleague').textContent).toContain('from the database');
});
