/* vmo:// links: the form that one fills in, and the link of a line, on the backend in memory. */

import { expect, test } from '@playwright/test';
import { axe, open, pane, run } from './fake.page';

test('the form of a link starts nothing until its button is pressed', async ({ page }) => {
  const errors = await open(page, '?fake=link');
  const dialog = page.getByRole('dialog', { name: 'A link wants to run deploy' });
  await expect(dialog).toContainText('Nothing has been started.');
  await expect(page.getByTestId('link-cancel')).toBeFocused();
  await expect(page.getByTestId('link-command')).toHaveText('make deploy ENV=production VERSION=1.4.2');
  await page.keyboard.press('Enter'); // the button that has the keyboard is the safe one
  await expect(dialog).toHaveCount(0);
  await expect(page.getByTestId('job-pane')).toHaveCount(0);
  expect(errors).toEqual([]);
});

test('and runs what it says when it is', async ({ page }) => {
  await open(page, '?fake=link');
  await page.getByTestId('link-run').click();
  const question = page.getByRole('dialog', { name: 'Trust this folder?' });
  await expect(question.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.getByRole('button', { name: 'Trust it and run' }).click();
  await expect(pane(page)).toHaveAttribute('data-state', /running|succeeded/);
  await expect(pane(page).locator('.command')).toHaveText('make deploy ENV=production VERSION=1.4.2');
});

test('a bad link says why, and what to do', async ({ page }) => {
  await open(page, '?fake=link-bad');
  await expect(page.getByRole('alert')).toContainText('Could not open the link');
  await expect(page.getByRole('alert')).toContainText('Ask for a new one');
});

test('a link to the line that is selected', async ({ page }) => {
  await open(page);
  await run(page, 'test');
  await expect(pane(page)).toHaveAttribute('data-state', 'failed');
  const link = pane(page).getByTestId('link-button');
  await expect(link).toHaveAccessibleName('Copy a link to this job');
  await page.locator('[data-line="2"] .text').dblclick();
  await expect(link).toHaveAccessibleName('Copy a link to line 3');
  await link.click();
  await expect(link).toHaveAccessibleName('Copied');
  expect(await page.evaluate(() => navigator.clipboard.readText().catch(() => ''))).toMatch(/^(vmo:\/\/job\/[0-9a-f-]{36}#3)?$/);
});

for (const scheme of ['light', 'dark'] as const) {
  for (const kind of ['link', 'link-stranger', 'link-folder']) {
    test(`the form of a link is accessible in ${scheme} colours: ${kind}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await open(page, `?fake=${kind}`);
      await expect(page.getByTestId('link-dialog')).toHaveAttribute('data-armed', 'true');
      await axe(page);
      if (process.env.VMO_SHOT) await page.screenshot({ path: `${process.env.VMO_SHOT}-${kind}-${scheme}.png` });
    });
  }
}
