/* The team's database and the proof of a record, on the backend in memory. */

import { expect, test, type Page } from '@playwright/test';
import { axe, open, pane, run } from './fake.page';

const state = (page: Page) => page.getByTestId('database-state');

test('a database is tried, used, asked which jobs go there, and has them all', async ({ page }) => {
  const errors = await open(page);
  await expect(state(page)).toHaveText('no database');
  await state(page).click();
  await page.getByLabel('Database', { exact: true }).fill('postgres://ada@nowhere.example/vmo');
  await page.getByTestId('database-test').click();
  // What failed, what happened, what to do.
  await expect(page.getByRole('alert')).toContainText('Could not connect to the database');
  await expect(page.getByRole('alert')).toContainText('lookup nowhere.example: no such host');
  await expect(page.getByRole('alert')).toContainText('Check the name of the server');
  await page.getByLabel('Database', { exact: true }).fill('postgres://ada@db.example/vmo');
  await page.getByTestId('database-test').click();
  await expect(page.getByTestId('database-check')).toContainText('It answers in 4 ms');
  await expect(page.getByTestId('database-dialog')).toContainText('of 3 machines');
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.getByTestId('database-use').click();
  await expect(state(page)).toHaveText('database: which jobs?');
  await page.getByLabel('Password of your login').fill('hunter2');
  await page.getByTestId('database-password').click();
  await expect(page.getByLabel('Password of your login')).toHaveValue('');
  await expect(page.getByText('The password is in the keychain')).toBeVisible();
  await page.getByTestId('share-all').click();
  await expect(state(page)).toHaveText('database · 0 unsaved');
  await expect(page.getByTestId('share')).toHaveCount(0);
  expect(await page.content()).not.toContain('hunter2');
  expect(errors).toEqual([]);
});

test('an address with a password is refused, and says where the password belongs', async ({ page }) => {
  await open(page);
  await state(page).click();
  await page.getByLabel('Database', { exact: true }).fill('postgres://ada:secret@db.example/vmo');
  await page.getByTestId('database-use').click();
  await expect(page.getByRole('alert')).toContainText('store it in the keychain');
  await expect(state(page)).toHaveText('no database');
});

test('a record is verified, and what is wrong with it is named', async ({ page }) => {
  await open(page);
  await page.getByTestId('history-row').filter({ hasText: 'build' }).first().click();
  await pane(page).getByTestId('verify-button').click();
  await expect(pane(page).getByTestId('verdict')).toContainText('Intact: it is what was recorded, byte for byte');
  await pane(page).getByRole('button', { name: 'Dismiss' }).click();
  await expect(pane(page).getByTestId('verdict')).toHaveCount(0);
  await page.getByTestId('history-row').filter({ hasText: 'clean' }).first().click();
  await pane(page).getByTestId('verify-button').click();
  await expect(pane(page).getByTestId('verdict')).toContainText(/Not what was recorded.*block 2 is not what was recorded/);
});

test('the team’s jobs are in the history; a colleague’s is followed, and nothing else can be done with it', async ({ page }) => {
  const errors = await open(page, '?fake=team');
  await expect(page.getByTestId('history-row').first()).not.toContainText('slow');
  await page.getByTestId('history-button').click();
  await page.getByTestId('whose-team').click();
  const row = page.getByTestId('history-job').filter({ hasText: 'slow' });
  await expect(row).toContainText('bob@desk');
  await expect(page.getByTestId('state-running')).toContainText(/running\s*[12]/);
  await expect(page.getByTestId('state-failed')).toContainText(/failed\s*\d+/);
  await expect(page.getByTestId('history-job').filter({ hasText: 'silent' })).toContainText('away');
  await row.click();
  await expect(pane(page).getByTestId('colleague')).toContainText('Of bob@desk, from the database. What comes');
  await expect(pane(page).getByTestId('log-line').first()).toContainText('step 1 of 600');
  const before = await pane(page).getByTestId('log-line').count();
  await expect.poll(() => pane(page).getByTestId('log-line').count()).toBeGreaterThan(before); // live
  for (const id of ['cancel-button', 'again-button', 'verify-button']) await expect(pane(page).getByTestId(id)).toHaveCount(0);
  await pane(page).getByTestId('close-pane').click();
  await page.locator('#history-text').fill('silent');
  await expect(page.getByTestId('history-job')).toHaveCount(1);
  await page.getByTestId('history-job').click();
  await expect(pane(page).getByTestId('colleague')).toContainText(/eve@train is away since .*it may have ended meanwhile/);
  await page.getByTestId('whose-mine').click();
  await expect(page.getByText('No job matches')).toBeVisible();
  expect(errors).toEqual([]);
});

test('a record is saved as a file in the format that is chosen', async ({ page }) => {
  await open(page);
  await page.getByTestId('history-row').filter({ hasText: 'build' }).first().click();
  await pane(page).getByTestId('export-button').click();
  await expect(page.getByTestId('export-dialog')).toContainText('may contain secrets');
  await page.getByTestId('export-html').click();
  await expect(page.getByTestId('export-dialog')).toContainText('Saved 4.1 kB to /home/ada/build.html');
  await page.keyboard.press('Escape');
  await run(page, 'slow');
  await pane(page).getByTestId('export-button').click();
  await expect(page.getByTestId('export-record')).toBeDisabled(); // its proof comes with its end
});

for (const scheme of ['light', 'dark'] as const) {
  test(`the database is accessible in ${scheme} colours`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await open(page);
    await page.getByTestId('history-row').filter({ hasText: 'clean' }).first().click();
    await pane(page).getByTestId('verify-button').click();
    await expect(pane(page).getByTestId('verdict')).toBeVisible();
    await axe(page);
    await state(page).click();
    await axe(page);
    await page.getByLabel('Database', { exact: true }).fill('postgres://ada@nowhere.example/vmo');
    await page.getByTestId('database-test').click();
    await expect(page.getByRole('alert')).toBeVisible();
    await axe(page);
    await page.getByLabel('Database', { exact: true }).fill('postgres://ada@db.example/vmo');
    await page.getByTestId('database-use').click();
    await expect(page.getByTestId('share')).toBeVisible();
    await axe(page);
    await page.goto('/?fake=team');
    await page.getByTestId('history-button').click();
    await page.getByTestId('whose-team').click();
    await page.getByTestId('history-job').filter({ hasText: 'slow' }).click();
    await expect(pane(page).getByTestId('colleague')).toBeVisible();
    await axe(page);
    await pane(page).getByTestId('export-button').click();
    await axe(page);
  });
}
