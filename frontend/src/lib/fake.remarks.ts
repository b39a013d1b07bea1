/* What was said of the jobs of the fake backend. */

import { AppError, type Act, type ActsPage, type Backend, type Filter, type Job, type Remark } from './types';

export class FakeRemarks {
  #said: Remark[] = [];
  #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  say(job: string, kind: Remark['kind'], text = '', by = 'ada@zeta', ago = 0): void {
    this.#said.push({ kind, job, at: new Date(Date.now() - ago).toISOString(), by, text });
    this.#changed();
  }

  /** What was done besides: it is newer than every job of the fake. */
  readonly others: Act[] = [
    { at: new Date(Date.now() - 30_000).toISOString(), by: 'ada@zeta', what: 'connect', host: 'web1', text: 'deploy@10.0.4.11:22, ssh-ed25519 SHA256:x' },
    { at: new Date(Date.now() - 40_000).toISOString(), by: 'ada@zeta', what: 'setting', host: '', text: 'database: ada@db.example:5432/vmo' },
    { at: new Date(Date.now() - 50_000).toISOString(), by: 'bob@desk', what: 'remove', host: 'web1', text: 'space', count: 12 },
  ];

  acts(jobs: Job[], { hosts, operator, since, until }: Filter, limit: number): ActsPage {
    const begun = jobs.map((job): Act => ({ at: job.queued_at, by: job.operator, what: job.event ? 'event' : 'job', host: job.host, job: job.id, state: job.state, text: job.target || job.argv.join(' ') }));
    const said = this.#said.map((remark): Act => ({ at: remark.at, by: remark.by, what: remark.kind, host: jobs.find((job) => job.id === remark.job)?.host ?? '', job: remark.job, text: remark.text }));
    const all = [...begun, ...said, ...this.others]
      .filter((act) => (!hosts?.length || hosts.includes(act.host)) && act.by.includes(operator ?? '') && (!since || act.at >= since) && (!until || act.at < until))
      .sort((a, b) => (a.at < b.at ? 1 : -1));
    return { acts: all.slice(0, limit), more: all.length > limit };
  }

  marks(id: string): Pick<Job, 'pinned' | 'labels' | 'notes'> {
    const labels = new Set<string>();
    let pinned = false;
    let notes = 0;
    for (const { kind, text } of this.#of(id)) {
      if (kind === 'label') labels.add(text);
      else if (kind === 'unlabel') labels.delete(text);
      else if (kind === 'note') notes++;
      else pinned = kind === 'pin';
    }
    return { ...(pinned && { pinned }), ...(labels.size > 0 && { labels: [...labels].sort() }), ...(notes > 0 && { notes }) };
  }

  #of(id: string): Remark[] {
    return this.#said.filter((remark) => remark.job === id);
  }

  readonly backend: Pick<Backend['jobs'], 'said' | 'note' | 'label' | 'pin'> = {
    said: async (id) => ({ remarks: this.#of(id), team: false, problem: '' }),
    note: async (id, text) => {
      if (text.includes('\x1b')) throw new AppError('invalid', 'the note has characters that are no text, such as control sequences');
      this.say(id, 'note', text.trim());
    },
    label: async (id, labels, remove) => {
      for (const label of labels) if (Boolean(this.marks(id).labels?.includes(label)) === remove) this.say(id, remove ? 'unlabel' : 'label', label);
    },
    pin: async (id, keep) => this.say(id, keep ? 'pin' : 'unpin'),
  };
}
