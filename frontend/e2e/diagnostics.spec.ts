/* Diagnostics: what is found, what to do, and the report, on the backend in memory. */

import { expect, test, type Page } from '@playwright/test';
import { axe, open } from './fake.page';

const check = (page: Page, name: string) => page.locator(`[data-testid=diagnostics-check][data-name="${name}"]`);

test('what is there, what is missing and what to do', async ({ page }) => {
  const errors = await open(page);
  await page.getByTestId('diagnostics-button').click();
  await expect(page.getByTestId('diagnostics-verdict')).toHaveText('1 thing that is needed is missing or broken.');
  await expect(check(page, 'PATH')).toHaveAttribute('data-state', 'ok');
  await expect(check(page, 'PATH')).toContainText('login shell /bin/zsh');
  await expect(check(page, 'make')).toHaveAttribute('data-state', 'problem');
  await expect(check(page, 'make')).toContainText('Install make.');
  await expect(check(page, 'agent')).toHaveAttribute('data-state', 'note');
  await expect(check(page, 'agent')).toContainText('Add one with ssh-add');
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('diagnostics')).toHaveCount(0);
  expect(errors).toEqual([]);
});

test('the report is shown, copied and saved', async ({ page }) => {
  await open(page);
  await page.keyboard.press(':');
  await page.keyboard.type('diagnos');
  await page.keyboard.press('Enter');
  await page.getByTestId('diagnostics-copy').click();
  await expect(page.getByRole('status').filter({ hasText: 'in the clipboard' })).toBeVisible();
  await expect(page.getByLabel('The report')).toHaveText(/what this is\nReport of VM Orchestrator\n[^]*7 folders/);
  await page.getByTestId('diagnostics-save').click();
  await expect(page.getByRole('status').filter({ hasText: 'Written to /home/ada/vm-orchestrator-report.tar.gz. Look at it before you send it.' })).toBeVisible();
});

for (const scheme of ['light', 'dark'] as const) {
  test(`diagnostics are accessible in ${scheme} colours`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await open(page);
    await page.getByTestId('diagnostics-button').click();
    await page.getByTestId('diagnostics-show').click();
    await expect(page.getByLabel('The report')).toBeVisible();
    await axe(page);
    if (process.env.VMO_SHOT) await page.screenshot({ path: `${process.env.VMO_SHOT}-${scheme}.png` });
  });
}
