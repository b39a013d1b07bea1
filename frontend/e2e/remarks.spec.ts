/* What is said of jobs, and how targets do: notes, labels, pins, on the backend in memory. */

import { expect, test, type Page } from '@playwright/test';
import { axe, open, pane, run, target } from './fake.page';

const row = (page: Page) => page.getByTestId('history-job');
const remarks = (page: Page) => pane(page).getByTestId('remarks');

test('a note and labels stay with a job, and the history finds it by them', async ({ page }) => {
  const errors = await open(page);
  await run(page, 'build');
  await expect(pane(page)).toHaveAttribute('data-state', 'succeeded');
  const id = await pane(page).getAttribute('data-job');
  await expect(pane(page).getByTestId('marks')).toHaveCount(0);
  await pane(page).getByTestId('remarks-button').click();
  await page.getByTestId('label-input').fill('release 2.3');
  await page.keyboard.press('Enter');
  await expect(pane(page).getByTestId('marks')).toContainText('release 2.3');
  await page.getByTestId('note-input').fill('with <b>the new</b> disk');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('and two lines');
  await page.keyboard.press('Enter');
  await expect(remarks(page)).toContainText('with <b>the new</b> disk\nand two lines');
  await expect(page.getByTestId('note-input')).toHaveValue('');
  await page.getByTestId('pin-button').click();
  await expect(page.getByTestId('pin-button')).toHaveText('Unpin');

  await page.getByTestId('history-button').click();
  await page.getByTestId('filter-labels').selectOption('release 2.3');
  await expect(row(page)).toHaveCount(1);
  await expect(row(page)).toHaveAttribute('data-job', id ?? '');
  await expect(row(page)).toContainText('release 2.3');
  await expect(row(page).getByTestId('marks')).toContainText('1');
  expect(errors).toEqual([]);

  // What is taken off was there.
  await remarks(page).getByRole('button', { name: 'Take off the label release 2.3' }).click();
  await expect(page.getByText('No job matches')).toBeVisible();
  await expect(remarks(page)).toContainText('took “release 2.3” off');
  await page.getByTestId('clear-filters').click();
  await expect(row(page).first()).toBeVisible();
});

test('what is no text is refused, and what was typed stays', async ({ page }) => {
  await open(page);
  await run(page, 'build');
  await pane(page).getByTestId('remarks-button').click();
  await page.getByTestId('note-input').fill('\x1b[2J');
  await page.getByTestId('note-button').click();
  await expect(page.getByText('characters that are no text')).toBeVisible();
  await expect(page.getByTestId('note-input')).not.toHaveValue('');
  await expect(pane(page).getByTestId('marks')).toHaveCount(0);
});

for (const theme of ['light', 'dark'] as const) {
  test(`anybody can read what was said, ${theme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: theme });
    await open(page);
    await page.getByTestId('history-button').click();
    await page.getByTestId('filter-labels').selectOption('known-good');
    await row(page).first().click();
    await pane(page).getByTestId('remarks-button').click();
    await expect(remarks(page)).toContainText('pinned it: the release');
    await axe(page);
    if (process.env.VMO_PICTURES) await page.screenshot({ path: `${process.env.VMO_PICTURES}/remarks-${theme}.png` });
  });
}

test('a target tells how its last runs went, and counts the one that has just ended', async ({ page }) => {
  await open(page);
  await target(page, 'build').click();
  await expect(page.getByTestId('target-stats')).toContainText('all 15 succeeded · half within');
  await run(page, 'build');
  await expect(pane(page)).toHaveAttribute('data-state', 'succeeded');
  await expect(page.getByTestId('target-stats')).toContainText('all 16 succeeded');
  if (process.env.VMO_PICTURES) {
    await page.getByTestId('target-stats').scrollIntoViewIfNeeded();
    await page.screenshot({ path: `${process.env.VMO_PICTURES}/stats.png` });
  }
});
