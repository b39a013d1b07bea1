/* Views and components on the backend in memory. happy-dom has no layout: what needs one is in e2e/. */

import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';
import Window from '../../App.svelte';
import { FakeBackend } from '../backend.fake';
import Filter from '../components/Filter.svelte';
import LogRow from '../components/LogRow.svelte';
import StateBadge from '../components/StateBadge.svelte';
import { AppError, type JobState } from '../types';

/** happy-dom measures everything as 0; a list with no height shows nothing. */
function layout() {
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(360);
}

async function open(backend = new FakeBackend()) {
  layout();
  render(Window, { backend });
  await waitFor(() => expect(screen.getAllByTestId('history-row').length).toBeGreaterThan(0));
  return backend;
}

describe('components', () => {
  it.each([['pending', 'queued'], ['running', 'running'], ['succeeded', 'succeeded'], ['failed', 'failed'], ['cancelled', 'cancelled'], ['timed-out', 'timed out'], ['lost', 'lost']])('the state %s has an icon and the word %s', (state, word) => {
    const { container } = render(StateBadge, { state: state as JobState, compact: true });
    expect(container.textContent?.trim()).toBe(word);
    expect(container.querySelector('svg')).not.toBeNull();
  });

  it('a line of output is text, whatever it says', () => {
    const { container } = render(LogRow, { line: { n: 41, at: 0, parts: [{ s: 2, t: '\x1b[31m<img src=x onerror=alert(1)>\x1b[0m' }] }, numbers: true, times: true });
    expect(container.querySelector('img')).toBeNull();
    expect(container.querySelector('.line')?.classList.contains('stderr')).toBe(true);
    // Numbers and times are drawn from attributes: the text of the row is the output alone.
    expect(container.querySelector('.line')?.textContent?.trim()).toBe('<img src=x onerror=alert(1)>');
  });

  it('a gap is a line across the log', () => {
    const { container } = render(LogRow, { line: { n: 0, at: 0, parts: [], event: { kind: 'gap', bytes: 4000 } } });
    expect(container.textContent).toContain('4.0 kB not recorded here');
  });

  it('Escape clears a filter and is then free for others', async () => {
    const onchange = vi.fn();
    const onkey = vi.fn();
    const { rerender } = render(Filter, { value: 'x', label: 'Filter', onchange, onkey });
    await fireEvent.keyDown(screen.getByLabelText('Filter'), { key: 'Escape' });
    expect(onchange).toHaveBeenCalledWith('');
    await rerender({ value: '' });
    await fireEvent.keyDown(screen.getByLabelText('Filter'), { key: 'Escape' });
    expect(onkey).toHaveBeenCalledTimes(1);
  });
});

describe('the window', () => {
  it('shows projects, problems with their line, targets and the last ten jobs', async () => {
    await open();
    expect(screen.getAllByTestId('project-row').map((row) => row.dataset.name)).toEqual(['shop', 'infra', 'monorepo', 'gone', 'notes']);
    expect(screen.getByText(/registry:5/)).toBeTruthy();
    expect(screen.getAllByTestId('history-row')).toHaveLength(10);
    await waitFor(() => expect(screen.getAllByTestId('target-row').length).toBeGreaterThan(5));
  });

  it('runs a target with one click', async () => {
    const backend = await open();
    const start = vi.spyOn(backend.jobs, 'start');
    await waitFor(() => screen.getAllByTestId('target-row'));
    const row = screen.getAllByTestId('target-row').find((found) => found.dataset.name === 'hello');
    await fireEvent.click(row?.querySelector('[data-testid=run-button]') as HTMLElement);
    expect(start).toHaveBeenCalledTimes(1);
    expect(start.mock.calls[0]?.[0]).toMatchObject({ dir: '/home/ada/src/shop', target: 'hello', vars: {}, mode: '' });
    await waitFor(() => expect(screen.getByTestId('job-pane').dataset.state).toBe('succeeded'));
  });

  // The pane called the log inside an effect that thereby read the log's own state: a paused log then asked for
  // its lines for ever. Nothing else notices, because what it shows is right.
  it('a paused log asks for its lines once', async () => {
    const backend = await open();
    const real = backend.lines;
    let asked = 0;
    backend.lines = (...question) => (++asked > 50 ? new Promise(() => {}) : real(...question)); // a loop ends there
    await fireEvent.click(screen.getAllByTestId('history-row').find((row) => row.textContent?.includes('million')) as HTMLElement);
    await waitFor(() => expect(screen.getAllByTestId('log-line').at(-1)?.textContent).toContain('line 999999'));
    for (const key of ['ArrowUp', 'PageUp', 'Home', 'ArrowDown']) {
      const before = asked;
      await fireEvent.keyDown(screen.getByRole('region', { name: /Output of/ }), { key });
      for (let i = 0; i < 500; i++) await Promise.resolve();
      expect(asked - before, key).toBeLessThanOrEqual(2);
    }
  });

  it('keeps an error with its three parts until it is dismissed', async () => {
    const backend = await open();
    vi.spyOn(backend.jobs, 'start').mockRejectedValue(new AppError('disk-full', 'no space left for the journal', 'Free some space.'));
    await waitFor(() => screen.getAllByTestId('target-row'));
    await fireEvent.click(screen.getAllByTestId('run-button')[0] as HTMLElement);
    const alert = await screen.findByRole('alert');
    expect(alert.textContent).toMatch(/Could not start hello.*no space left for the journal.*Free some space\./s);
    await fireEvent.click(screen.getByRole('button', { name: 'Dismiss' }));
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('selects a folder that was dropped on it', async () => {
    const backend = await open();
    await backend.projects.add('/home/ada/src/dropped');
    backend.emit('opened', { dir: '/home/ada/src/dropped' });
    await waitFor(() => expect(screen.getByRole('heading', { level: 1 }).textContent).toBe('dropped'));
  });

  it('shows a project from outside with its hostile characters spelled out', async () => {
    const backend = await open();
    await backend.projects.add('/tmp/a\u202eb\x1b');
    backend.emit('projects', {});
    await waitFor(() => expect(screen.getAllByTestId('project-row').at(-1)?.textContent).toContain('a⟨202E⟩b⟨001B⟩'));
  });

  it('announces how a job ended', async () => {
    await open();
    await waitFor(() => screen.getAllByTestId('target-row'));
    await fireEvent.click(screen.getAllByTestId('run-button')[0] as HTMLElement);
    await waitFor(() => expect(document.querySelector('[aria-live=polite]')?.textContent).toMatch(/^hello succeeded after/));
  });
});
