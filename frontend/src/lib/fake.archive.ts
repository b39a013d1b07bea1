/* The database of the fake backend: none at first; one that asks, copies, and is away when told to. */

import { AppError, type ArchiveInfo, type Backend, type Counts, type Job, type TeamJob, type Verdict } from './types';

const NONE: ArchiveInfo = {
  state: 'off', since: '0001-01-01T00:00:00Z', server: '', origin: '', error: '', hint: '', elsewhere: false, lag_known: false, lag_jobs: 0, lag_bytes: 0, lag_seconds: 0, entries: 0,
  quarantined: [], set_aside: [], database: '',
};

export class FakeArchive {
  #info: ArchiveInfo = NONE;
  #changed: () => void;

  readonly brought = new Set<string>(); // jobs of colleagues that are followed
  watched = false; // the team's jobs are shown
  readonly left: string[] = []; // jobs of colleagues that nobody looks at any more
  #jobs: () => TeamJob[];

  constructor(changed: () => void, jobs: () => TeamJob[]) {
    this.#changed = changed;
    this.#jobs = jobs;
  }

  set(info: Partial<ArchiveInfo>): void {
    this.#info = { ...this.#info, since: new Date().toISOString(), ...info };
    this.#changed();
  }

  readonly backend: Backend['archive'] = {
    status: async () => structuredClone(this.#info),
    test: async (url) => {
      await new Promise((done) => setTimeout(done, 200));
      const to = url || this.#info.database;
      if (to.includes('nowhere')) throw new AppError('internal', 'connect to ada@nowhere.example:5432/vmo: lookup nowhere.example: no such host', 'Check the name of the server, or whether the VPN is up. Jobs go on and are recorded here meanwhile.');
      return {
        server: 'ada@db.example:5432/vmo', postgres: '16.4', transport: 'TLSv1.3, the server is proven', login: 'ada', may: 'operator', writable: true, schema: 1, answer_ms: 4, jobs: 1204, installations: 3, bytes: 48_000_000,
        entries: this.#info.entries, ledger: 52,
      };
    },
    use: async (url) => {
      if (/:[^/@]+@/.test(url)) throw new AppError('invalid', 'there is a password in the address of the database', 'Take it out, and store it in the keychain instead.');
      if (url === '') this.set({ ...NONE });
      else this.set({ state: 'asks', server: 'ada@db.example:5432/vmo', origin: '/home/ada/.config/vm-orchestrator/settings.json', database: url, hint: 'Say which jobs go there.' });
    },
    setPassword: async () => {},
    share: async () => {
      this.set({ state: 'shipping', lag_known: true, lag_jobs: 12, lag_bytes: 48_000_000, hint: '' });
      setTimeout(() => this.set({ state: 'current', lag_jobs: 0, lag_bytes: 0, entries: 52 }), 400);
    },
    init: async () => {},
    migrate: async () => 1,
    jobs: async ({ limit, before, filter }) => {
      this.#reachable();
      return this.#jobs().filter((job) => (before === '' || job.id < before) && fits(job, filter.text ?? '') && (!filter.states || filter.states.includes(job.state))).slice(0, limit);
    },
    count: async (filter) => {
      this.#reachable();
      const counts: Counts = {};
      for (const { state } of this.#jobs().filter((job) => fits(job, filter.text ?? ''))) counts[state] = (counts[state] ?? 0) + 1;
      return counts;
    },
    watch: async (shown) => void (this.watched = shown),
    open: async (id) => {
      this.#reachable();
      const job = this.#jobs().find((one) => one.id === id);
      if (!job) throw new AppError('not-found', `there is no job ${id} in the database`);
      this.brought.add(id);
      return job;
    },
    leave: async (id) => void this.left.push(id),
    retry: async () => this.set({ state: 'current', error: '', hint: '', lag_jobs: 0 }),
  };

  #reachable(): void {
    if (this.#info.state === 'waiting') throw new AppError('internal', 'connect to ada@db.example:5432/vmo: connection refused', 'It is tried again. Jobs go on and are recorded here meanwhile.');
  }

  /** One job is not what it was; the rest is. */
  verify = async (target: string): Promise<Verdict[]> => {
    const tampered = target === 'clean';
    return [
      { result: 'intact', state: 'signed', blocks: 0, bytes: 0 },
      { job: target, result: tampered ? 'tampered' : 'intact', state: 'sealed', blocks: 3, bytes: 12_000, findings: tampered ? ['block 2 is not what was recorded at 14:02:11'] : [] },
    ];
  };
}

const fits = (job: Job, text: string): boolean => [job.argv.join(' '), job.target, job.host].join(' ').toLowerCase().includes(text.toLowerCase());
