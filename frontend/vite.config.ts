import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// The window's content policy stands in the page as well as in the header that the shell sends, so that
// the page is as strict wherever it is served from. Only the dev server adds its own web socket.
const policy = (dev: boolean): string =>
  [
    "default-src 'self'",
    "script-src 'self'",
    "style-src 'self' 'unsafe-inline'", // xterm.js draws colours with style elements
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self'${dev ? ' ws://127.0.0.1:* ws://localhost:*' : ''}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-src 'none'",
  ].join('; ');

const contentPolicy: Plugin = {
  name: 'content-policy',
  transformIndexHtml: (_html, context) => [
    { tag: 'meta', injectTo: 'head-prepend', attrs: { 'http-equiv': 'Content-Security-Policy', content: policy(context.server !== undefined) } },
  ],
};

export default defineConfig({
  plugins: [svelte(), svelteTesting(), contentPolicy],
  // Loopback only: the dev page can start jobs on this machine.
  server: { host: '127.0.0.1' },
  preview: { host: '127.0.0.1' },
  build: {
    target: 'safari16.4',
    // A font below the limit would become a data: URL, which the content policy refuses.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    rolldownOptions: { checks: { pluginTimings: false } }, // a slow machine is no warning
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.ts'],
    setupFiles: ['./src/test.setup.ts'],
  },
});
