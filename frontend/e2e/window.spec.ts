/* The window on a real backend: VMO_URL is the address of a running app whose registry or added folders hold the
   project named VMO_PROJECT (default: sample) with the targets
     hello   prints a line containing "hello" and succeeds
     fails   ends with another exit code than 0
     slow    prints lines for at least half a minute
     asks    marked ## @tty, waits for a line that is typed
   Another name for one of them: VMO_TARGET_HELLO, _FAILS, _SLOW, _ASKS. */

import { expect, test, type Page } from '@playwright/test';

const project = process.env.VMO_PROJECT ?? 'sample';
const name = (what: string) => process.env[`VMO_TARGET_${what.toUpperCase()}`] ?? what;

const pane = (page: Page) => page.locator('.slot.shown.active').getByTestId('job-pane');
const run = (page: Page, what: string) => page.locator(`[data-testid=target-row][data-name="${name(what)}"]`).getByTestId('run-button').click();

test.beforeEach(async ({ page }) => {
  await page.goto('/');
  await page.locator(`[data-testid=project-row][data-name="${project}"]`).click();
  await expect(page.getByTestId('target-row').first()).toBeVisible();
});

/** Runs a target to its end and returns the id of its job. */
async function finish(page: Page, what: string, state: string): Promise<string> {
  const before = (await pane(page).count()) ? await pane(page).getAttribute('data-job') : null;
  await run(page, what);
  if (before) await expect(pane(page)).not.toHaveAttribute('data-job', before);
  await expect(pane(page)).toHaveAttribute('data-state', state, { timeout: 20_000 });
  return (await pane(page).getAttribute('data-job')) ?? '';
}

test('a target runs, shows its lines and ends with its exit code', async ({ page }) => {
  const id = await finish(page, 'hello', 'succeeded');
  await expect(pane(page).getByTestId('log-line').filter({ hasText: /hello/i }).first()).toBeVisible();
  await expect(pane(page).getByTestId('job-facts')).toContainText('exit 0');
  await expect(page.getByTestId('history-row').first()).toHaveAttribute('data-job', id);
});

test('a failure says its exit code', async ({ page }) => {
  await finish(page, 'fails', 'failed');
  await expect(pane(page).getByTestId('job-facts')).toContainText(/exit [1-9]/);
});

test('a terminal echoes what is typed, in order', async ({ page }) => {
  await run(page, 'asks');
  await expect(pane(page)).toHaveAttribute('data-state', 'running');
  await pane(page).getByTestId('terminal').click();
  await page.keyboard.type('abcdefghijklmnopqrstuvwxyz 0123456789', { delay: 3 });
  await expect(pane(page).getByTestId('terminal')).toContainText('abcdefghijklmnopqrstuvwxyz 0123456789');
  await pane(page).getByTestId('cancel-button').click();
  await expect(pane(page)).not.toHaveAttribute('data-state', 'running', { timeout: 20_000 });
});

test('a running job is cancelled', async ({ page }) => {
  await run(page, 'slow');
  await expect(pane(page).getByTestId('log-line').first()).toBeVisible();
  await pane(page).getByTestId('cancel-button').click();
  await expect(pane(page)).toHaveAttribute('data-state', 'cancelled', { timeout: 20_000 });
});

test('a closed pane opens again with everything the job printed', async ({ page }) => {
  const id = await finish(page, 'hello', 'succeeded');
  const text = await pane(page).getByTestId('log-line').allTextContents();
  await pane(page).getByTestId('close-pane').click();
  await page.locator(`[data-testid=history-row][data-job="${id}"]`).click();
  await expect(pane(page).getByTestId('log-line')).toHaveText(text);
});

test('the last ten jobs are there after a reload, newest first', async ({ page }) => {
  const ids: string[] = [];
  for (let i = 0; i < 10; i++) ids.unshift(await finish(page, 'hello', 'succeeded'));
  await page.reload();
  await expect(page.getByTestId('history-row')).toHaveCount(10);
  expect(await page.getByTestId('history-row').evaluateAll((rows) => rows.map((row) => row.getAttribute('data-job')))).toEqual(ids);
});

test('a recorded job replays', async ({ page }) => {
  await finish(page, 'hello', 'succeeded');
  await pane(page).getByTestId('replay-button').click();
  await expect(pane(page).getByTestId('terminal')).toContainText(/hello/i);
  await pane(page).getByTestId('live-button').click();
  await expect(pane(page).getByTestId('log-line').filter({ hasText: /hello/i }).first()).toBeVisible();
});

const foundLine = (page: Page) => page.getByTestId('found-line');

test('what a job printed is found by searching, in its context, and opens at its line', async ({ page }) => {
  const id = await finish(page, 'hello', 'succeeded');
  const printed = (await pane(page).getByTestId('log-line').filter({ hasText: /hello/i }).first().locator('.text').textContent()) ?? '';
  await pane(page).getByTestId('close-pane').click();
  await page.keyboard.press('Control+Shift+F');
  await page.keyboard.type(printed);
  await expect(page.locator(`[data-testid=found-job][data-job="${id}"]`)).toBeVisible();
  await expect(foundLine(page).first().locator('mark')).toHaveText(printed);
  await foundLine(page).first().click();
  await expect(pane(page).locator('.line.found')).toContainText(printed);
  await page.locator('#history-text').fill('no job has ever printed this');
  await expect(page.getByText('Nothing was found')).toBeVisible();
  await page.getByTestId('search-regex').click();
  await page.locator('#history-text').fill('a(b');
  await expect(page.getByTestId('search-error')).toContainText(/missing closing \)/);
});

test('the history is filtered and counted by what the journal has', async ({ page }) => {
  await finish(page, 'fails', 'failed');
  const id = await finish(page, 'hello', 'succeeded');
  await page.keyboard.press('Control+Shift+H');
  await expect(page.getByTestId('history-job').first()).toHaveAttribute('data-job', id);
  await page.getByTestId('filter-targets').selectOption(name('fails'));
  await expect(page.locator(`[data-testid=history-job][data-job="${id}"]`)).toHaveCount(0);
  await expect(page.getByTestId('history-job').first()).toContainText(name('fails'));
  await page.getByTestId('state-failed').click();
  await expect(page.getByTestId('history-job').first()).toContainText(/exit [1-9]/);
  await page.getByTestId('clear-filters').click();
  await page.locator('#history-text').fill('nothing is called so');
  await expect(page.getByText('No job matches')).toBeVisible();
});

test('a record is verified', async ({ page }) => {
  await finish(page, 'hello', 'succeeded');
  await pane(page).getByTestId('verify-button').click();
  await expect(pane(page).getByTestId('verdict')).toContainText(/Intact|It cannot be told/); // without a keychain nothing is signed
});

test('the status bar says that there is no database, and a test says in three parts why one cannot be used', async ({ page }) => {
  await expect(page.getByTestId('database-state')).toHaveText('no database');
  await page.getByTestId('database-state').click();
  await page.getByLabel('Database', { exact: true }).fill('postgres://ann@127.0.0.1:1/vmo');
  await page.getByTestId('database-test').click();
  const alert = page.getByTestId('database-dialog').getByRole('alert');
  await expect(alert).toContainText('Could not connect to the database');
  await expect(alert).toContainText('127.0.0.1:1');
  await expect(alert.locator('.hint')).not.toBeEmpty();
});
