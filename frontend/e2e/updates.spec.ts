/* Newer releases, on the backend in memory. */

import { expect, test } from '@playwright/test';
import { axe, open } from './fake.page';

test('off at first; turned on, a release is there and the status bar says so', async ({ page }) => {
  const errors = await open(page);
  await expect(page.getByTestId('update-there')).toHaveCount(0);
  await page.keyboard.press(':');
  await page.keyboard.type('newer rel');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('updates-words')).toHaveText('Off: nothing is asked.');
  await page.getByLabel('Where releases are published').fill('http://releases.example.com/release.json');
  await page.getByTestId('updates-on').click();
  await expect(page.getByRole('alert')).toContainText('does not begin with https://');
  await page.getByLabel('Where releases are published').fill('https://releases.example.com/release.json');
  await page.getByTestId('updates-on').click();
  await expect(page.getByTestId('updates-words')).toHaveText('v0.8.0 is there; this is v0.7.0.');
  await expect(page.getByTestId('updates-schema')).toContainText('vmo db migrate');
  await page.keyboard.press('Escape');
  await page.getByTestId('update-there').click();
  await expect(page.getByTestId('updates-notes')).toContainText('A tunnel whose host sleeps says so.');
  expect(errors).toEqual([]);
});

for (const scheme of ['light', 'dark'] as const) {
  test(`newer releases are accessible in ${scheme} colours`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await open(page);
    await page.getByTestId('diagnostics-button').click();
    await page.getByTestId('diagnostics-updates').click();
    await page.getByTestId('updates-on').click();
    await expect(page.getByTestId('updates-notes')).toBeVisible();
    await axe(page);
    if (process.env.VMO_SHOT) await page.screenshot({ path: `${process.env.VMO_SHOT}-${scheme}.png` });
  });
}
