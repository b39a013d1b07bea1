/* Hosts, connections and what they ask, on the backend in memory. */

import { expect, test, type Page } from '@playwright/test';
import { axe, open, pane } from './fake.page';

const row = (page: Page, name: string) => page.locator(`[data-testid=host-row][data-name="${name}"]`);
const host = (page: Page) => page.getByTestId('host-page');
const prompt = (page: Page) => page.getByTestId('prompt');

async function choose(page: Page, name: string) {
  await row(page, name).click();
  await expect(host(page)).toHaveAttribute('data-host', name);
}

test('hosts stand by environment with a word for their state, and looking at one connects to none', async ({ page }) => {
  const errors = await open(page);
  await expect(row(page, 'zeta')).toContainText('this machine');
  await expect(row(page, 'web1')).toContainText(/connected 12 ms · \d+ m/);
  await expect(row(page, 'queue-eu-west-1.internal')).toContainText('log-in refused');
  await choose(page, 'web2');
  await expect(host(page)).toHaveAttribute('data-status', 'unknown');
  await expect(host(page)).toContainText('deploy@10.20.0.12');
  await page.locator('[data-testid=project-row][data-name=infra]').click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('infra');
  await expect(row(page, 'web2')).toContainText('not connected');
  expect(errors).toEqual([]);
});

test('unknown keys of a way are shown together, name their hop, and can be compared', async ({ page }) => {
  await open(page);
  await choose(page, 'web2');
  await page.getByTestId('connect-button').click();
  await expect(page.getByRole('dialog')).toContainText('2 unknown host keys');
  await expect(page.getByTestId('prompt-hop').first()).toHaveText('bastion, 1 of 2 on the way to web2');
  await expect(prompt(page)).toContainText('The same key is known already as web1');
  await page.getByLabel('Fingerprint of web2 to compare').fill('SHA256:wrong');
  await expect(prompt(page)).toContainText('not the same');
  await expect(page.getByTestId('prompt-accept')).toBeDisabled();
  await page.getByLabel('Fingerprint of web2 to compare').fill('256 SHA256:uNiVztksCsDhcc0u9e8BrwQrGr6pKoC8TkVWx6nTqhM root@web2 (ED25519)');
  await expect(prompt(page)).toContainText('the same');
  await page.getByTestId('prompt-accept').click();
  await expect(host(page)).toHaveAttribute('data-status', 'connected');
});

test('refusing a key shows how far the connection came, and it can be tried again', async ({ page }) => {
  await open(page);
  await choose(page, 'web2');
  await page.getByTestId('connect-button').click();
  await expect(page.getByTestId('prompt-refuse')).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('connect-failure')).toContainText('the host key was not accepted');
  await expect(page.getByRole('list', { name: 'Steps of the connection' }).getByRole('listitem')).toHaveCount(2);
  await page.getByTestId('retry-button').click();
  await expect(prompt(page)).toBeVisible();
});

test('a password is masked, wrong ones are said, and questions come one after another', async ({ page }) => {
  await open(page);
  await choose(page, 'pi');
  await page.getByTestId('connect-button').click();
  await expect(page.getByRole('dialog')).toContainText('Password for ada@pi');
  const input = page.getByLabel('Password', { exact: true });
  await expect(input).toHaveAttribute('type', 'password');
  await expect(input).toBeFocused();
  await page.keyboard.type('wrong');
  await page.keyboard.press('Enter');
  await expect(prompt(page)).toContainText('The last answer was wrong; this is attempt 2');
  await expect(input).toHaveValue('');
  await page.keyboard.type('raspberry');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toContainText('Open your authenticator app.');
  await page.getByLabel('Verification code:').fill('123456');
  await page.keyboard.press('Enter');
  await expect(host(page)).toHaveAttribute('data-status', 'connected');
  expect(await page.content()).not.toContain('raspberry');
});

test('a click beside a question does not dismiss it', async ({ page }) => {
  await open(page);
  await choose(page, 'pi');
  await page.getByTestId('connect-button').click();
  await page.getByLabel('Password', { exact: true }).fill('half typed');
  await page.mouse.click(5, 400);
  await expect(page.getByLabel('Password', { exact: true })).toHaveValue('half typed');
});

test('a terminal and a command line run on the host and say so everywhere', async ({ page }) => {
  await open(page);
  await choose(page, 'web1');
  await page.keyboard.press('T');
  await expect(page.getByTestId('terminal')).toContainText('Ctrl+D ends');
  await expect(pane(page)).toContainText('web1');
  await page.getByTestId('terminal-button').click(); // another one to the same host
  await expect(page.getByTestId('job-pane')).toHaveCount(2);
  await page.getByLabel('Command line for web1').fill('uptime');
  await page.keyboard.press('Enter');
  await expect(pane(page)).toHaveAttribute('data-state', 'succeeded');
  await expect(pane(page).getByTestId('log-line')).toContainText('load average');
  await expect(page.getByTestId('history-row').first()).toContainText('web1');
  await expect(page.getByTestId('job-row')).toHaveCount(4);
});

test('a command for a whole environment is confirmed with its hosts, and runs on each', async ({ page }) => {
  await open(page);
  await choose(page, 'web1');
  await page.getByLabel('Where it runs').selectOption({ label: 'all 4 of production' });
  await page.getByLabel('Command line for web1').fill('systemctl restart shop-of-the-long-name.service && uptime');
  await expect(page.getByTestId('exec-button')).toHaveText('Run on 4 VMs');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toContainText('web1, web2, db1, queue-eu-west-1.internal');
  await page.getByRole('dialog').getByRole('button', { name: 'Run on 4 VMs' }).click();
  await expect(page.getByTestId('job-pane')).toHaveCount(4);
  await expect(page.getByTestId('status-host')).toContainText('production');
  // Which host it is must be readable, however long the command is.
  await page.getByRole('button', { name: 'As tiles' }).click();
  for (const host of ['web1', 'web2', 'db1']) {
    const names = page.getByTestId('dock').getByText(host, { exact: true });
    await expect(names).toHaveCount(2); // its tab and its tile
    for (const name of await names.all()) expect(await name.evaluate((node) => node.scrollWidth - node.clientWidth), host).toBeLessThanOrEqual(0);
  }
});

test('a log is followed with two clicks', async ({ page }) => {
  await open(page);
  await choose(page, 'web1');
  await page.getByTestId('sources-button').click();
  await page.locator('[data-source="docker:web"]').click();
  await expect(pane(page).getByTestId('log-line').first()).toContainText('GET /orders/0');
  await expect(pane(page)).toContainText('docker:web');
});

test('a target of a folder there runs there', async ({ page }) => {
  await open(page);
  await choose(page, 'web1');
  const folder = page.getByLabel('Folder with a Makefile on web1');
  await folder.fill('/nowhere');
  await folder.press('Enter');
  await expect(page.getByRole('alert')).toContainText('/nowhere is not a folder on web1');
  await folder.fill('~/shop');
  await folder.press('Enter');
  await page.locator('[data-testid=there-target][data-name=deploy]').click();
  await page.getByLabel('ENV').fill('production');
  await page.getByRole('button', { name: 'Run deploy on web1' }).click();
  await expect(pane(page).locator('.command')).toContainText('ENV=production');
  await expect(pane(page)).toContainText('web1');
});

test('a job whose link is lost says what becomes of it and when it is tried again', async ({ page }) => {
  await open(page);
  await choose(page, 'db1');
  await page.getByTestId('terminal-button').click();
  await expect(page.getByTestId('link-bar')).toContainText(/Disconnected from db1 – attempt 3, (next try in \d+ s|trying now)/);
});

test('the palette finds a host; Ctrl+Enter opens a terminal on it', async ({ page }) => {
  await open(page);
  await page.keyboard.press('Control+k');
  await page.keyboard.type('web2');
  await page.keyboard.press('Enter');
  await expect(host(page)).toHaveAttribute('data-host', 'web2');
  await page.keyboard.press('Control+k');
  await page.keyboard.type('bastion');
  await page.keyboard.press('Control+Enter');
  await expect(pane(page)).toContainText('bastion');
  await expect(page.getByTestId('terminal')).toContainText('Ctrl+D ends');
});

test('options are resolved when they are looked at, each with its line', async ({ page }) => {
  await open(page);
  await choose(page, 'web1');
  await page.getByText('Effective options').click();
  await expect(page.getByTestId('host-options')).toContainText(/proxyjump\s*bastion .*config:16/);
  await expect(page.getByTestId('host-options')).toContainText('Differs from ssh');
  await expect(page.getByTestId('host-options')).not.toContainText('serveraliveinterval');
  await page.getByRole('button', { name: 'With defaults' }).click();
  await expect(page.getByTestId('host-options')).toContainText('serveraliveinterval');
});

test('without hosts the window says where it looked', async ({ page }) => {
  await open(page, '?fake=empty');
  await expect(page.getByText('/home/ada/.ssh/config', { exact: true })).toBeVisible();
  await expect(row(page, 'zeta')).toBeVisible();
});

test('the narrowest window shows a host without cutting its acts', async ({ page }) => {
  await page.setViewportSize({ width: 720, height: 480 });
  await open(page);
  await choose(page, 'web1');
  for (const id of ['disconnect-button', 'terminal-button']) await expect(page.getByTestId(id)).toBeInViewport({ ratio: 1 });
  expect(await host(page).evaluate((node) => node.scrollWidth - node.clientWidth)).toBeLessThanOrEqual(0);
});

for (const scheme of ['light', 'dark'] as const) {
  test(`hosts and questions are accessible in ${scheme} colours`, async ({ page }) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await open(page);
    await choose(page, 'web1');
    await page.getByTestId('sources-button').click();
    await expect(page.getByTestId('log-row').first()).toBeVisible();
    await page.getByText('Effective options').click();
    await expect(page.getByTestId('host-options')).toContainText('proxyjump');
    await axe(page);
    await choose(page, 'queue-eu-west-1.internal');
    await axe(page);
    await choose(page, 'db1');
    await page.getByTestId('terminal-button').click();
    await expect(page.getByTestId('link-bar')).toBeVisible();
    await axe(page);
    await choose(page, 'web2');
    await page.getByTestId('connect-button').click();
    await expect(prompt(page)).toBeVisible();
    await axe(page);
    await page.keyboard.press('Escape');
    await choose(page, 'pi');
    await page.getByTestId('connect-button').click();
    await expect(page.getByLabel('Password', { exact: true })).toBeVisible();
    await axe(page);
  });
}

test('the way shows each hop with its state, what its server says, and who connects', async ({ page }) => {
  await open(page);
  await choose(page, 'web1');
  const stops = page.getByTestId('way-stop');
  await expect(stops).toHaveText([/bastion\s*8 ms/, /web1\s*12 ms/]);
  await expect(page.getByTestId('banner')).toContainText('bastion says Example Ltd. Authorised users only.');
  await page.getByTestId('banner').getByText('bastion says').click();
  await expect(page.getByTestId('banner').locator('pre')).toContainText('⟨202E⟩Questions');
  await page.getByTestId('engine-select').selectOption('openssh');
  await expect(page.getByTestId('host-way')).toContainText('built-in until it is disconnected');
  await page.getByTestId('way-stop').getByRole('button', { name: 'bastion' }).click();
  await expect(host(page)).toHaveAttribute('data-host', 'bastion');
  await choose(page, 'web1');
  await expect(page.getByTestId('engine-select')).toHaveValue('openssh');
  await choose(page, 'stage1');
  await expect(stops).toHaveText([/gate.staging/, /stage1/]);
  await expect(stops.first()).toHaveAttribute('title', /ada@198.51.100.7:22 – unreachable/);
  await expect(stops.last()).toHaveAttribute('title', /not tried/);
});

test('before the first connection the way is asked of ssh, not guessed', async ({ page }) => {
  await open(page);
  await choose(page, 'web2');
  await expect(page.getByTestId('way-stop')).toHaveCount(0);
  await page.getByTestId('ask-way').click();
  await expect(page.getByTestId('way-stop')).toHaveText([/bastion/, /web2/]);
  await expect(host(page)).toHaveAttribute('data-status', 'unknown');
});

test('tunnels: those of the configuration and one of one’s own open, are listed, and stop', async ({ page }) => {
  await open(page);
  await choose(page, 'db1');
  const card = page.getByRole('region', { name: 'Tunnels through db1' });
  await page.getByTestId('ask-forwards').click();
  await expect(page.getByTestId('forward')).toHaveText([/5432 here → localhost:5432 from db1/, /SOCKS on \*:1080 here → out from db1\s*open to others/]);
  await page.getByTestId('forward-open').first().click();
  await expect(pane(page)).toContainText('tunnel -L 5432:localhost:5432');
  await expect(pane(page).getByTestId('log-line').first()).toContainText('listening on 127.0.0.1:5432');
  await expect(page.getByTestId('tunnel-open')).toHaveCount(1);
  await page.getByLabel('Port, address:port or socket that listens').fill('8080');
  await page.getByLabel('host:port or socket that it leads to').fill('80');
  await expect(card).toContainText('-L 8080:localhost:80');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('tunnel-open')).toHaveCount(2);
  await page.getByTestId('tunnel-all').click();
  await expect(pane(page)).toContainText('tunnel -L 5432:localhost:5432 -D *:1080');
  await page.getByTestId('tunnel-stop').first().click();
  await expect(page.getByTestId('tunnel-open')).toHaveCount(2);
  await choose(page, 'web1');
  await expect(page.getByTestId('tunnel-open')).toHaveCount(0);
  await page.getByTestId('ask-forwards').click();
  await expect(page.getByText('Its configuration forwards nothing.')).toBeVisible();
  await page.getByLabel('What is opened').selectOption('a SOCKS proxy here');
  await page.getByLabel('Port, address:port or socket that listens').fill('*:1080');
  await expect(page.getByRole('region', { name: 'Tunnels through web1' })).toContainText('-D *:1080 – others than this machine can reach it');
});

test('a host key that has changed is replaced only by whoever types the name of the machine', async ({ page }) => {
  const errors = await open(page);
  await choose(page, 'stage2');
  await page.getByTestId('host-key-button').click();
  const dialog = page.getByTestId('host-key-dialog');
  await expect(dialog).toContainText('Somebody may be listening in');
  await expect(dialog).toContainText('SHA256:Qm0vXcYk1b3n9fT6V0wqQwK1F9mJdGQ0mZ1WqgA2nN4');
  await expect(dialog).toContainText('/home/ada/.ssh/known_hosts:9');
  await expect(dialog.getByTestId('new-key')).toContainText('SHA256:uNiVztksCsDhcc0u9e8BrwQrGr6pKoC8TkVWx6nTqhM');
  await axe(page);
  const replace = page.getByTestId('host-key-replace');
  await expect(replace).toBeDisabled();
  await page.keyboard.press('Enter'); // the focus is on the answer that does nothing
  await expect(dialog).toHaveCount(0);
  await page.getByTestId('host-key-button').click();
  await page.getByTestId('host-key-name').fill('stage1');
  await page.getByTestId('host-key-name').press('Enter');
  await expect(replace).toBeDisabled();
  await expect(page.getByTestId('host-page')).toHaveAttribute('data-status', 'host-key');
  await page.getByTestId('host-key-name').fill('stage2');
  await replace.click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByTestId('host-page')).toHaveAttribute('data-status', 'connected');
  expect(errors).toEqual([]);
});
