/* The history: every job by filter, on the backend in memory. */

import { expect, test, type Page } from '@playwright/test';
import { axe, open, pane, run } from './fake.page';

const history = (page: Page) => page.getByTestId('history');
const row = (page: Page) => page.getByTestId('history-job');
const list = (page: Page) => history(page).getByRole('list', { name: 'Jobs' });

async function look(page: Page, query = '?fake=many') {
  const errors = await open(page, query);
  await page.getByTestId('history-button').click();
  await expect(row(page).first()).toBeVisible();
  return errors;
}

test('a long history is scrolled without an end in sight, each job once', async ({ page }) => {
  const errors = await look(page);
  await expect(history(page)).toContainText('of 950 jobs');
  expect(await row(page).count()).toBeLessThan(60);
  const seen = new Set<string>();
  for (let end = false; !end; ) {
    for (const id of await row(page).evaluateAll((rows) => rows.map((r) => (r as HTMLElement).dataset.job ?? ''))) seen.add(id);
    const stuck = await list(page).evaluate((node) => {
      const before = node.scrollTop;
      node.scrollTop += node.clientHeight;
      return new Promise<boolean>((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(node.scrollTop === before))));
    });
    end = stuck && !/ of /.test((await history(page).locator('footer').textContent()) ?? '');
  }
  expect(seen.size).toBe(950);
  expect(errors).toEqual([]);
});

test('filters narrow the list, say how many fit, and are cleared at once', async ({ page }) => {
  await look(page);
  await page.getByTestId('filter-hosts').selectOption('node3');
  await expect(history(page)).toContainText('of 113 jobs');
  await page.getByTestId('state-failed').click();
  await expect(page.getByTestId('state-failed')).toHaveAttribute('aria-pressed', 'true');
  await expect(history(page)).toContainText('11 jobs');
  await page.getByTestId('state-succeeded').click(); // and those as well
  await expect(history(page)).toContainText('of 113 jobs');
  await page.getByTestId('filter-operator').selectOption('bob@desk');
  await expect(page.getByText('No job matches')).toBeVisible();
  await page.getByTestId('clear-filters').click();
  await expect(history(page)).toContainText('of 950 jobs');
  await page.locator('#history-text').fill('release=77');
  await expect(row(page)).toHaveCount(11);
  await page.getByTestId('filter-when').selectOption('1h');
  await expect(page.getByText('No job matches')).toBeVisible();
  await page.getByTestId('filter-when').selectOption('dates');
  await expect(page.getByLabel('Begun then or later')).not.toHaveValue('');
  await page.getByLabel('Begun then or later').fill('');
  await expect(row(page)).toHaveCount(11);
});

test('an environment is meant as a whole, and a filter that was given a name is chosen again', async ({ page }) => {
  await look(page, '?fake');
  await page.getByTestId('filter-hosts').selectOption({ label: 'production (4)' });
  await expect(page.getByTestId('filter-hosts').locator('option:checked')).toHaveText('production (4)');
  for (const host of await row(page).getByTitle(/^on /).allTextContents()) expect(['web1', 'web2', 'db1', 'queue-eu-west-1.internal']).toContain(host);
  const some = await row(page).count();
  expect(some).toBeGreaterThan(0);
  await page.getByTestId('filter-when').selectOption('30d');
  await page.getByTestId('save-filter').click();
  await page.getByTestId('filter-name').fill('prod lately');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('saved-filters')).toHaveValue('prod lately');
  await page.getByTestId('clear-filters').click();
  await expect(page.getByTestId('saved-filters')).toHaveValue('');
  await expect(row(page)).not.toHaveCount(some);

  await page.reload(); // it outlives the window
  await page.getByTestId('history-button').click();
  await page.getByTestId('saved-filters').selectOption('prod lately');
  await expect(page.getByTestId('filter-when')).toHaveValue('30d');
  await expect(row(page)).toHaveCount(some);
  await page.getByTestId('forget-filter').click();
  await expect(page.getByTestId('saved-filters')).toHaveCount(0);
  await expect(row(page)).toHaveCount(some); // what is shown stays
});

test('the keyboard goes through the jobs, opens and replays one, and leaves', async ({ page }) => {
  await look(page, '?fake');
  await expect(page.locator('#history-text')).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  const second = await row(page).nth(1).getAttribute('data-job');
  await expect(row(page).nth(1)).toHaveAttribute('aria-current', 'true');
  await expect(pane(page)).toHaveAttribute('data-job', second ?? '');
  await page.getByTestId('state-failed').click();
  await page.keyboard.press('End'); // from a button: the list takes the keys
  await expect(row(page).last()).toHaveAttribute('aria-current', 'true');
  const last = await row(page).last().getAttribute('data-job');
  await page.keyboard.press('p');
  await expect(pane(page)).toHaveAttribute('data-job', last ?? '');
  await expect(pane(page).getByTestId('live-button')).toBeVisible();
  await page.getByTestId('filter-hosts').focus();
  await page.keyboard.press('Escape');
  await expect(history(page)).toHaveCount(0);
  await page.keyboard.press('Control+Shift+H');
  await expect(history(page)).toBeVisible();
});

test('a pane that was closed, or stands behind another, is looked at again without taking the keyboard', async ({ page }) => {
  await open(page, '?fake');
  await run(page, 'lint');
  await expect(pane(page)).toHaveAttribute('data-state', /succeeded|failed/);
  await expect(pane(page).getByRole('region')).toBeFocused(); // what was started takes it
  const id = (await pane(page).getAttribute('data-job')) ?? '';
  await pane(page).getByTestId('close-pane').click();
  await page.keyboard.press('Control+Shift+H');
  await row(page).first().waitFor();
  await page.getByTestId('state-all').focus();
  await page.keyboard.press('ArrowDown'); // from a button: the list takes the keys
  for (const keys of [['Enter'], ['p'], ['ArrowDown', 'Enter'], ['ArrowUp', 'Enter']]) {
    for (const key of keys) await page.keyboard.press(key);
    const chosen = (await page.locator('[data-testid=history-job][aria-current=true]').getAttribute('data-job')) ?? '';
    expect(chosen === id).toBe(keys[0] !== 'ArrowDown');
    await expect(pane(page)).toHaveAttribute('data-job', chosen);
    await expect(pane(page).getByTestId(keys[0] === 'p' ? 'live-button' : 'replay-button')).toBeVisible();
    await expect(list(page)).toBeFocused();
  }
  await pane(page).getByTestId('replay-button').click(); // who works in the pane goes on there
  await expect(pane(page).getByTestId('live-button')).toBeVisible();
  await expect(list(page)).not.toBeFocused();
  await expect.poll(() => pane(page).evaluate((node) => node.contains(document.activeElement))).toBe(true);
});

test('a job that begins comes in on top, and what is looked at does not move', async ({ page }) => {
  await open(page, '?fake=many');
  await run(page, 'slow');
  await page.getByTestId('history-button').click();
  await expect(row(page).first()).toContainText('slow');
  await list(page).evaluate((node) => (node.scrollTop = 900));
  await expect(row(page).first()).not.toContainText('slow');
  const at = () => list(page).evaluate((node) => {
    const box = node.getBoundingClientRect();
    const inside = [...node.querySelectorAll<HTMLElement>('[data-testid=history-job]')].find((r) => r.getBoundingClientRect().top >= box.top);
    return `${inside?.dataset.job} ${inside ? Math.round(inside.getBoundingClientRect().top - box.top) : ''}`;
  });
  await expect.poll(at).toMatch(/^\S+ \d+$/);
  const before = await at();
  await expect(page.getByTestId('history-row').first()).toContainText('slow');
  await pane(page).getByTestId('cancel-button').click();
  await expect(pane(page)).toHaveAttribute('data-state', 'cancelled');
  await pane(page).getByTestId('again-button').click();
  await expect(page.getByTestId('state-all')).toContainText('952');
  expect(await at()).toBe(before);
});

test('the jobs of a host and of a target lead to all of them', async ({ page }) => {
  await open(page);
  await page.locator('[data-testid=project-row][data-name=shop]').click();
  await page.locator('[data-testid=target-row][data-name=lint]').click();
  await expect(page.getByTestId('job-row')).toHaveCount(14);
  await run(page, 'lint');
  await expect(page.getByTestId('job-row')).toHaveCount(15);
  await page.locator('[data-testid=host-row][data-name=web1]').click();
  await expect(page.getByTestId('job-row')).toHaveCount(1);
  await page.locator('[data-testid=host-row][data-name=zeta]').click();
  await expect(page.getByTestId('job-row')).toHaveCount(20);
  await page.getByTestId('all-jobs').click();
  await expect(page.getByTestId('filter-hosts')).toHaveValue('');
  await expect(history(page)).toContainText('49 jobs');
  await page.locator('[data-testid=host-row][data-name=web1]').click();
  await expect(page.getByTestId('host-page')).toBeVisible();
});

const found = (page: Page) => page.getByTestId('found-line');

test('a search through all output shows hits in context; one opens its job at the line', async ({ page }) => {
  const errors = await open(page, '?fake');
  await page.keyboard.press('Control+Shift+F');
  await expect(page.locator('#history-text')).toBeFocused();
  await expect(page.getByText('Search everything that was ever printed')).toBeVisible();
  await page.keyboard.type('line 4711 checkout');
  await expect(found(page)).toHaveCount(1);
  await expect(found(page).locator('mark')).toHaveText('line 4711 checkout');
  await expect(page.locator('[data-testid=history] [data-line="4710"]')).toContainText('line 4710');
  await expect(page.getByTestId('search-status')).toContainText('1 line in 1 job');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  const line = pane(page).locator('.line.found');
  await expect(line).toContainText('line 4711 ');
  await expect(line).toBeInViewport();
  await expect(page.locator('#history-text')).toBeFocused(); // one hit after the other
  await page.locator('#history-text').fill('stock_test.go');
  await expect(page.getByTestId('search-status')).toContainText('14 lines in 14 jobs');
  await found(page).nth(2).click();
  await expect(pane(page).locator('.line.found')).toContainText('stock_test.go');
  expect(errors).toEqual([]);
});

test('a search goes on as it is scrolled, keeps to the filters, and says what is wrong with its pattern', async ({ page }) => {
  await open(page, '?fake');
  await page.keyboard.press('Control+Shift+F');
  await page.keyboard.type('checkout accepted');
  await expect(page.getByTestId('search-status')).toContainText('so far – scroll for more');
  const lines = history(page).getByRole('list', { name: 'Lines that were found' });
  await lines.evaluate((node) => (node.scrollTop = node.scrollHeight));
  await expect(page.getByTestId('search-status')).toContainText(/^400 lines/);
  await page.locator('#history-text').fill('EXIT|error 2');
  await expect(page.getByText('Nothing was found')).toBeVisible();
  await page.getByTestId('search-regex').click();
  await expect(found(page).first()).toContainText('Error 2');
  await page.getByTestId('state-succeeded').click();
  await expect(page.getByText('Nothing was found')).toBeVisible();
  await page.getByTestId('state-all').click();
  await expect(found(page).first()).toContainText('Error 2');
  await page.getByTestId('search-case').click();
  await expect(page.getByText('Nothing was found')).toBeVisible();
  await page.locator('#history-text').fill('a(b');
  await expect(page.getByTestId('search-error')).toContainText('missing closing )');
});

test('a hit in what ran in a terminal opens as lines, and goes back to the terminal', async ({ page }) => {
  await open(page, '?fake');
  await page.keyboard.press('Control+Shift+F');
  await page.keyboard.type('SELECT count');
  await found(page).first().click();
  await expect(pane(page).locator('.line.found')).toContainText('SELECT count(*)');
  await pane(page).getByTestId('live-button').click();
  await expect(pane(page).getByTestId('terminal')).toBeVisible();
  await found(page).first().click();
  await expect(pane(page).locator('.line.found')).toBeVisible();
});

test('the narrowest window shows the history without cutting it', async ({ page }) => {
  await page.setViewportSize({ width: 720, height: 480 });
  await look(page);
  await expect(page.getByTestId('filter-when')).toBeInViewport({ ratio: 1 });
  await expect(row(page).nth(2)).toBeInViewport();
  expect(await history(page).evaluate((node) => node.scrollWidth - node.clientWidth)).toBeLessThanOrEqual(0);
});

for (const scheme of ['light', 'dark'] as const) {
  test(`the history is accessible in ${scheme} colours`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await look(page);
    await page.getByTestId('filter-hosts').selectOption('node3');
    await page.getByTestId('filter-when').selectOption('dates');
    await page.getByTestId('state-failed').click();
    await page.keyboard.press('ArrowDown');
    await axe(page);
    await page.locator('#history-text').fill('nothing like it');
    await expect(page.getByText('No job matches')).toBeVisible();
    await axe(page);
    await page.getByTestId('clear-filters').click();
    await page.getByTestId('mode-output').click();
    await page.locator('#history-text').fill('test');
    await expect(found(page).first()).toBeVisible();
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await axe(page);
  });
}
