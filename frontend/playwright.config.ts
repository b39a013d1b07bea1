import { defineConfig, devices } from '@playwright/test';

// Two projects. "window" runs against a real backend that somebody else has started (VMO_URL); "fake" starts the
// dev server and uses the backend in memory. The browser is the system's: none is ever downloaded.
const real = process.env.VMO_URL;
const port = Number(process.env.VMO_FAKE_PORT ?? 5174);
const executablePath = process.env.VMO_CHROMIUM ?? '/usr/bin/chromium';
const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
const fake = { command: `npx vite --port ${port} --strictPort`, url: `http://127.0.0.1:${port}/`, reuseExistingServer: false, timeout: 60_000 };

export default defineConfig({
  testDir: 'e2e',
  fullyParallel: false,
  workers: 1,
  timeout: 45_000,
  expect: { timeout: 10_000 },
  reporter: [['list']],
  use: { ...devices['Desktop Chrome'], viewport: { width: 1280, height: 800 }, launchOptions: { executablePath, args: sandbox }, trace: 'retain-on-failure' },
  projects: real
    ? [{ name: 'window', testMatch: 'window.spec.ts', use: { baseURL: real } }]
    : [{ name: 'fake', testMatch: ['fake.spec.ts', 'hosts.spec.ts', 'history.spec.ts', 'database.spec.ts', 'diagnostics.spec.ts', 'links.spec.ts', 'remarks.spec.ts', 'acts.spec.ts', 'updates.spec.ts'], use: { baseURL: `http://127.0.0.1:${port}` } }],
  webServer: real ? undefined : fake,
});
