/* What the fake backend finds when it looks at itself: one thing of each kind. */

import type { Backend, DoctorCheck } from './types';

const CHECKS: DoctorCheck[] = [
  { name: 'window', ok: true, optional: false, found: '0.1.0-fake', origin: '', next: '' },
  { name: 'web view', ok: true, optional: false, found: 'WebKitGTK 2.50.6', origin: '', next: '' },
  { name: 'system', ok: true, optional: false, found: 'Debian GNU/Linux 13 (trixie), Linux 6.12.41, amd64, built with go1.26.8', origin: '', next: '' },
  { name: 'PATH', ok: true, optional: false, found: '/home/ada/.local/bin:/home/ada/go/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games', origin: 'login shell /bin/zsh', next: '' },
  { name: 'SSH_AUTH_SOCK', ok: true, optional: true, found: '/run/user/1000/keyring/ssh', origin: 'own environment; /bin/zsh has none of its own', next: '' },
  { name: 'make', ok: false, optional: false, found: 'it is in no directory of PATH', origin: '', next: 'Install make.' },
  { name: 'ssh', ok: true, optional: true, found: 'OpenSSH_10.0p2 Debian-7, OpenSSL 3.5.1 1 Jul 2025', origin: '/usr/bin/ssh', next: '' },
  { name: 'agent', ok: false, optional: true, found: 'it answers, and holds no keys', origin: 'SSH_AUTH_SOCK', next: 'Add one with ssh-add, or unlock it.' },
  { name: 'updates', ok: true, optional: true, found: 'not asked for: vmo update on', origin: '', next: '' },
  { name: 'storage', ok: true, optional: true, found: 'ext4', origin: '/home/ada/.local/share/vmo', next: '' },
];

export class FakeDiagnostics {
  checks: DoctorCheck[] = structuredClone(CHECKS);
  saved = '/home/ada/vm-orchestrator-report.tar.gz'; // '' dismisses the dialog

  readonly backend: Backend['diagnostics'] = {
    checks: async () => {
      await new Promise((done) => setTimeout(done, 50));
      return structuredClone(this.checks);
    },
    report: async () => ({
      parts: [
        { name: 'README.txt', what: 'what this is', text: 'Report of VM Orchestrator\n' },
        { name: 'doctor.json', what: 'what vmo doctor finds', text: '[{ "name": "PATH", "found": "7 folders" }]\n' },
      ],
    }),
    save: async () => ({ path: this.saved, parts: this.saved ? ['README.txt', 'doctor.json'] : [] }),
  };
}
