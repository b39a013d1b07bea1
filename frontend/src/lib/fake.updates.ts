/* Newer releases of the fake backend: off, as everywhere, and with one that is there once it is asked. */

import { AppError, type Backend, type Release, type UpdateInfo } from './types';

const RELEASE: Release = {
  unsure: false, version: 'v0.8.0', date: '2026-12-01T09:00:00Z',
  notes: '### Added\n\n- The window: records can be compared line by line.\n- `vmo compare` does the same in a terminal.\n\n### Fixed\n\n- A tunnel whose host sleeps says so.\n',
  schema: "The tables of the team's database become version 2, from 1: before it, the owner of the archive runs vmo db migrate of the new version. Machines that are not updated then may stop copying, say so, and go on recording.",
  migrate: true, journal: 'The journal stays as it is.',
  how: 'sudo apt install ./vmo_0.8.0_amd64.deb ./vm-orchestrator_0.8.0_amd64.deb', from: 'https://releases.example.com/vmo',
  files: [
    { name: 'vmo_0.8.0_amd64.deb', url: 'https://releases.example.com/vmo/vmo_0.8.0_amd64.deb', size: 11_371_980, sha256: '4f'.repeat(32) },
    { name: 'vm-orchestrator_0.8.0_amd64.deb', url: 'https://releases.example.com/vmo/vm-orchestrator_0.8.0_amd64.deb', size: 15_240_122, sha256: 'a1'.repeat(32) },
  ],
};

export class FakeUpdates {
  #changed: () => void;
  #info: UpdateInfo = {
    state: 'off', url: 'https://releases.example.com/vmo/release.json', managed: false, policy: '/etc/vm-orchestrator/policy.json', current: 'v0.7.0',
    checked: null, error: '', hint: '', release: null,
  };
  next: Release | null = RELEASE; // what the next question finds
  asked = 0;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  set(over: Partial<UpdateInfo>): void {
    this.#info = { ...this.#info, ...over };
    this.#changed();
  }

  readonly backend: Backend['updates'] = {
    status: async () => structuredClone(this.#info),
    check: async () => {
      if (this.#info.state !== 'on') throw new AppError('invalid', 'look for a newer release: it is turned off', 'Turn it on first.');
      this.asked++;
      this.set({ checked: new Date().toISOString(), error: '', hint: '', release: this.next && structuredClone(this.next) });
      return structuredClone(this.#info);
    },
    set: async (on, url) => {
      if (url && !url.startsWith('https://')) throw new AppError('invalid', `turn the check for updates on: the address of the releases "${url}" does not begin with https://`, 'It is that of the manifest of a release, such as https://releases.example.com/vm-orchestrator/release.json.');
      this.set({ state: on ? 'on' : 'off', url: url || this.#info.url, release: on ? this.#info.release : null });
    },
  };
}
