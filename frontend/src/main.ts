import './lib/styles/base.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { takeDrops, wails } from './lib/backend';
import type { Backend } from './lib/types';

/** The window on Go; in a dev build `?fake` shows it on the backend in memory. */
async function backend(): Promise<Backend> {
  if (import.meta.env.DEV && new URLSearchParams(location.search).has('fake')) {
    return (await import('./lib/backend.fake')).fakeBackend(location.search);
  }
  if (!('go' in window)) throw new Error('the window’s other half is missing: this page was opened outside the app');
  takeDrops();
  return wails;
}

const splash = document.getElementById('splash');
try {
  const target = document.getElementById('app');
  if (!target) throw new Error('the page is damaged: #app is missing');
  mount(App, { target, props: { backend: await backend() } });
  splash?.remove();
} catch (thrown) {
  const text = document.getElementById('splash-text');
  if (text) text.textContent = `The window could not start: ${thrown instanceof Error ? thrown.message : String(thrown)}.`;
  splash?.classList.add('failed');
  console.error(thrown);
}
