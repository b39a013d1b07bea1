/* What the specs on the backend in memory share: the page, its parts, and the check that anybody can use it. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, type Page } from '@playwright/test';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const target = (page: Page, name: string) => page.locator(`[data-testid=target-row][data-name="${name}"]`);
export const run = (page: Page, name: string) => target(page, name).getByTestId('run-button').click();
export const pane = (page: Page) => page.locator('.slot.shown.active').getByTestId('job-pane');

export async function open(page: Page, query = '?fake') {
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`/${query}`);
  await expect(page.getByRole('heading', { name: 'Projects' })).toBeVisible();
  await expect(page.locator('#splash')).toHaveCount(0);
  return errors;
}

interface Axe {
  run(context: unknown, options: unknown): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>;
}

export async function axe(page: Page) {
  // Through the debugger, not a script element: the page's content policy refuses those.
  await page.evaluate(axeSource);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: Axe };
    // What xterm.js draws is a picture of a screen; its authors check it.
    // The separators between landmarks are in none by nature, hence no "region".
    const result = await axe.run({ exclude: ['.xterm'] }, { rules: { region: { enabled: false } }, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] });
    return result.violations.map((v) => `${v.id}: ${v.nodes.map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join('\n   ')}`);
  });
  expect(found.join('\n\n')).toBe('');
}
