/* Everything that was done, as a part of the history, on the backend in memory. */

import { expect, test, type Page } from '@playwright/test';
import { axe, open, pane, run, target } from './fake.page';

const act = (page: Page) => page.getByTestId('act');

async function look(page: Page, query = '?fake') {
  const errors = await open(page, query);
  await page.getByTestId('history-button').click();
  await page.getByTestId('mode-acts').click();
  await expect(act(page).first()).toBeVisible();
  return errors;
}

test('one list has jobs and what is no job, and tells who touched a host', async ({ page }) => {
  const errors = await look(page);
  await expect(act(page).first()).toContainText('connected');
  await expect(act(page).filter({ hasText: 'removed × 12' })).toBeDisabled();
  await expect(act(page).filter({ hasText: 'database: ada@db.example' })).toContainText('set');
  await expect(page.getByTestId('filter-project')).toHaveCount(0); // what is no job has none
  await page.getByTestId('filter-hosts').selectOption('web1');
  await expect(act(page)).toHaveCount(3);
  await expect(act(page)).toContainText(['connected', 'removed × 12', 'job']);
  await act(page).last().click();
  await expect(pane(page)).toContainText('deploy');
  await page.getByTestId('clear-filters').click();
  expect(await act(page).count()).toBeGreaterThan(3);
  expect(errors).toEqual([]);
});

test('the page of a host leads to everything that was done there', async ({ page }) => {
  await open(page);
  await page.getByTestId('host-row').filter({ hasText: 'web1' }).first().click();
  if (process.env.VMO_PICTURES) {
    await page.getByTestId('acts-here').scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${process.env.VMO_PICTURES}/host.png` });
  }
  await page.getByTestId('acts-here').click();
  await expect(page.getByTestId('filter-hosts')).toHaveValue('web1');
  await expect(act(page)).toHaveCount(3);
});

test('what is done meanwhile comes in, and the keys go through it', async ({ page }) => {
  await open(page);
  await run(page, 'build');
  await expect(pane(page)).toHaveAttribute('data-state', 'succeeded');
  const id = await pane(page).getAttribute('data-job');
  await page.getByTestId('history-button').click();
  await page.getByTestId('mode-acts').click();
  await expect(act(page).first()).toContainText('build');
  await pane(page).getByTestId('remarks-button').click();
  await page.getByTestId('note-input').fill('seen');
  await page.keyboard.press('Enter');
  await expect(act(page).first()).toContainText('seen');
  await pane(page).getByTestId('close-pane').click();
  await page.getByTestId('mode-acts').focus();
  await page.keyboard.press('ArrowDown');
  await expect(act(page).first()).toHaveAttribute('aria-current', 'true');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(pane(page)).toHaveAttribute('data-job', id ?? '');
  await expect(page.getByRole('list', { name: 'What was done' })).toBeFocused(); // a pane that is opened again does not take the keys
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('history')).toHaveCount(0);
  await expect(target(page, 'build')).toBeVisible();
});

test('a long past is read on as far as it is looked at', async ({ page }) => {
  await look(page, '?fake=many');
  const list = page.getByRole('list', { name: 'What was done' });
  await expect(page.getByTestId('history').locator('footer')).toHaveText(/^100 and more/);
  for (let i = 0; i < 3; i++) await list.evaluate((node) => (node.scrollTop = node.scrollHeight)).then(() => page.waitForFunction((n) => Number(/^[\d\s,. ]+/.exec(document.querySelector('[data-testid=history] footer')?.textContent ?? '')?.[0].replace(/\D/g, '')) > n, 100 * (i + 1)));
  expect(await act(page).count()).toBeLessThan(60);
});

for (const theme of ['light', 'dark'] as const) {
  test(`anybody can read what was done, ${theme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await look(page, '?fake=team');
    await axe(page);
    if (process.env.VMO_PICTURES) await page.screenshot({ path: `${process.env.VMO_PICTURES}/acts-${theme}.png` });
  });
}
